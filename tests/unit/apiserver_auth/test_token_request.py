"""TokenRequest: order, texts and codes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from podpass.api.errors import StatusError
from podpass.api.meta import UserInfo
from podpass.api.resources import NODES, PODS, SECRETS, Object, Resource
from podpass.apiserver.admission.chain import AdmissionChain, AdmissionRequest
from podpass.apiserver.admission.plugin import PassivePlugin
from podpass.apiserver.live_objects import LiveObjects
from podpass.apiserver.object_reader import ObjectCallback
from podpass.apiserver.signing_keys import Signer
from podpass.apiserver.token_request import TokenRequests
from podpass.jose import jws

from .conftest import KEY, World

ANN = UserInfo("ann")


async def ask(
    world: World, body: Object | None = None, *, name: str = "app", **policy: Any
) -> tuple[Object, list[str]]:
    requests = replace(world.tokens, policy=replace(world.policy, **policy))
    return await requests.create(
        "ns1", name, {} if body is None else body, ANN, admission=world.no_admission
    )


def claims_of(answer: Object) -> dict[str, Any]:
    claims: dict[str, Any] = orjson.loads(jws.unverified_payload(answer["status"]["token"]))
    return claims


async def refused(world: World, body: Object, **more: Any) -> StatusError:
    with pytest.raises(StatusError) as caught:
        await ask(world, body, **more)
    return caught.value


def spec(**fields: Any) -> Object:
    return {"spec": fields}


def bound(kind: str, name: str, uid: str = "") -> Object:
    return spec(boundObjectRef={"apiVersion": "v1", "kind": kind, "name": name, "uid": uid})


async def put_pod(world: World, node: str = "", account: str = "app") -> None:
    await world.put(
        PODS,
        {
            "metadata": {"name": "p", "namespace": "ns1"},
            "spec": {"serviceAccountName": account, "nodeName": node},
        },
    )


@pytest.mark.rule(
    "token-request.empty-body",
    "token-request.default-expiry",
    "token-request.echo-fields",
    "token-request.status",
    "token-request.metadata",
    "token-request.default-audience",
)
async def test_an_empty_body_is_answered_with_the_defaults(world: World) -> None:
    await world.put_account()
    answer, warnings = await ask(world)
    token = answer.get("status", {}).pop("token")
    assert token.count(".") == 2
    assert answer == {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {
            "name": "app",
            "namespace": "ns1",
            "uid": "uid-app",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"audiences": ["api"], "expirationSeconds": 3600, "boundObjectRef": None},
        "status": {"expirationTimestamp": "2026-01-01T01:00:00Z"},
    }
    assert warnings == []


@pytest.mark.rule("token-review.authenticated")
async def test_the_token_is_a_token_of_this_server(world: World) -> None:
    await world.put_account()
    answer, _ = await ask(world, spec(audiences=["vault"]))
    status = await world.authenticator.review(answer["status"]["token"], ["vault"])
    assert status["authenticated"] is True
    assert status["audiences"] == ["vault"]
    assert status["user"]["username"] == "system:serviceaccount:ns1:app"


@pytest.mark.rule("token-request.metadata-echo", "token-request.client-status")
async def test_what_the_client_sends_in_metadata_is_echoed_and_its_status_is_not(
    world: World,
) -> None:
    await world.put_account()
    answer, _ = await ask(
        world, {"metadata": {"labels": {"a": "b"}, "name": "app"}, "status": {"token": "x"}}
    )
    assert answer["metadata"]["labels"] == {"a": "b"}
    assert answer["status"]["token"] != "x"


@pytest.mark.rule(
    "token-request.expiry-below-600",
    "token-request.expiry-above-max",
    "token-request.zero-expiry",
    "token-request.expiry-message",
)
@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(599, "may not specify a duration less than 10 minutes", id="599 seconds"),
        pytest.param(0, "may not specify a duration less than 10 minutes", id="zero"),
        pytest.param(
            (1 << 32) + 1, "may not specify a duration larger than 2^32 seconds", id="too long"
        ),
    ],
)
async def test_a_lifetime_out_of_range(world: World, seconds: int, text: str) -> None:
    await world.put_account()
    error = await refused(world, spec(expirationSeconds=seconds))
    assert (error.code, error.reason) == (422, "Invalid")
    assert error.message == (
        'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: '
        f"Invalid value: {seconds}: {text}"
    )


@pytest.mark.rule("token-request.minimum-switch")
async def test_a_lowered_minimum_is_given(world: World) -> None:
    await world.put_account()
    answer, _ = await ask(world, spec(expirationSeconds=20), minimum_seconds=20)
    claims = claims_of(answer)
    assert claims["exp"] - claims["iat"] == 20


@pytest.mark.rule("token-request.order-account-first", "token-request.account-missing")
async def test_a_missing_account_comes_before_a_wrong_lifetime(world: World) -> None:
    error = await refused(world, spec(expirationSeconds=1))
    assert (error.code, error.message) == (404, 'serviceaccounts "app" not found')


@pytest.mark.rule(
    "token-request.other-name",
    "token-request.other-namespace",
    "binding.account-uid",
    "token-request.other-version",
    "binding.other-kind",
    "binding.missing",
)
@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        pytest.param(
            {"metadata": {"name": "other"}},
            422,
            'TokenRequest.authentication.k8s.io "" is invalid: metadata.name: Invalid value: '
            '"other": must match the service account name if specified',
            id="another name",
        ),
        pytest.param(
            {"metadata": {"namespace": "other"}},
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
            id="another namespace",
        ),
        pytest.param(
            {"metadata": {"uid": "old"}},
            409,
            'Operation cannot be fulfilled on TokenRequest.authentication.k8s.io "app": the UID '
            "in the token request (old) does not match the UID of the service account (uid-app)",
            id="another UID",
        ),
        pytest.param(
            {"apiVersion": "v1"},
            400,
            "the API version in the data (v1) does not match the expected API version "
            "(authentication.k8s.io/v1)",
            id="another version",
        ),
        pytest.param({"kind": "Pod"}, 400, "the kind in the data (Pod)", id="another kind"),
        pytest.param(
            bound("ConfigMap", "c"),
            400,
            "cannot bind token to object of type /v1, Kind=ConfigMap",
            id="bound to a ConfigMap",
        ),
        pytest.param(bound("Pod", "x"), 404, 'pods "x" not found', id="no such pod"),
        pytest.param(bound("Secret", "x"), 404, 'secrets "x" not found', id="no such secret"),
        pytest.param(bound("Node", "x"), 404, 'nodes "x" not found', id="no such node"),
    ],
)
async def test_refusals(world: World, body: Object, code: int, text: str) -> None:
    await world.put_account()
    error = await refused(world, body)
    assert error.code == code
    assert error.message.startswith(text)


@pytest.mark.rule("binding.account-uid")
async def test_the_uid_of_the_account_is_a_precondition(world: World) -> None:
    await world.put_account()
    answer, _ = await ask(world, {"metadata": {"uid": "uid-app"}})
    assert answer["metadata"]["uid"] == "uid-app"


@pytest.mark.rule("token-request.no-namespace")
async def test_without_namespace_there_is_no_account(world: World) -> None:
    with pytest.raises(StatusError, match="namespace is required"):
        await world.tokens.create("", "app", {}, ANN, admission=world.no_admission)


@pytest.mark.rule("binding.other-account", "binding.account-before-uid")
async def test_a_pod_of_another_account(world: World) -> None:
    await world.put_account()
    await put_pod(world, account="other")
    error = await refused(world, bound("Pod", "p", "old"))
    assert error.code == 400
    assert error.message == (
        'cannot bind token for serviceaccount "app" to pod running with different '
        "serviceaccount name."
    )


@pytest.mark.rule("binding.uid-mismatch")
async def test_a_pod_that_was_recreated(world: World) -> None:
    await world.put_account()
    await put_pod(world)
    error = await refused(world, bound("Pod", "p", "old"))
    assert error.code == 409
    assert error.message.startswith('Operation cannot be fulfilled on Pod "p": the UID in the')


@pytest.mark.rule("binding.unscheduled")
async def test_a_pod_on_no_node(world: World) -> None:
    await world.put_account()
    await put_pod(world)
    private = claims_of((await ask(world, bound("Pod", "p")))[0])["kubernetes.io"]
    assert private["pod"] == {"name": "p", "uid": "uid-p"}
    assert "node" not in private


@pytest.mark.rule("binding.node-info", "binding.node-missing")
async def test_a_pod_on_a_node_that_is_known(world: World) -> None:
    await world.put_account()
    await put_pod(world, node="n1")
    unknown = claims_of((await ask(world, bound("Pod", "p", "uid-p")))[0])["kubernetes.io"]
    assert unknown["node"] == {"name": "n1"}
    await world.put(NODES, {"metadata": {"name": "n1"}})
    known = claims_of((await ask(world, bound("Pod", "p", "uid-p")))[0])["kubernetes.io"]
    assert known["node"] == {"name": "n1", "uid": "uid-n1"}


@pytest.mark.rule("binding.kinds", "binding.uid-empty")
async def test_a_secret_and_a_node_are_bound(world: World) -> None:
    await world.put_account()
    await world.put(SECRETS, {"metadata": {"name": "s", "namespace": "ns1"}})
    await world.put(NODES, {"metadata": {"name": "n1"}})
    secret = claims_of((await ask(world, bound("Secret", "s")))[0])["kubernetes.io"]
    assert secret["secret"] == {"name": "s", "uid": "uid-s"}
    node = claims_of((await ask(world, bound("Node", "n1")))[0])["kubernetes.io"]
    assert node["node"] == {"name": "n1", "uid": "uid-n1"}


@pytest.mark.rule("token-request.clamp", "token-request.clamp-warning")
async def test_a_lifetime_over_the_maximum_is_cut_with_a_warning(world: World) -> None:
    await world.put_account()
    answer, warnings = await ask(world, spec(expirationSeconds=7800), maximum_seconds=7200)
    assert answer["spec"]["expirationSeconds"] == 7200
    assert warnings == ["requested expiration of 7800 seconds shortened to 7200 seconds"]


@pytest.mark.rule("token-request.extension", "token-request.extension-answer")
async def test_an_extended_token_says_an_hour_and_lives_a_year(world: World) -> None:
    await world.put_account()
    await put_pod(world)
    body = bound("Pod", "p")
    body["spec"]["expirationSeconds"] = 3607
    answer, _ = await ask(world, body)
    claims = claims_of(answer)
    assert answer["spec"]["expirationSeconds"] == 3607
    assert answer["status"]["expirationTimestamp"] == "2026-01-01T01:00:07Z"
    assert claims["exp"] - claims["iat"] == 31_536_000
    assert claims["kubernetes.io"]["warnafter"] - claims["iat"] == 3607


class Watcher(PassivePlugin):
    """Keeps what it saw."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.annotations: dict[str, str] = {}

    async def mutate(self, request: AdmissionRequest) -> None:
        assert request.object is not None
        self.seen.append(request.object["spec"].get("audiences"))
        self.annotations = request.audit_annotations
        request.warnings.append("seen")

    async def validate(self, request: AdmissionRequest) -> None:
        assert request.object is not None
        self.seen.append(request.object["spec"]["audiences"])


