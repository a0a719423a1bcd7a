"""What tokens a node gets, over HTTPS and with a node's certificate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from podpass.api.resources import Object

from .wire import ACCOUNTS, NAMESPACE, TOKEN, Wire, claims_of, wired

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORBIDDEN = 'serviceaccounts "app" is forbidden: '
UNBOUND = f"{FORBIDDEN}node requested token not bound to a pod"
NOT_PROJECTED = (
    FORBIDDEN + 'audience "{}" not found in pod spec volume, system:node:n1 is not authorized to '
    "request tokens for this audience"
)
RBAC = "/apis/rbac.authorization.k8s.io/v1"


def volumes(*audiences: str) -> list[Object]:
    sources = [{"serviceAccountToken": {"path": f"t{one}", "audience": one}} for one in audiences]
    return [{"name": "v", "projected": {"sources": sources}}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wire(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Wire]:
    async with wired(tmp_path_factory.mktemp("pki")) as made:
        await made.account("other")
        quiet: dict[str, Any] = {"automountServiceAccountToken": False}
        await made.pod("p", nodeName="n1", volumes=volumes("vault"), **quiet)
        await made.pod("plain", nodeName="n1", volumes=volumes(""), **quiet)
        await made.pod("elsewhere", nodeName="n2", volumes=volumes("vault"), **quiet)
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(wire: Wire) -> AsyncIterator[aiohttp.ClientSession]:
    async with wire.server.session("system:node:n1", organizations=["system:nodes"]) as session:
        yield session


async def asked(wire: Wire, *audiences: str, **reference: str) -> Object:
    """Return a request bound to pod p, or as `reference` says."""
    name = reference.get("name", "p")
    pod = (await wire.send("GET", f"{NAMESPACE}/pods/{name}")).body
    bound = {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": name,
        "uid": pod["metadata"].get("uid", "u"),
    }
    return {"spec": {"audiences": list(audiences), "boundObjectRef": bound | reference}}


@pytest.mark.parametrize(
    ("audiences", "reference", "code", "text"),
    [
        pytest.param(
            ["vault"], {"apiVersion": ""}, 403, UNBOUND, id="no version",
            marks=pytest.mark.rule("node.token-bound"),
        ),
        pytest.param(
            ["vault"], {"kind": "Secret"}, 403, UNBOUND, id="bound to a secret",
            marks=pytest.mark.rule("node.token-bound"),
        ),
        pytest.param(
            ["vault"], {"kind": "Node"}, 403, UNBOUND, id="bound to itself",
            marks=pytest.mark.rule("node.token-bound"),
        ),
        pytest.param(
            ["vault"], {"uid": ""}, 403,
            f"{FORBIDDEN}node requested token with a pod binding without a uid", id="no UID",
            marks=pytest.mark.rule("node.token-uid-required"),
        ),
        pytest.param(
            ["vault"], {"name": "nowhere", "uid": "u"}, 404, 'pods "nowhere" not found',
            id="no such pod", marks=pytest.mark.rule("node.token-pod-missing"),
        ),
        pytest.param(
            ["vault"], {"uid": "old"}, 403,
            f"{FORBIDDEN}the UID in the bound object reference (old) does not match the UID in "
            "record. The object might have been deleted and then recreated",
            id="another UID", marks=pytest.mark.rule("node.token-uid-mismatch"),
        ),
        pytest.param(
            ["vault"], {"name": "elsewhere"}, 403,
            f"{FORBIDDEN}node requested token bound to a pod scheduled on a different node",
            id="a pod elsewhere", marks=pytest.mark.rule("node.token-other-node"),
        ),
        pytest.param(
            ["vault", "vault"], {}, 403, f"{FORBIDDEN}node may only request 0 or 1 audiences",
            id="two audiences", marks=pytest.mark.rule("node.audience-one"),
        ),
        pytest.param(
            ["other"], {}, 403, NOT_PROJECTED.format("other"), id="an audience of no volume",
            marks=pytest.mark.rule("node.audience-projected"),
        ),
        pytest.param(
            ["vault"], {"name": "plain"}, 403, NOT_PROJECTED.format("vault"),
            id="an audience of another pod's volume",
            marks=pytest.mark.rule("node.audience-projected"),
        ),
        pytest.param(
            [], {}, 403, NOT_PROJECTED.format(""), id="none where every volume has one",
            marks=pytest.mark.rule("node.audience-projected", "node.audience-one"),
        ),
    ],
)  # fmt: skip
async def test_tokens_that_a_node_does_not_get(
    wire: Wire,
    node: aiohttp.ClientSession,
    audiences: list[str],
    reference: dict[str, str],
    code: int,
    text: str,
) -> None:
    body = await asked(wire, *audiences, **reference)
    answer = await wire.send("POST", TOKEN, body, session=node)
    assert (answer.code, answer.text) == (code, text)


@pytest.mark.rule("node.token-bound")
async def test_a_node_does_not_get_an_unbound_token(
    wire: Wire, node: aiohttp.ClientSession
) -> None:
    answer = await wire.send("POST", TOKEN, {}, session=node)
    assert (answer.code, answer.text) == (403, UNBOUND)


@pytest.mark.rule("node.audience-projected", "node.audience-one", "node.token-create")
@pytest.mark.parametrize(
    ("pod", "audiences", "given"),
    [
        pytest.param("p", ["vault"], ["vault"], id="the audience of a volume"),
        pytest.param("plain", [""], [""], id="the empty one of a volume without"),
        pytest.param("plain", [], ["https://kubernetes.default.svc"], id="none, and it is the API"),
    ],
)
async def test_tokens_that_a_node_gets(
    wire: Wire, node: aiohttp.ClientSession, pod: str, audiences: list[str], given: list[str]
) -> None:
    answer = await wire.send("POST", TOKEN, await asked(wire, *audiences, name=pod), session=node)
    assert answer.code == 201
    claims = claims_of(answer.body["status"]["token"])
    assert claims["aud"] == given
    assert claims["kubernetes.io"]["pod"]["name"] == pod
    assert claims["kubernetes.io"]["node"] == {"name": "n1"}


@pytest.mark.rule("node.token-create", "node.token-reasons", "node.graph-edges")
async def test_the_account_must_be_of_a_pod_on_the_node(
    wire: Wire, node: aiohttp.ClientSession
) -> None:
    denied = (
        'serviceaccounts "other" is forbidden: User "system:node:n1" cannot create resource '
        '"serviceaccounts/token" in API group "" in the namespace "ns1": no relationship found '
        "between node 'n1' and this object"
    )
    path = f"{ACCOUNTS}/other/token"
    answer = await wire.send("POST", path, await asked(wire, "vault"), session=node)
    assert (answer.code, answer.text) == (403, denied)
    quiet: dict[str, Any] = {"automountServiceAccountToken": False}
    await wire.pod("brief", "other", nodeName="n1", volumes=volumes("vault"), **quiet)
    body = await asked(wire, "vault", name="brief")
    assert (await wire.send("POST", path, body, session=node)).code == 201
    gone = await wire.send("DELETE", f"{NAMESPACE}/pods/brief", {"gracePeriodSeconds": 0})
    assert gone.code == 200
    async with asyncio.timeout(30):  # until this server has heard of it
        while (answer := await wire.send("POST", path, body, session=node)).code == 404:
            pass
    assert (answer.code, answer.text) == (403, denied)


@pytest.mark.rule("node.audience-rbac", "case.node.rbac-url")
@pytest.mark.parametrize(
    ("roles", "bindings"),
    [
        pytest.param("clusterroles", "clusterrolebindings", id="in the cluster"),
        pytest.param("clusterroles", "rolebindings", id="a cluster's role in the namespace"),
        pytest.param("roles", "rolebindings", id="in the namespace"),
    ],
)
async def test_roles_grant_an_audience_and_take_it_back(
    wire: Wire, node: aiohttp.ClientSession, roles: str, bindings: str
) -> None:
    def path(plural: str) -> str:
        return f"{RBAC}/{plural}" if plural.startswith("c") else f"{RBAC}/namespaces/ns1/{plural}"

    rule = {
        "apiGroups": [""],
        "resources": ["https://a.example:1/b"],
        "resourceNames": ["app"],
        "verbs": ["request-serviceaccounts-token-audience"],
    }
    await wire.make(path(roles), {"metadata": {"name": "r"}, "rules": [rule]})
    kind = "ClusterRole" if roles.startswith("c") else "Role"
    binding = {
        "metadata": {"name": "b"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "r"},
        "subjects": [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:node:n1"}
        ],
    }
    await wire.make(path(bindings), binding)

    async def codes() -> list[int]:
        return [
            (await wire.send("POST", TOKEN, await asked(wire, one), session=node)).code
            for one in ("https://a.example:1/b", "https://a.example:1/c")
        ]

    async with asyncio.timeout(30):
        while await codes() != [201, 403]:
            pass
    for one in (f"{path(bindings)}/b", f"{path(roles)}/r"):
        assert (await wire.send("DELETE", one)).code == 200
    async with asyncio.timeout(30):
        while await codes() != [403, 403]:
            pass
