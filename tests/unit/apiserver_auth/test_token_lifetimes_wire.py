"""Extension and maximum together, on servers that are set up otherwise."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from podpass.jose.keys import ES256, generate_signing_key
from podpass.testing.api_server import running_api_server
from podpass.testing.memory_store import MemoryStore

from .wire import Wire, claims_of, wired

HOUR = timedelta(hours=1)
YEAR = 31_536_000


async def lifetime(wire: Wire, seconds: int) -> tuple[int, int, int | None]:
    """Return what the answer says, what the token lives, and when it warns."""
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "p"}
    spec = {"expirationSeconds": seconds, "boundObjectRef": reference}
    answer = await wire.send(
        "POST", "/api/v1/namespaces/ns1/serviceaccounts/app/token", {"spec": spec}
    )
    claims = claims_of(answer.body["status"]["token"])
    warn_after = claims["kubernetes.io"].get("warnafter")
    return (
        answer.body["spec"]["expirationSeconds"],
        claims["exp"] - claims["iat"],
        warn_after and warn_after - claims["iat"],
    )


@pytest.mark.rule(
    "token-request.extension-over-maximum",
    "token-request.extension-switch",
    "token-request.order-clamp",
)
@pytest.mark.parametrize(
    ("settings", "asked", "expected"),
    [
        pytest.param({}, 3607, (3607, YEAR, 3607), id="no maximum"),
        pytest.param({"maximum": 2 * HOUR}, 3607, (3607, YEAR, 3607), id="ignored by two hours"),
        pytest.param(
            {"maximum": 730 * 24 * HOUR}, 3607, (3607, YEAR, 3607), id="ignored by two years"
        ),
        pytest.param({"maximum": HOUR}, 3607, (3600, 3600, None), id="prevented by an hour"),
        pytest.param(
            {"maximum": timedelta(seconds=3607)}, 7200, (3607, YEAR, 3607), id="reached by cutting"
        ),
        pytest.param({"extend": False}, 3607, (3607, 3607, None), id="turned off"),
        pytest.param(
            {"extend": False, "maximum": 5 * HOUR}, 3607, (3607, 3607, None),
            id="turned off with a maximum",
        ),
    ],
)  # fmt: skip
async def test_the_maximum_and_the_extension(
    tmp_path: Path, settings: dict[str, Any], asked: int, expected: tuple[int, int, int | None]
) -> None:
    async with wired(
        tmp_path,
        service_account_max_token_expiration=settings.get("maximum"),
        service_account_extend_token_expiration=settings.get("extend", True),
    ) as wire:
        await wire.pod("p")
        assert await lifetime(wire, asked) == expected


@pytest.mark.rule("token-request.minimum-switch")
async def test_a_lowered_minimum(tmp_path: Path) -> None:
    lowered = timedelta(seconds=10)
    async with wired(tmp_path, service_account_min_token_expiration=lowered) as wire:
        await wire.pod("p")
        assert await lifetime(wire, 10) == (10, 10, None)
        refused = await wire.send(
            "POST",
            "/api/v1/namespaces/ns1/serviceaccounts/app/token",
            {"spec": {"expirationSeconds": 9}},
        )
        assert refused.code == 422
        assert "may not specify a duration less than 10 seconds" in refused.text


@pytest.mark.rule("config.signing-key-untrusted")
async def test_a_key_that_nobody_trusts_signs_in_vain(tmp_path: Path) -> None:
    other = tmp_path / "other.pub"
    other.write_bytes(generate_signing_key(ES256).public.to_pem())
    async with wired(tmp_path, service_account_key_files=(other,)) as wire:
        status = await wire.review(await wire.issue())
        assert "invalid signature, no keys found" in status["error"]


@pytest.mark.rule("discovery.conditions", "config.issuer-not-https", "discovery.first-issuer")
async def test_an_issuer_that_is_not_https_is_served_without_discovery(tmp_path: Path) -> None:
    async with wired(tmp_path, service_account_issuers=("my-issuer", "https://i")) as wire:
        assert (await wire.review(await wire.issue()))["authenticated"] is True
        for path in ("/.well-known/openid-configuration", "/openid/v1/jwks"):
            assert (await wire.send("GET", path)).code == 404


@pytest.mark.rule(
    "config.issuers",
    "config.issuer-rotation",
    "config.api-audiences",
    "edge.two-issuers",
    "verify.issuer-exact",
    "discovery.first-issuer",
)
async def test_two_issuers(tmp_path: Path) -> None:
    both = ("https://new.example", "https://old.example")
    async with wired(tmp_path, service_account_issuers=both) as wire:
        claims = claims_of(await wire.issue())
        assert (claims["iss"], claims["aud"]) == (both[0], list(both))
        uid = claims["kubernetes.io"]["serviceaccount"]["uid"]
        for issuer in both:
            token = wire.sign(wire.claims(uid, iss=issuer, aud=[both[1]]))
            assert (await wire.login(token)).code == 200
            status = await wire.review(token)
            assert (status["authenticated"], status["audiences"]) == (True, [both[1]])
        for issuer in ("https://new.example/", "https://NEW.example", "https://other.example"):
            token = wire.sign(wire.claims(uid, iss=issuer, aud=[both[0]]))
            assert (await wire.login(token)).code == 401
            assert (await wire.review(token))["error"] == "invalid bearer token"
        document = (await wire.send("GET", "/.well-known/openid-configuration")).body
        assert document["issuer"] == both[0]


@pytest.mark.rule("config.key-file-required")
async def test_without_key_files_the_signing_key_is_trusted(tmp_path: Path) -> None:
    async with wired(tmp_path, service_account_key_files=()) as wire:
        assert (await wire.review(await wire.issue()))["authenticated"] is True


@pytest.mark.rule("ha.any-server")
async def test_every_server_takes_the_tokens_of_the_others(tmp_path: Path) -> None:
    store = MemoryStore()
    async with wired(tmp_path, store=store) as one:
        token = await one.issue()
        settings = one.server.pki.settings()
        async with running_api_server(store, one.server.pki, settings=settings) as another:
            assert another.url != one.server.url
            async with another.session(token=token) as somebody:
                assert (await one.send("GET", "/api", session=somebody)).code == 200


@pytest.mark.rule("edge.stale-annotation", "audit.annotations", "metrics.tokens")
async def test_the_use_of_a_stale_token_is_in_the_audit_log(tmp_path: Path) -> None:
    policy, log = tmp_path / "policy.yaml", tmp_path / "audit.log"
    policy.write_text("{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: Metadata}]}")
    async with wired(tmp_path, audit_policy_file=policy, audit_log_path=str(log)) as wire:
        await wire.pod("p")
        reference = {"apiVersion": "v1", "kind": "Pod", "name": "p"}
        token = await wire.issue(expirationSeconds=3607, boundObjectRef=reference)
        wire.clock.advance(3607 + 11)
        async with wire.server.session(token=token) as app:
            for audit_id in ("first", "hit"):
                headers = {"Audit-ID": audit_id}
                assert (await wire.send("GET", "/api", session=app, **headers)).code == 200
        counted = (await wire.send("GET", "/metrics")).body.decode()
    events = [orjson.loads(line) for line in log.read_bytes().splitlines()]
    notes = [
        event["annotations"]["authentication.k8s.io/stale-token"]
        for event in events
        if event["auditID"] in ("first", "hit") and event["stage"] == "ResponseComplete"
    ]
    subject = "system:serviceaccount:ns1:app"
    assert notes == [f"subject: {subject}, seconds after warning threshold: 11"] * 2
    assert "serviceaccount_stale_tokens_total 1\n" in counted
