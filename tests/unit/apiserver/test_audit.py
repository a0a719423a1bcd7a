"""The audit log of a running server: its events, stages and annotations, and no token in it."""

from __future__ import annotations

import asyncio
import base64
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from apiserver.api_calls import ACCOUNTS, CONFIG_MAPS, account, call, config_map

from podpass.api.resources import Object
from podpass.apiserver.audit_policy import AuditUnusable
from podpass.testing.api_server import RunningApiServer, TestPki, running_api_server
from podpass.testing.memory_store import MemoryStore

SECRETS = "/api/v1/namespaces/default/secrets"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
TOKEN = f"{ACCOUNTS}/app/token"
MERGE = "application/merge-patch+json"
WATCH = f"{CONFIG_MAPS}?watch=1&timeoutSeconds=1"
HIDDEN = base64.b64encode(b"a very hidden value").decode()


class Audited:
    """A server and its log."""

    def __init__(self, server: RunningApiServer, log: Path) -> None:
        self.server = server
        self.log = log

    async def events(self, *, until: Callable[[Object], bool]) -> list[Object]:
        """Return all events, once one is there for which `until` holds."""
        async with asyncio.timeout(30):
            while True:
                lines = self.log.read_bytes().splitlines()
                found = [orjson.loads(line) for line in lines]
                if any(until(event) for event in found):
                    return found
                await asyncio.sleep(0)

    async def event(self, audit_id: str, stage: str = "ResponseComplete") -> Object:
        """Return one event of a request."""

        def is_it(event: Object) -> bool:
            return (event["auditID"], event["stage"]) == (audit_id, stage)

        return next(one for one in await self.events(until=is_it) if is_it(one))


Start = Callable[..., AbstractAsyncContextManager[Audited]]


@pytest.fixture
def audited(pki: TestPki, tmp_path: Path) -> Start:
    @asynccontextmanager
    async def start(*rules: Object, **more: Any) -> AsyncIterator[Audited]:
        document = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules, **more}
        (tmp_path / "policy.yaml").write_bytes(orjson.dumps(document))
        log = tmp_path / "audit.log"
        settings = replace(
            pki.settings(), audit_policy_file=tmp_path / "policy.yaml", audit_log_path=str(log)
        )
        async with running_api_server(MemoryStore(), pki, settings=settings) as server:
            yield Audited(server, log)

    return start


async def test_a_request_at_the_level_metadata(audited: Start) -> None:
    async with audited({"level": "Metadata"}) as it, it.server.admin() as admin:
        url = f"{CONFIG_MAPS}?fieldManager=me"
        told = {"X_Forwarded_For": "10.0.0.1, 10.0.0.2", "User_Agent": "tester/1"}
        made = config_map("c", k="v")
        await call(admin, "POST", url, made, expect=201, Audit_ID="mine", **told)
        received = await it.event("mine", "RequestReceived")
        event = await it.event("mine")
        assert stat.S_IMODE(it.log.stat().st_mode) == 0o600
    assert received["stage"] == "RequestReceived"
    assert "responseStatus" not in received
    assert received["requestReceivedTimestamp"] == event["requestReceivedTimestamp"]
    assert event["stageTimestamp"] >= event["requestReceivedTimestamp"]
    certificate = event["user"].pop("extra")["authentication.kubernetes.io/credential-id"]
    assert certificate[0].startswith("X509SHA256=")
    uid = event["objectRef"].pop("uid")
    assert len(uid) == 36
    event["objectRef"].pop("resourceVersion")
    del event["requestReceivedTimestamp"], event["stageTimestamp"]
    assert event == {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": "mine",
        "stage": "ResponseComplete",
        "requestURI": url,
        "verb": "create",
        "user": {"username": "admin", "groups": ["system:masters", "system:authenticated"]},
        "sourceIPs": ["10.0.0.1", "10.0.0.2", "127.0.0.1"],
        "userAgent": "tester/1",
        "objectRef": {
            "resource": "configmaps",
            "namespace": "default",
            "name": "c",
            "apiVersion": "v1",
        },
        "responseStatus": {"metadata": {}, "code": 201},
        "annotations": {
            "authorization.k8s.io/decision": "allow",
            "authorization.k8s.io/reason": "",
        },
    }


async def test_every_answer_names_its_request(audited: Start) -> None:
    async with audited({"level": "None"}) as it, it.server.admin() as admin:
        async with admin.get("/api") as answer:
            made = answer.headers["Audit-ID"]
        async with admin.get("/api", headers={"Audit-ID": "x" * 65}) as answer:
            cut = answer.headers["Audit-ID"]
        async with admin.get("/none", headers={"Audit-ID": "mine"}) as answer:
            assert (answer.status, answer.headers["Audit-ID"]) == (404, "mine")
        assert it.log.read_bytes() == b""  # level None
    assert len(made) == 36
    assert cut == "x" * 64


