"""Nodes, accounts and strangers against the real server, over HTTPS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from podpass.api.resources import Object
from podpass.jose import jws
from podpass.testing.api_server import RunningApiServer, TestPki, running_api_server
from podpass.testing.memory_store import MemoryStore

NAMESPACE = "/api/v1/namespaces/default"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
TOKEN = f"{NAMESPACE}/serviceaccounts/app/token"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> TestPki:
    directory: Path = tmp_path_factory.mktemp("pki")
    return TestPki.make(directory)


class Cluster:
    """A server with account `app`, pod `p` on node n1 and two kubelets."""

    def __init__(self, server: RunningApiServer) -> None:
        self.server = server
        self.admin = server.admin()
        self.n1 = server.session("system:node:n1", organizations=["system:nodes"])
        self.n2 = server.session("system:node:n2", organizations=["system:nodes"])
        self.pod_uid = ""

    async def call(
        self, session: Any, method: str, path: str, body: Object | None = None, **headers: str
    ) -> tuple[int, Object]:
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        data = None if body is None else orjson.dumps(body)
        async with session.request(method, path, data=data, headers=headers) as response:
            return response.status, orjson.loads(await response.read())

    async def must(
        self, session: Any, method: str, path: str, body: Object | None = None
    ) -> Object:
        code, answer = await self.call(session, method, path, body)
        assert code in (200, 201), answer["message"]
        return answer

    def token_request(self, **reference: str) -> Object:
        bound = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": self.pod_uid} | reference
        return {"spec": {"audiences": ["vault"], "boundObjectRef": bound}}

    async def prepare(self) -> None:
        await self.must(
            self.admin, "POST", f"{NAMESPACE}/serviceaccounts", {"metadata": {"name": "app"}}
        )
        source = {"serviceAccountToken": {"path": "t", "audience": "vault"}}
        secret = {"name": "s", "secret": {"secretName": "wanted"}}
        pod = {
            "metadata": {"name": "p"},
            "spec": {
                "serviceAccountName": "app",
                "nodeName": "n1",
                "containers": [{"name": "c", "image": "i"}],
                "volumes": [{"name": "v", "projected": {"sources": [source]}}, secret],
            },
        }
        made = await self.must(self.admin, "POST", f"{NAMESPACE}/pods", pod)
        self.pod_uid = made["metadata"]["uid"]
        for name in ("wanted", "other"):
            await self.must(
                self.admin, "POST", f"{NAMESPACE}/secrets", {"metadata": {"name": name}}
            )


@pytest.fixture
async def cluster(pki: TestPki) -> AsyncIterator[Cluster]:
    async with running_api_server(MemoryStore(), pki) as server:
        made = Cluster(server)
        async with made.admin, made.n1, made.n2:
            await made.prepare()
            yield made


@pytest.mark.rule("node.token-create", "case.e2e.node-own-secret", "rbac.node")
async def test_a_kubelet_does_its_work(cluster: Cluster) -> None:
    n1 = cluster.n1
    await cluster.must(n1, "POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})
    node = await cluster.must(n1, "GET", "/api/v1/nodes/n1")
    node["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
    await cluster.must(n1, "PUT", "/api/v1/nodes/n1/status", node)
    lease = {"metadata": {"name": "n1"}, "spec": {"holderIdentity": "n1"}}
    await cluster.must(n1, "POST", LEASES, lease)
    await cluster.must(n1, "PUT", f"{LEASES}/n1", lease)
    pods = await cluster.must(n1, "GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1")
    assert [one["metadata"]["name"] for one in pods["items"]] == ["p"]
    owner = {
        "apiVersion": "v1",
        "kind": "Node",
        "name": "n1",
        "uid": node["metadata"]["uid"],
        "controller": True,
    }
    mirror = {
        "metadata": {
            "name": "static-n1",
            "annotations": {"kubernetes.io/config.mirror": "h"},
            "ownerReferences": [owner],
        },
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]},
    }
    await cluster.must(n1, "POST", f"{NAMESPACE}/pods", mirror)
    code, patched = await cluster.call(
        n1,
        "PATCH",
        f"{NAMESPACE}/pods/p/status",
        {"status": {"phase": "Running"}},
        **{"Content-Type": "application/strategic-merge-patch+json"},
    )
    assert (code, patched["status"]["phase"]) == (200, "Running")
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"},
        "reason": "Started",
        "type": "Normal",
    }
    await cluster.must(n1, "POST", f"{NAMESPACE}/events", event)
    await cluster.must(n1, "GET", f"{NAMESPACE}/secrets/wanted")
    await cluster.must(n1, "GET", f"{NAMESPACE}/secrets?fieldSelector=metadata.name%3Dwanted")
    answer = await cluster.must(n1, "POST", TOKEN, cluster.token_request())
    claims = orjson.loads(jws.unverified_payload(answer["status"]["token"]))
    assert claims["kubernetes.io"]["pod"]["uid"] == cluster.pod_uid
    assert claims["kubernetes.io"]["node"]["name"] == "n1"
    for name in ("static-n1", "p"):
        await cluster.must(n1, "DELETE", f"{NAMESPACE}/pods/{name}", {"gracePeriodSeconds": 0})


@pytest.mark.rule(
    "case.e2e.node-missing-secret",
    "case.e2e.node-foreign-secret",
    "node.token-create",
    "case.e2e.node-nodes",
)
async def test_a_kubelet_keeps_to_its_own(cluster: Cluster) -> None:
    async def code(session: Any, method: str, path: str, body: Object | None = None) -> int:
        return (await cluster.call(session, method, path, body))[0]

    n2 = cluster.n2
    assert await code(n2, "POST", TOKEN, cluster.token_request()) == 403
    assert await code(cluster.n1, "POST", TOKEN, {}) == 403
    assert await code(n2, "GET", f"{NAMESPACE}/secrets/wanted") == 403
    assert await code(cluster.n1, "GET", f"{NAMESPACE}/secrets/other") == 403
    assert await code(cluster.n1, "GET", f"{NAMESPACE}/secrets/nowhere") == 403
    assert await code(cluster.n1, "GET", f"{NAMESPACE}/secrets") == 403
    assert await code(n2, "POST", "/api/v1/nodes", {"metadata": {"name": "n1"}}) == 403
    assert await code(n2, "DELETE", f"{NAMESPACE}/pods/p") == 403
    assert await code(n2, "POST", LEASES, {"metadata": {"name": "n1"}}) == 403
    assert await code(cluster.n1, "DELETE", "/api/v1/nodes/n1") == 403
    assert await code(n2, "DELETE", "/api/v1/nodes/n1") == 403


async def review(cluster: Cluster, token: str, *audiences: str) -> Object:
    body: Object = {"spec": {"token": token, "audiences": list(audiences)}}
    answer = await cluster.must(cluster.admin, "POST", REVIEWS, body)
    status: Object = answer["status"]
    return status


@pytest.mark.rule(
    "verify.gone-at-once",
    "verify.pod-bound",
    "token-review.wrong-audience",
    "token-review.path",
    "node.graph-edges",
    "deletion.force",
)
async def test_a_token_lives_as_long_as_its_pod(cluster: Cluster) -> None:
    answer = await cluster.must(cluster.n1, "POST", TOKEN, cluster.token_request())
    token = answer["status"]["token"]
    status = await review(cluster, token, "vault")
    assert status["authenticated"] is True
    assert status["user"]["username"] == "system:serviceaccount:default:app"
    assert "audiences" in (await review(cluster, token))["error"]
    pod = f"{NAMESPACE}/pods/p"
    await cluster.must(cluster.admin, "DELETE", pod, {"gracePeriodSeconds": 0})
    gone = await review(cluster, token, "vault", "another")  # not the cached question
    assert gone["error"] == "[invalid bearer token, service account token has been invalidated]"
    code, _ = await cluster.call(cluster.n1, "POST", TOKEN, cluster.token_request())
    assert code in (403, 404)


@pytest.mark.rule("authentication.forbidden-is-authenticated", "discovery.permission")
async def test_an_account_has_the_rights_that_roles_give_it(cluster: Cluster) -> None:
    answer = await cluster.must(cluster.admin, "POST", TOKEN, {})
    async with cluster.server.session(token=answer["status"]["token"]) as app:
        code, refusal = await cluster.call(app, "GET", f"{NAMESPACE}/pods")
        assert code == 403
        assert refusal["message"] == (
            'pods is forbidden: User "system:serviceaccount:default:app" cannot list resource '
            '"pods" in API group "" in the namespace "default"'
        )
        binding = {
            "metadata": {"name": "b"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "view",
            },
            "subjects": [{"kind": "ServiceAccount", "name": "app", "namespace": "default"}],
        }
        bindings = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings"
        await cluster.must(cluster.admin, "POST", bindings, binding)
        codes: list[int] = []

        async def asked() -> bool:
            codes.append((await cluster.call(app, "GET", f"{NAMESPACE}/pods"))[0])
            return codes[-1] == 200

        for _ in range(50):
            if await asked():
                break
        assert codes[-1] == 200
        for path in ("/.well-known/openid-configuration", "/openid/v1/jwks"):
            assert (await cluster.call(app, "GET", path))[0] == 200
        reviews = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        who = await cluster.must(app, "POST", reviews, {})
        assert who["status"]["userInfo"]["username"] == "system:serviceaccount:default:app"


@pytest.mark.rule(
    "authentication.never-anonymous",
    "discovery.permission",
    "authentication.no-credential",
)
async def test_strangers_and_bad_tokens(cluster: Cluster) -> None:
    async with cluster.server.session() as nobody:
        assert (await cluster.call(nobody, "GET", f"{NAMESPACE}/pods"))[0] == 403
        code, refusal = await cluster.call(nobody, "GET", "/openid/v1/jwks")
        assert (code, refusal["message"]) == (
            403,
            'forbidden: User "system:anonymous" cannot get path "/openid/v1/jwks"',
        )
    async with cluster.server.session(token="junk") as somebody:
        code, refusal = await cluster.call(somebody, "GET", f"{NAMESPACE}/pods")
        assert (code, refusal["message"]) == (401, "Unauthorized")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param({"spec": {"expirationSeconds": 599}}, 422, id="599 seconds"),
        pytest.param({"metadata": {"uid": "old"}}, 409, id="another UID"),
        pytest.param({"kind": "Pod", "apiVersion": "v1"}, 400, id="another kind"),
        pytest.param({"spec": {"boundObjectRef": {"kind": "ConfigMap"}}}, 400, id="bound to that"),
    ],
)
async def test_token_requests_that_are_refused(cluster: Cluster, body: Object, code: int) -> None:
    assert (await cluster.call(cluster.admin, "POST", TOKEN, body))[0] == code