@pytest.mark.rule("token-request.order-mutating", "token-request.audit-id")
async def test_mutating_admission_sees_the_audiences_before_their_default(world: World) -> None:
    await world.put_account()
    watcher = Watcher()
    _, warnings = await world.tokens.create(
        "ns1", "app", {}, ANN, admission=AdmissionChain([watcher])
    )
    assert watcher.seen == [None, ["api"]]
    assert warnings == ["seen"]
    assert watcher.annotations["authentication.kubernetes.io/issued-credential-id"].startswith(
        "JTI="
    )


@pytest.mark.rule("token-request.signer-failure")
async def test_a_signer_that_is_closed_is_an_internal_error_without_details(world: World) -> None:
    await world.put_account()
    signer = Signer(KEY)
    signer.close()
    requests = TokenRequests(world.policy, signer, world.live, world.clock)
    with pytest.raises(StatusError) as caught:
        await requests.create("ns1", "app", {}, ANN, admission=world.no_admission)
    assert caught.value.code == 500
    assert "failed to generate token: signing failed" in caught.value.message


class CacheOfBefore:
    """Has each object in its cache under the UID `before`; the store knows better."""

    def __init__(self, world: World) -> None:
        self._world = world

    def cached(self, resource: Resource, namespace: str, name: str) -> Object | None:
        found = self._world.cached.cached(resource, namespace, name)
        return found and found | {"metadata": found["metadata"] | {"uid": "before"}}

    def cached_list(self, resource: Resource, namespace: str | None = None) -> Iterable[Object]:
        return self._world.cached.cached_list(resource, namespace)

    async def live(self, resource: Resource, namespace: str, name: str) -> Object:
        return await self._world.cached.live(resource, namespace, name)

    def subscribe(self, resource: Resource, callback: ObjectCallback) -> None:
        self._world.cached.subscribe(resource, callback)


@pytest.mark.rule("ha.quorum")
@pytest.mark.parametrize(("kind", "name"), [("Pod", "p"), ("Secret", "s"), ("Node", "n1")])
async def test_account_and_bound_object_are_read_from_the_store(
    world: World, kind: str, name: str
) -> None:
    await world.put_account()
    await put_pod(world, node="n1")
    await world.put(SECRETS, {"metadata": {"name": "s", "namespace": "ns1"}})
    await world.put(NODES, {"metadata": {"name": "n1"}})
    live = LiveObjects(CacheOfBefore(world))
    requests = TokenRequests(world.policy, world.signer, live, world.clock)
    answer, _ = await requests.create(
        "ns1", "app", bound(kind, name), ANN, admission=world.no_admission
    )
    private = claims_of(answer)["kubernetes.io"]
    assert private["serviceaccount"]["uid"] == answer["metadata"]["uid"] == "uid-app"
    assert private[kind.lower()]["uid"] == f"uid-{name}"
    if kind == "Pod":
        assert private["node"]["uid"] == "before"  # of the node the cache is good enough
