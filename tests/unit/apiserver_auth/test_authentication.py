"""Certificates, bearer tokens, nobody; the success cache."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from podpass.api import errors
from podpass.api.errors import StatusError
from podpass.api.meta import UserInfo
from podpass.api.resources import PODS, SERVICE_ACCOUNTS, Object, Resource
from podpass.apiserver.authentication import Authenticated, Authenticator, bearer_token
from podpass.apiserver.object_reader import ObjectCallback
from podpass.apiserver.token_cache import MAXIMUM_ENTRIES, TokenCache
from podpass.jose.key_set import KeySet
from podpass.serviceaccount.trusted_keys import StaticKeys
from podpass.testing.fake_clock import START, FakeClock, settle

from .conftest import ISSUER, KEY, World

CA = ec.derive_private_key(7, ec.SECP256R1())


def certificate(
    name: str = "ann", *groups: str, not_after: datetime = START + timedelta(days=1)
) -> bytes:
    subject = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    if name:
        subject.append(x509.NameAttribute(NameOID.COMMON_NAME, name))
    built = x509.CertificateBuilder(
        x509.Name([]),
        x509.Name(subject),
        CA.public_key(),
        1,
        datetime(2025, 1, 1, tzinfo=UTC),
        not_after,
    )
    return built.sign(CA, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


async def token(world: World, **spec: Any) -> str:
    answer, _ = await world.tokens.create(
        "ns1", "app", {"spec": spec}, UserInfo("ann"), admission=world.no_admission
    )
    return str(answer["status"]["token"])


@pytest.mark.rule(
    "authentication.bearer",
    "authentication.bearer-junk",
    "authentication.bearer-extra-space",
    "authentication.no-credential",
    "client.lowercase",
)
@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param(None, "", id="no header"),
        pytest.param("", "", id="an empty header"),
        pytest.param("Basic abc", "", id="another scheme"),
        pytest.param("Bearer", "", id="no token"),
        pytest.param("Bearer ", "", id="an empty token"),
        pytest.param("Bearer: abc", "", id="a colon"),
        pytest.param("Bearer abc", "abc", id="a token"),
        pytest.param("bearer abc", "abc", id="lower case, as Python clients send it"),
        pytest.param("  Bearer abc  ", "abc", id="blanks around"),
        pytest.param("Bearer abc junk x", "abc", id="words behind it"),
        pytest.param("Bearer  abc", "", id="two spaces before it"),
    ],
)
def test_the_token_in_a_header(header: str | None, expected: str) -> None:
    assert bearer_token(header) == expected


async def test_a_certificate_is_name_and_groups(world: World) -> None:
    for _ in range(2):
        found = await world.authenticator.authenticate(None, certificate("ann", "dev", "ops"))
    assert found.user.name == "ann"
    assert found.user.groups == ("dev", "ops", "system:authenticated")
    (credential,) = found.user.extra["authentication.kubernetes.io/credential-id"]
    assert credential.startswith("X509SHA256=")


async def test_a_group_that_is_named_already_is_not_named_twice(world: World) -> None:
    found = await world.authenticator.authenticate(None, certificate("a", "system:authenticated"))
    assert found.user.groups == ("system:authenticated",)


@pytest.mark.rule("authentication.order")
async def test_a_certificate_goes_before_a_token(world: World) -> None:
    found = await world.authenticator.authenticate("Bearer bad", certificate("ann"))
    assert found.user.name == "ann"


async def test_a_certificate_without_name_leaves_it_to_the_token(world: World) -> None:
    found = await world.authenticator.authenticate(None, certificate("", "dev"))
    assert found.user.name == "system:anonymous"


@pytest.mark.parametrize(
    ("der", "accepted"),
    [
        pytest.param(certificate(not_after=START), True, id="in its last second"),
        pytest.param(certificate(not_after=START - timedelta(seconds=1)), False, id="a second on"),
        pytest.param(b"junk", False, id="no certificate at all"),
    ],
)
async def test_a_certificate_that_ran_out_meanwhile(
    world: World, der: bytes, accepted: bool
) -> None:
    if accepted:
        assert (await world.authenticator.authenticate(None, der)).user.name == "ann"
        return
    with pytest.raises(StatusError) as caught:
        await world.authenticator.authenticate(None, der)
    assert caught.value.code == 401


@pytest.mark.rule("user.name-groups")
async def test_a_good_token_is_its_account(world: World) -> None:
    await world.put_account()
    found = await world.authenticator.authenticate(f"Bearer {await token(world)}", None)
    assert found.user.name == "system:serviceaccount:ns1:app"
    assert found.user.groups[-1] == "system:authenticated"
    assert found.warnings == ()


@pytest.mark.rule("authentication.never-anonymous", "authentication.unauthorized-body")
async def test_a_bad_token_is_never_anonymous(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with pytest.raises(StatusError) as caught:
        await world.authenticator.authenticate("Bearer secret-text", None)
    assert (caught.value.code, caught.value.message) == (401, "Unauthorized")
    assert "refused: invalid bearer token" in caplog.text
    assert "secret-text" not in caplog.text


@pytest.mark.rule("authentication.no-credential")
async def test_nobody_is_anonymous(world: World) -> None:
    found = await world.authenticator.authenticate(None, None)
    assert found.user == UserInfo("system:anonymous", groups=("system:unauthenticated",))


@pytest.mark.rule("authentication.bearer-extra-space")
async def test_two_spaces_make_no_token_but_a_warning(world: World) -> None:
    found = await world.authenticator.authenticate("Bearer  abc", None)
    assert found.user.name == "system:anonymous"
    (warning,) = found.warnings
    assert warning == (
        "the provided Authorization header contains extra space before the bearer token, and is "
        "ignored"
    )


@pytest.mark.rule("config.api-audiences")
async def test_anonymous_can_be_turned_off(world: World) -> None:
    strict = Authenticator(
        keys=StaticKeys(KeySet([KEY.public])),
        issuers=[ISSUER],
        api_audiences=[],
        reader=world.cached,
        clock=world.clock,
        anonymous=False,
    )
    assert strict.api_audiences == (ISSUER,)
    with pytest.raises(StatusError, match="Unauthorized"):
        await strict.authenticate(None, None)


@pytest.mark.rule("authentication.cache-success", "edge.cache-after-deletion")
async def test_a_success_counts_for_ten_seconds(world: World) -> None:
    await world.put_account()
    header = f"Bearer {await token(world)}"
    await world.authenticator.authenticate(header, None)
    await world.remove(SERVICE_ACCOUNTS, "ns1", "app")
    await world.clock.advance(9.9)
    await world.authenticator.authenticate(header, None)
    await world.clock.advance(0.1)
    with pytest.raises(StatusError, match="Unauthorized"):
        await world.authenticator.authenticate(header, None)


@pytest.mark.rule("authentication.cache-failure")
async def test_a_failure_is_not_remembered(world: World) -> None:
    await world.put_account()
    header = f"Bearer {await token(world)}"
    await world.remove(SERVICE_ACCOUNTS, "ns1", "app")
    with pytest.raises(StatusError):
        await world.authenticator.authenticate(header, None)
    await world.put_account()
    assert (await world.authenticator.authenticate(header, None)).user.uid == "uid-app"


async def test_a_store_that_is_away_is_not_a_bad_token(world: World) -> None:
    await world.put_account()
    header = f"Bearer {await token(world)}"
    await world.remove(SERVICE_ACCOUNTS, "ns1", "app")
    world.store.failure = "disk I/O error"
    with pytest.raises(StatusError) as caught:
        await world.authenticator.authenticate(header, None)
    world.store.failure = ""
    assert caught.value.code == 503


@pytest.mark.rule(
    "token-review.authenticated",
    "user.name-groups",
    "user.credential-id",
    "token-review.default-audiences",
)
async def test_a_review_tells_whose_token_it_is(world: World) -> None:
    await world.put_account()
    status = await world.authenticator.review(await token(world), [])
    credential = status["user"]["extra"].pop("authentication.kubernetes.io/credential-id")
    assert credential[0].startswith("JTI=")
    assert status == {
        "authenticated": True,
        "user": {
            "username": "system:serviceaccount:ns1:app",
            "uid": "uid-app",
            "groups": [
                "system:serviceaccounts",
                "system:serviceaccounts:ns1",
                "system:authenticated",
            ],
            "extra": {},
        },
        "audiences": ["api"],
    }


@pytest.mark.rule(
    "token-review.wrong-audience",
    "token-review.error-text",
    "authentication.cache-key",
    "token-review.failure-shape",
)
async def test_a_review_for_another_audience_is_another_question(world: World) -> None:
    await world.put_account()
    good = await token(world)
    assert (await world.authenticator.review(good, ["api"]))["authenticated"]
    status = await world.authenticator.review(good, ["vault"])
    assert status == {
        "user": {},
        "error": (
            '[invalid bearer token, token audiences ["api"] is invalid for the target audiences '
            '["vault"]]'
        ),
    }


@pytest.mark.rule(
    "token-review.leading-space",
    "token-review.error-text",
    "token-review.failure-shape",
)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("junk", id="junk"),
        pytest.param(" x", id="a space before it"),
        pytest.param("\udc80.a.b", id="bytes that are no text"),
    ],
)
async def test_a_review_of_what_is_no_token(world: World, text: str) -> None:
    status = await world.authenticator.review(text, [])
    assert status == {"user": {}, "error": "invalid bearer token"}


@pytest.mark.rule("authentication.cache-key")
def test_the_cache_tells_tokens_and_audiences_apart() -> None:
    cache: TokenCache[int] = TokenCache(FakeClock())
    keys = [
        cache.key("a", []),
        cache.key("a", ["b"]),
        cache.key("a", ["b", "c"]),
        cache.key("a", ["c", "b"]),
        cache.key("ab", []),
        cache.key("a", ["bc"]),
    ]
    assert len(set(keys)) == len(keys)
    assert cache.key("a", ["b"]) == keys[1]
    assert TokenCache[int](FakeClock()).key("a", []) != keys[0]


async def test_the_cache_is_bounded_and_forgets_the_stale() -> None:
    clock = FakeClock()
    cache: TokenCache[int] = TokenCache(clock)
    for index in range(MAXIMUM_ENTRIES + 1):
        cache.put(str(index).encode(), index)
    assert cache.get(b"0") is None
    assert cache.get(b"1") == 1
    await clock.advance(10)
    cache.put(b"new", 7)
    assert len(cache._entries) == 1


@pytest.mark.parametrize("step", [3600, -3600], ids=["forward", "back"])
async def test_a_clock_that_is_set_prolongs_nothing(step: float) -> None:
    clock = FakeClock()
    cache: TokenCache[int] = TokenCache(clock)
    cache.put(b"key", 7)
    clock.step(step)
    await clock.advance(9.9)
    assert cache.get(b"key") == 7
    await clock.advance(0.1)
    assert cache.get(b"key") is None


class SlowObjects:
    """Has no cache; every live read waits until it may go on."""

    def __init__(self) -> None:
        self.reads = 0
        self.failure: Exception | None = None
        self.may_go_on = asyncio.Event()

    def cached(self, _resource: Resource, _namespace: str, _name: str) -> Object | None:
        return None

    async def live(self, _resource: Resource, _namespace: str, name: str) -> Object:
        self.reads += 1
        await self.may_go_on.wait()
        if self.failure is not None:
            raise self.failure
        return {"metadata": {"name": name, "uid": f"uid-{name}"}}

    def cached_list(self, _resource: Resource, _namespace: str | None = None) -> Iterable[Object]:
        return ()

    def subscribe(self, _resource: Resource, _callback: ObjectCallback) -> None:
        raise AssertionError("nobody subscribes")


def slow(world: World, objects: SlowObjects) -> Authenticator:
    return Authenticator(
        keys=StaticKeys(KeySet([KEY.public])),
        issuers=[ISSUER],
        api_audiences=["api"],
        reader=objects,
        clock=world.clock,
        metrics=world.metrics,
    )


@pytest.mark.rule("authentication.cache-shared", "metrics.token-cache")
async def test_lookups_of_one_token_are_one_and_survive_who_asked_first(world: World) -> None:
    await world.put_account()
    header, objects = f"Bearer {await token(world)}", SlowObjects()
    authenticator = slow(world, objects)
    asking = [asyncio.create_task(authenticator.authenticate(header, None)) for _ in range(10)]
    await settle()
    gauge = "authentication_token_cache_active_fetch_count"
    for status, count in (("in_flight", 1), ("blocked", 9)):
        assert f'{gauge}{{status="{status}"}} {count}\n' in world.metrics.render()
    asking[0].cancel()
    objects.may_go_on.set()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    names = {one.user.name for one in outcomes[1:] if isinstance(one, Authenticated)}
    assert names == {"system:serviceaccount:ns1:app"}
    assert objects.reads == 1
    for status in ("in_flight", "blocked"):
        assert f'{gauge}{{status="{status}"}} 0\n' in world.metrics.render()


@pytest.mark.rule("authentication.cache-shared", "authentication.cache-failure")
async def test_a_lookup_that_nobody_waits_for_any_more_ends_quietly(world: World) -> None:
    await world.put_account()
    header, objects = f"Bearer {await token(world)}", SlowObjects()
    authenticator = slow(world, objects)
    asking = asyncio.create_task(authenticator.authenticate(header, None))
    await settle()
    asking.cancel()
    objects.failure = errors.not_found("serviceaccounts", "app")
    objects.may_go_on.set()
    await settle()
    with pytest.raises(StatusError, match="Unauthorized"):
        await authenticator.authenticate(header, None)
    assert objects.reads == 2


@pytest.mark.rule("authentication.cache-panic")
async def test_what_nobody_foresaw_is_an_internal_error_without_details(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.put_account()
    header, objects = f"Bearer {await token(world)}", SlowObjects()
    objects.failure = RuntimeError(header)
    objects.may_go_on.set()
    with pytest.raises(StatusError) as caught:
        await slow(world, objects).authenticate(header, None)
    assert caught.value.code == 500
    assert "authentication failed unexpectedly" in caught.value.message
    assert header not in caplog.text + caught.value.message


@pytest.mark.rule("authentication.cache-replay", "edge.stale-annotation", "verify.warnafter")
async def test_annotations_come_back_with_every_hit(world: World) -> None:
    await world.put_account()
    await world.put(
        PODS, {"metadata": {"name": "p", "namespace": "ns1"}, "spec": {"serviceAccountName": "app"}}
    )
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "p"}
    stale = f"Bearer {await token(world, expirationSeconds=3607, boundObjectRef=reference)}"
    other = f"Bearer {await token(world)}"
    await world.clock.advance(3607)
    fresh = await world.authenticator.authenticate(stale, None)
    assert fresh.audit_annotations == {}
    await world.clock.advance(11)
    for seconds in (0, 5):
        await world.clock.advance(seconds)
        found = await world.authenticator.authenticate(stale, None)
        assert found.audit_annotations == {
            "authentication.k8s.io/stale-token": (
                "subject: system:serviceaccount:ns1:app, seconds after warning threshold: 11"
            )
        }
    assert (await world.authenticator.authenticate(other, None)).audit_annotations == {}
    counted = world.metrics.render()
    assert "serviceaccount_stale_tokens_total 1\n" in counted
    assert "serviceaccount_valid_tokens_total 1\n" in counted