@pytest.mark.rule("audit.levels", "case.audit.token-request", "token-request.audit-id")
@pytest.mark.parametrize(
    ("level", "shown"),
    [
        pytest.param("Metadata", set(), id="Metadata"),
        pytest.param("Request", {"requestObject"}, id="Request"),
        pytest.param("RequestResponse", {"requestObject", "responseObject"}, id="RequestResponse"),
    ],
)
async def test_a_token_request_at_each_level(audited: Start, level: str, shown: set[str]) -> None:
    async with audited({"level": level}) as it, it.server.admin() as admin:
        await call(admin, "POST", ACCOUNTS, account("app"), expect=201)
        body = {"spec": {"audiences": ["vault"], "expirationSeconds": 600}}
        answer = await call(admin, "POST", TOKEN, body, expect=201, Audit_ID="t")
        event = await it.event("t")
        assert answer["status"]["token"] not in it.log.read_text()
    assert shown == {"requestObject", "responseObject"} & event.keys()
    assert event["responseStatus"]["code"] == 201
    assert event["objectRef"]["subresource"] == "token"
    assert event["annotations"]["authentication.kubernetes.io/issued-credential-id"].startswith(
        "JTI="
    )
    if "requestObject" in shown:
        assert event["requestObject"] == body
    if "responseObject" in shown:
        assert event["responseObject"]["status"]["token"] == "[redacted]"
        assert event["responseObject"]["spec"]["audiences"] == ["vault"]


@pytest.mark.rule("audit.annotations", "user.extra-everywhere", "token-request.audit-id")
async def test_who_asked_with_which_token_and_as_whom(audited: Start) -> None:
    rules = {"level": "Metadata", "omitStages": ["RequestReceived"]}
    async with audited(rules) as it, it.server.admin() as admin:
        await call(admin, "POST", ACCOUNTS, account("app"), expect=201)
        answer = await call(admin, "POST", TOKEN, {}, expect=201, Audit_ID="issue")
        token = answer["status"]["token"]
        async with it.server.session(token=token) as app:
            await call(app, "GET", CONFIG_MAPS, expect=403, Audit_ID="use", User_Agent=f"x {token}")
        await call(admin, "GET", CONFIG_MAPS, Audit_ID="as", Impersonate_User="jane", expect=403)
        async with it.server.session(token="forged") as stranger:
            await call(stranger, "GET", CONFIG_MAPS, expect=401, Audit_ID="bad")
        async with it.server.session() as nobody:
            await call(nobody, "GET", CONFIG_MAPS, expect=403, Audit_ID="nobody")
            await call(nobody, "GET", "/livez")
        wrong = {"metadata": {"uid": "other"}}
        await call(admin, "POST", TOKEN, wrong, expect=409, Audit_ID="uid")
        issue, use, impersonated = [await it.event(one) for one in ("issue", "use", "as")]
        bad = await it.event("bad", "ResponseStarted")
        nobody_event, uid = await it.event("nobody"), await it.event("uid")
        text = it.log.read_text()
    issued = issue["annotations"]["authentication.kubernetes.io/issued-credential-id"]
    assert use["user"]["extra"] == {"authentication.kubernetes.io/credential-id": [issued]}
    assert use["user"]["username"] == "system:serviceaccount:default:app"
    assert use["annotations"]["authorization.k8s.io/decision"] == "forbid"
    status = use["responseStatus"]
    assert (status["code"], status["reason"], status["status"]) == (403, "Forbidden", "Failure")
    assert use["userAgent"] == "x [token]"
    assert impersonated["user"]["username"] == "admin"
    assert impersonated["impersonatedUser"]["username"] == "jane"
    assert bad["responseStatus"]["message"] == "Authentication failed, attempted: bearer"
    assert (bad["responseStatus"]["code"], bad["user"]) == (401, {})
    assert nobody_event["user"]["username"] == "system:anonymous"
    mismatch = uid["annotations"]["authentication.k8s.io/token-request-uid-mismatch"]
    assert mismatch.startswith("the UID in the token request (other) does not match")
    assert token not in text
    assert "RequestReceived" not in text
    assert "livez" not in text


async def test_a_watch_has_two_events(audited: Start) -> None:
    async with audited({"level": "RequestResponse"}) as it, it.server.admin() as admin:
        async with admin.get(WATCH, headers={"Audit-ID": "w"}) as answer:
            assert answer.headers["Audit-ID"] == "w"
            await answer.read()
        started, ended = await it.event("w", "ResponseStarted"), await it.event("w")
    assert (started["verb"], started["responseStatus"]["code"]) == ("watch", 200)
    assert "responseObject" not in ended


