"""TokenRequest as a client sees it: codes, bodies and headers over HTTPS."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest
import pytest_asyncio
import yaml

from podpass.api.codec import PROTOBUF, encode_protobuf
from podpass.api.meta import parse_time
from podpass.api.resources import Object

from .wire import ACCOUNTS, JSON, NAMESPACE, TOKEN, Wire, claims_of, wired

pytestmark = pytest.mark.asyncio(loop_scope="module")

TYPE = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
SHORT = "may not specify a duration less than 10 minutes"
LONG = "may not specify a duration larger than 2^32 seconds"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wire(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Wire]:
    directory = tmp_path_factory.mktemp("pki")
    async with wired(
        directory, service_account_max_token_expiration=timedelta(hours=2), api_audiences=("api",)
    ) as made:
        await made.account("other")
        await made.pod("p")
        await made.pod("finished")
        await made.make(f"{NAMESPACE}/secrets", {"metadata": {"name": "s"}})
        await made.make("/api/v1/nodes", {"metadata": {"name": "n1"}})
        yield made


def bound(kind: str, name: str, **more: Any) -> Object:
    return {"boundObjectRef": {"apiVersion": "v1", "kind": kind, "name": name}, **more}


@pytest.mark.rule(
    "token-request.path",
    "token-request.created",
    "token-request.echo-fields",
    "token-request.empty-body",
    "token-request.status",
    "edge.null-binding",
    "client.audiences-non-null",
)
async def test_an_empty_request_is_created(wire: Wire) -> None:
    answer = await wire.send("POST", TOKEN, {})
    assert answer.code == 201
    assert answer.warnings == []
    assert (answer.body["apiVersion"], answer.body["kind"]) == tuple(TYPE.values())
    assert answer.body["spec"] == {
        "audiences": ["api"],
        "expirationSeconds": 3600,
        "boundObjectRef": None,
    }
    assert answer.body["status"]["token"].count(".") == 2
    assert parse_time(answer.body["status"]["expirationTimestamp"]) == (
        wire.clock.now() + timedelta(hours=1)
    )


@pytest.mark.rule("token-request.example", "token-request.metadata")
async def test_a_pods_request_for_one_audience_reads_as_documented(wire: Wire) -> None:
    uid = await wire.pod("documented")
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "documented", "uid": uid}
    spec = {"audiences": ["vault"], "expirationSeconds": 600, "boundObjectRef": reference}
    answer = await wire.make(TOKEN, TYPE | {"spec": spec})
    account = (await wire.send("GET", f"{ACCOUNTS}/app")).body["metadata"]
    token = answer["status"].pop("token")
    assert answer == TYPE | {
        "metadata": {
            "name": "app",
            "namespace": "ns1",
            "uid": account["uid"],
            "creationTimestamp": wire.stamp(0),
        },
        "spec": spec,
        "status": {"expirationTimestamp": wire.stamp(600)},
    }
    assert claims_of(token)["aud"] == ["vault"]


@pytest.mark.rule("jwt.compact", "jwt.header", "jwt.jti", "jwt.times", "jwt.subject", "jwt.issuer")
async def test_the_token_of_a_request(wire: Wire) -> None:
    token = await wire.issue(expirationSeconds=700)
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+", token)
    claims = claims_of(token)
    assert sorted(claims) == ["aud", "exp", "iat", "iss", "jti", "kubernetes.io", "nbf", "sub"]
    assert re.fullmatch(
        r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", claims["jti"]
    )
    assert claims["jti"] != claims_of(await wire.issue())["jti"]
    assert claims["iat"] == claims["nbf"] == wire.moment(0)
    assert claims["exp"] == wire.moment(700)
    assert (claims["sub"], claims["iss"]) == (
        "system:serviceaccount:ns1:app",
        "https://kubernetes.default.svc",
    )


@pytest.mark.rule("token-request.discovery")
async def test_discovery_lists_the_subresource(wire: Wire) -> None:
    listed = (await wire.send("GET", "/api/v1")).body["resources"]
    (found,) = [one for one in listed if one["name"] == "serviceaccounts/token"]
    assert found == {
        "name": "serviceaccounts/token",
        "singularName": "",
        "namespaced": True,
        "group": "authentication.k8s.io",
        "version": "v1",
        "kind": "TokenRequest",
        "verbs": ["create"],
    }


@pytest.mark.rule("token-request.method", "token-request.path", "token-request.nothing-stored")
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_a_token_can_only_be_created(wire: Wire, method: str) -> None:
    answer = await wire.send(method, TOKEN, None if method in ("GET", "DELETE") else {})
    assert (answer.code, answer.body["reason"]) == (405, "MethodNotAllowed")


@pytest.mark.rule("token-request.dry-run")
async def test_a_dry_run_gives_a_token_that_works(wire: Wire) -> None:
    answer = await wire.send("POST", f"{TOKEN}?dryRun=All", {})
    assert answer.code == 201
    assert (await wire.review(answer.body["status"]["token"]))["authenticated"] is True


@pytest.mark.rule("token-request.field-validation")
async def test_unknown_fields_are_refused_or_warned_of(wire: Wire) -> None:
    body = {"spec": {"audience": "vault"}}
    strict = await wire.send("POST", f"{TOKEN}?fieldValidation=Strict", body)
    assert strict.code == 400
    assert "spec.audience" in strict.text
    lenient = await wire.send("POST", f"{TOKEN}?fieldValidation=Warn", body)
    assert lenient.code == 201
    assert lenient.warnings == ['299 - "unknown field \\"spec.audience\\""']


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param(
            "application/yaml",
            yaml.safe_dump(TYPE | {"spec": {"audiences": ["vault"]}}).encode(),
            id="YAML",
            marks=pytest.mark.rule("token-request.yaml"),
        ),
        pytest.param(
            PROTOBUF,
            encode_protobuf(TYPE | {"spec": {"audiences": ["vault"]}}),
            id="protobuf",
            marks=pytest.mark.rule("token-request.protobuf"),
        ),
        pytest.param(JSON, orjson.dumps({"spec": {"audiences": ["vault"]}}), id="JSON"),
    ],
)
async def test_the_forms_of_a_request(wire: Wire, content_type: str, body: bytes) -> None:
    answer = await wire.send(
        "POST", TOKEN, body, content_type=content_type, Accept=f"{content_type},{JSON}"
    )
    assert (answer.code, answer.body["spec"]["audiences"]) == (201, ["vault"])


@pytest.mark.parametrize(
    ("body", "content_type", "code", "reason", "text"),
    [
        pytest.param(
            b"{", JSON, 400, "BadRequest", "", id="half an object",
            marks=pytest.mark.rule("token-request.bad-json"),
        ),
        pytest.param(
            b"x", "text/plain", 415, "UnsupportedMediaType", "", id="plain text",
            marks=pytest.mark.rule("token-request.media-type"),
        ),
        pytest.param(
            {"apiVersion": "v1", "kind": "Pod"}, JSON, 400, "BadRequest",
            "does not match the expected", id="another kind",
            marks=pytest.mark.rule("token-request.other-version"),
        ),
        pytest.param(
            {"metadata": {"namespace": "x"}}, JSON, 400, "BadRequest",
            "the namespace of the provided object does not match the namespace sent on the request",
            id="another namespace", marks=pytest.mark.rule("token-request.other-namespace"),
        ),
        pytest.param(
            {"metadata": {"name": "x"}}, JSON, 422, "Invalid",
            'TokenRequest.authentication.k8s.io "" is invalid: metadata.name: Invalid value: '
            '"x": must match the service account name if specified',
            id="another name", marks=pytest.mark.rule("token-request.other-name"),
        ),
        pytest.param(
            {"metadata": {"uid": "x"}}, JSON, 409, "Conflict",
            'Operation cannot be fulfilled on TokenRequest.authentication.k8s.io "app": the UID '
            "in the token request (x) does not match the UID of the service account (",
            id="another UID", marks=pytest.mark.rule("binding.account-uid"),
        ),
        pytest.param(
            {"spec": bound("ConfigMap", "c")}, JSON, 400, "BadRequest",
            "cannot bind token to object of type /v1, Kind=ConfigMap", id="bound to a ConfigMap",
            marks=pytest.mark.rule("binding.other-kind"),
        ),
        pytest.param(
            {"spec": bound("Pod", "p", expirationSeconds=1)}, JSON, 422, "Invalid", SHORT,
            id="a short life of a bound token",
        ),
        pytest.param(
            {"spec": bound("Pod", "nowhere", expirationSeconds=1)}, JSON, 422, "Invalid", SHORT,
            id="a short life before a missing pod",
            marks=pytest.mark.rule("token-request.order-validation-before-binding"),
        ),
    ],
)  # fmt: skip
async def test_what_is_refused(
    wire: Wire, body: Any, content_type: str, code: int, reason: str, text: str
) -> None:
    answer = await wire.send("POST", TOKEN, body, content_type=content_type)
    assert (answer.code, answer.body["reason"]) == (code, reason)
    assert answer.body["kind"] == "Status"
    assert text in answer.text


@pytest.mark.rule("token-request.order-account-first", "token-request.account-missing")
async def test_a_missing_account_comes_first(wire: Wire) -> None:
    spec = bound("Pod", "nowhere", expirationSeconds=1)
    answer = await wire.send("POST", f"{ACCOUNTS}/nowhere/token", {"spec": spec})
    assert (answer.code, answer.text) == (404, 'serviceaccounts "nowhere" not found')


@pytest.mark.parametrize(
    ("reference", "account", "code", "text"),
    [
        pytest.param(bound("Pod", "x"), "app", 404, 'pods "x" not found', id="no pod"),
        pytest.param(bound("Secret", "x"), "app", 404, 'secrets "x" not found', id="no secret"),
        pytest.param(bound("Node", "x"), "app", 404, 'nodes "x" not found', id="no node"),
        pytest.param(
            bound("Pod", "p"), "other", 400,
            'cannot bind token for serviceaccount "other" to pod running with different '
            "serviceaccount name.", id="a pod of another account",
        ),
    ],
)  # fmt: skip
@pytest.mark.rule("binding.missing", "binding.other-account")
async def test_objects_that_cannot_be_bound(
    wire: Wire, reference: Object, account: str, code: int, text: str
) -> None:
    answer = await wire.send("POST", f"{ACCOUNTS}/{account}/token", {"spec": reference})
    assert (answer.code, answer.text) == (code, text)


@pytest.mark.rule("binding.uid-mismatch", "binding.account-before-uid")
@pytest.mark.parametrize("kind", ["Pod", "Secret", "Node"])
async def test_an_object_of_another_uid(wire: Wire, kind: str) -> None:
    name = {"Pod": "p", "Secret": "s", "Node": "n1"}[kind]
    spec = bound(kind, name)
    spec["boundObjectRef"]["uid"] = "old"
    answer = await wire.send("POST", TOKEN, {"spec": spec})
    assert (answer.code, answer.body["reason"]) == (409, "Conflict")
    assert answer.text == (
        f'Operation cannot be fulfilled on {kind} "{name}": the UID in the bound object reference '
        "(old) does not match the UID in record. The object might have been deleted and then "
        "recreated"
    )


@pytest.mark.rule("binding.namespace")
async def test_pods_and_secrets_are_looked_for_in_the_namespace_of_the_request(wire: Wire) -> None:
    await wire.make("/api/v1/namespaces", {"metadata": {"name": "ns2"}})
    await wire.make("/api/v1/namespaces/ns2/serviceaccounts", {"metadata": {"name": "app"}})
    path = "/api/v1/namespaces/ns2/serviceaccounts/app/token"
    for kind, name, code in (("Pod", "p", 404), ("Secret", "s", 404), ("Node", "n1", 201)):
        assert (await wire.send("POST", path, {"spec": bound(kind, name)})).code == code


@pytest.mark.parametrize(
    ("seconds", "code", "text"),
    [
        pytest.param(None, 201, "", id="null is the default"),
        pytest.param(0, 422, SHORT, id="zero is not"),
        pytest.param(599, 422, SHORT, id="a second under the minimum"),
        pytest.param(600, 201, "", id="the minimum"),
        pytest.param(7200, 201, "", id="the maximum of this server"),
        pytest.param(1 << 32, 201, "", id="the longest that can be asked for"),
        pytest.param((1 << 32) + 1, 422, LONG, id="a second more"),
        pytest.param(-1, 422, SHORT, id="below zero"),
        pytest.param(1 << 63, 400, "", id="more than 64 bits"),
    ],
)
@pytest.mark.rule(
    "edge.lifetime-bounds",
    "token-request.expiry-below-600",
    "token-request.expiry-above-max",
    "token-request.zero-expiry",
    "token-request.default-expiry",
    "token-request.expiry-message",
)
async def test_lifetimes(wire: Wire, seconds: int | None, code: int, text: str) -> None:
    raw = str(seconds) if seconds is not None else "null"
    answer = await wire.send("POST", TOKEN, f'{{"spec":{{"expirationSeconds":{raw}}}}}'.encode())
    assert answer.code == code
    if code == 422:
        assert answer.text == (
            'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: '
            f"Invalid value: {seconds}: {text}"
        )
        assert answer.body["details"]["causes"][0]["field"] == "spec.expirationSeconds"
    if code == 201:
        given = answer.body["spec"]["expirationSeconds"]
        assert given == min(seconds or 3600, 7200)
        claims = claims_of(answer.body["status"]["token"])
        assert claims["exp"] - claims["iat"] == given


@pytest.mark.rule("token-request.clamp", "token-request.clamp-warning")
async def test_a_cut_lifetime_is_warned_of(wire: Wire) -> None:
    answer = await wire.send("POST", TOKEN, {"spec": {"expirationSeconds": 7800}})
    assert answer.body["spec"]["expirationSeconds"] == 7200
    assert answer.warnings == [
        '299 - "requested expiration of 7800 seconds shortened to 7200 seconds"'
    ]


@pytest.mark.rule("token-request.any-audience", "token-request.metadata-unchecked")
async def test_audiences_and_labels_are_not_judged(wire: Wire) -> None:
    audiences = ["", "a", "a", "x" * 10_000]
    labels = {"not a label!": "y" * 100}
    metadata = {"labels": labels, "annotations": {"": "z"}, "generateName": "Q_"}
    answer = await wire.make(TOKEN, {"metadata": metadata, "spec": {"audiences": audiences}})
    assert answer["spec"]["audiences"] == audiences
    assert claims_of(answer["status"]["token"])["aud"] == audiences
    assert {key: answer["metadata"][key] for key in metadata} == metadata


@pytest.mark.rule(
    "token-request.extension",
    "token-request.extension-answer",
    "token-request.extension-exact",
    "token-request.extension-audiences",
    "token-request.extension-pod-only",
    "token-request.status-before-exp",
)
@pytest.mark.parametrize(
    ("spec", "extended"),
    [
        pytest.param(bound("Pod", "p", expirationSeconds=3607), True, id="a pod's for the API"),
        pytest.param(
            bound("Pod", "p", expirationSeconds=3607, audiences=["api"]), True, id="said in words"
        ),
        pytest.param(
            bound("Pod", "p", expirationSeconds=3607, audiences=["x", "api"]), False,
            id="for another as well",
        ),
        pytest.param(bound("Pod", "p", expirationSeconds=3606), False, id="a second less"),
        pytest.param(bound("Pod", "p", expirationSeconds=3608), False, id="a second more"),
        pytest.param(bound("Secret", "s", expirationSeconds=3607), False, id="a secret's"),
        pytest.param({"expirationSeconds": 3607}, False, id="of nothing"),
    ],
)  # fmt: skip
async def test_the_extension(wire: Wire, spec: Object, extended: bool) -> None:
    answer = await wire.make(TOKEN, {"spec": spec})
    claims = claims_of(answer["status"]["token"])
    asked = spec["expirationSeconds"]
    assert answer["spec"]["expirationSeconds"] == asked
    status: datetime = parse_time(answer["status"]["expirationTimestamp"])
    assert status == wire.clock.now() + timedelta(seconds=asked)
    assert claims["exp"] - claims["iat"] == (31_536_000 if extended else asked)
    assert status.timestamp() <= claims["exp"]
    warn_after = claims["kubernetes.io"].get("warnafter")
    assert warn_after == (claims["iat"] + asked if extended else None)


@pytest.mark.rule("binding.terminating")
async def test_tokens_of_what_ends_are_issued(wire: Wire) -> None:
    await wire.pod("ending", nodeName="n1", terminationGracePeriodSeconds=300)
    status = {"status": {"phase": "Running"}}
    merge = "application/merge-patch+json"
    for name, phase in (("ending", "Running"), ("finished", "Succeeded")):
        path = f"{NAMESPACE}/pods/{name}/status"
        status = {"status": {"phase": phase}}
        assert (await wire.send("PATCH", path, status, content_type=merge)).code == 200
    assert (await wire.send("DELETE", f"{NAMESPACE}/pods/ending")).code == 200
    await wire.make(ACCOUNTS, {"metadata": {"name": "held", "finalizers": ["example.com/hold"]}})
    assert (await wire.send("DELETE", f"{ACCOUNTS}/held")).code == 200
    for name in ("ending", "finished"):
        token = await wire.issue(**bound("Pod", name))
        assert (await wire.review(token))["authenticated"] is True
    token = await wire.issue("held")
    assert (await wire.review(token))["authenticated"] is True


@pytest.mark.rule(
    "token-request.unauthenticated",
    "token-request.forbidden",
    "token-request.order-authentication",
)
async def test_credentials_then_rights_then_the_body(wire: Wire) -> None:
    body = b"{"
    async with wire.server.session(token="junk") as bad:
        assert (await wire.send("POST", TOKEN, body, session=bad)).code == 401
    async with wire.server.session() as nobody, wire.server.session("ann") as ann:
        for session in (nobody, ann):
            answer = await wire.send("POST", TOKEN, body, session=session)
            assert (answer.code, answer.body["reason"]) == (403, "Forbidden")
            assert 'cannot create resource "serviceaccounts/token" in API group ""' in answer.text


@pytest.mark.rule("token-request.rbac")
async def test_a_role_may_name_the_account(wire: Wire) -> None:
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/ns1"
    rule = {
        "apiGroups": [""],
        "resources": ["serviceaccounts/token"],
        "resourceNames": ["app"],
        "verbs": ["create"],
    }
    await wire.make(f"{rbac}/roles", {"metadata": {"name": "r"}, "rules": [rule]})
    binding = {
        "metadata": {"name": "r"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "issuer-of-app"}
        ],
    }
    await wire.make(f"{rbac}/rolebindings", binding)
    async with wire.server.session("issuer-of-app") as somebody:
        assert (await wire.send("POST", TOKEN, {}, session=somebody)).code == 201
        other = f"{ACCOUNTS}/other/token"
        assert (await wire.send("POST", other, {}, session=somebody)).code == 403