@pytest.mark.rule("audit.levels", "audit.annotations")
async def test_no_secret_and_no_token_reaches_the_log_at_the_highest_level(audited: Start) -> None:
    applied = {"kubectl.kubernetes.io/last-applied-configuration": HIDDEN}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "annotations": applied},
        "data": {"k": HIDDEN},
    }
    operations = [{"op": "add", "path": "/data/j", "value": HIDDEN}]
    legacy = {
        "metadata": {
            "name": "legacy",
            "annotations": {"kubernetes.io/service-account.name": "app"},
        },
        "type": "kubernetes.io/service-account-token",
    }
    rules = {"level": "RequestResponse"}
    async with audited(rules, omitManagedFields=True) as it, it.server.admin() as admin:
        await call(admin, "POST", ACCOUNTS, account("app"), expect=201)
        await call(admin, "POST", SECRETS, secret, expect=201)
        yaml = f"kind: Secret\napiVersion: v1\nmetadata: {{name: b}}\nstringData: {{k: {HIDDEN}}}\n"
        await call(
            admin, "POST", SECRETS, yaml.encode(), content_type="application/yaml", expect=201
        )
        await call(admin, "PATCH", f"{SECRETS}/s", {"data": {"k": HIDDEN}}, content_type=MERGE)
        json_patch = "application/json-patch+json"
        await call(admin, "PATCH", f"{SECRETS}/s", operations, content_type=json_patch)
        await call(admin, "PUT", f"{SECRETS}/s", secret)
        await call(admin, "GET", SECRETS)
        table = "application/json;as=Table;v=v1;g=meta.k8s.io"
        await call(admin, "GET", f"{SECRETS}?includeObject=Object", Accept=table)
        made = await call(admin, "POST", SECRETS, legacy, expect=201)
        token = base64.b64decode(made["data"]["token"]).decode()
        async with it.server.session(token=token) as app:
            await call(app, "GET", "/api", Audit_ID="legacy")
        review = {"spec": {"token": token}}
        answer = await call(admin, "POST", REVIEWS, review, expect=201, Audit_ID="review")
        assert answer["spec"]["token"] == token
        await call(admin, "DELETE", f"{SECRETS}/s", Audit_ID="last")
        reviewed, used = await it.event("review"), await it.event("legacy")
        await it.event("last")
        text = it.log.read_text()
    for hidden in (HIDDEN, "a very hidden value", token, made["data"]["token"], "eyJ"):
        assert hidden not in text
    assert reviewed["requestObject"]["spec"]["token"] == "[redacted]"
    assert reviewed["responseObject"]["spec"]["token"] == "[redacted]"
    annotations = used["annotations"]
    subject = "system:serviceaccount:default:app"
    assert annotations["authentication.k8s.io/legacy-token"] == subject
    assert annotations["authentication.k8s.io/legacy-token-manual-secret"] == "legacy"


async def test_a_damaged_body_is_not_shown(audited: Start) -> None:
    async with audited({"level": "Request"}) as it, it.server.admin() as admin:
        await call(admin, "POST", SECRETS, b'{"data": {"k": "HID', expect=400, Audit_ID="x")
        event = await it.event("x")
        text = it.log.read_text()
    assert "requestObject" not in event
    assert "HID" not in text


async def test_what_was_not_expected_is_a_panic(
    audited: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("podpass.apiserver.read_handlers.ReadHandlers.list_objects", fail)
    async with audited({"level": "Metadata"}) as it, it.server.admin() as admin:
        await call(admin, "GET", CONFIG_MAPS, expect=500, Audit_ID="p")
        event = await it.event("p", "Panic")
    assert event["responseStatus"]["code"] == 500


async def test_events_are_counted_and_so_are_lost_ones(pki: TestPki, tmp_path: Path) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text("{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: Metadata}]}")
    settings = replace(pki.settings(), audit_policy_file=policy, audit_log_path="/dev/full")
    none_lost = 'apiserver_audit_error_total{plugin="log"} 0'
    async with (
        running_api_server(MemoryStore(), pki, settings=settings) as server,
        server.admin() as admin,
        asyncio.timeout(30),
    ):
        text = await call(admin, "GET", "/metrics")
        while none_lost in text:
            text = await call(admin, "GET", "/metrics")
    assert 'apiserver_audit_error_total{plugin="log"}' in text
    assert "apiserver_audit_event_total 0\n" not in text


async def test_a_bad_policy_is_no_server(pki: TestPki, tmp_path: Path) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text("{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: All}]}")
    settings = replace(pki.settings(), audit_policy_file=policy, audit_log_path="-")
    with pytest.raises(AuditUnusable, match=r"p\.yaml: rules\[0\]\.level: must be one of"):
        async with running_api_server(MemoryStore(), pki, settings=settings):
            pass
