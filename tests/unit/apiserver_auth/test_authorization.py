"""Masters, nodes, roles: who decides, and how a refusal reads."""

from __future__ import annotations

from typing import Any

import pytest

from podpass.api.meta import UserInfo
from podpass.api.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    PODS,
    ROLE_BINDINGS,
    Object,
)
from podpass.apiserver.authorization import Attributes, forbidden_error

from .conftest import World

ANN = UserInfo("ann", groups=("system:authenticated",))
NODE = UserInfo("system:node:n1", groups=("system:nodes", "system:authenticated"))


def asks(user: UserInfo, verb: str, resource: str = "", **more: str) -> Attributes:
    return Attributes(user, verb, resource=resource, **more)


async def test_masters_may_everything(world: World) -> None:
    root = UserInfo("root", groups=("system:masters",))
    assert world.authorizer.authorize(asks(root, "delete", "nodes", name="n1")).allowed
    assert world.authorizer.authorize(asks(root, "get", path="/x")).allowed


async def test_roles_count_as_soon_as_the_cache_has_them(world: World) -> None:
    request = asks(ANN, "get", "pods", namespace="ns1")
    assert not world.authorizer.authorize(request).allowed
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
    await world.put(CLUSTER_ROLES, {"metadata": {"name": "reader"}, "rules": [rule]})
    binding: Object = {
        "metadata": {"name": "b", "namespace": "ns1"},
        "roleRef": {"kind": "ClusterRole", "name": "reader"},
        "subjects": [{"kind": "User", "name": "ann"}],
    }
    await world.put(ROLE_BINDINGS, binding)
    assert world.authorizer.authorize(request).allowed
    await world.remove(ROLE_BINDINGS, "ns1", "b")
    assert not world.authorizer.authorize(request).allowed


def pod(name: str = "p", node: str = "n1", **spec: Any) -> Object:
    return {
        "metadata": {"name": name, "namespace": "ns1"},
        "spec": {"nodeName": node, "serviceAccountName": "app", **spec},
    }


REFERENCES: list[Any] = [
    pytest.param({"imagePullSecrets": [{"name": "x"}]}, "secrets", id="pull secret"),
    pytest.param({"volumes": [{"secret": {"secretName": "x"}}]}, "secrets", id="secret volume"),
    pytest.param({"volumes": [{"configMap": {"name": "x"}}]}, "configmaps", id="config volume"),
    pytest.param(
        {"volumes": [{"projected": {"sources": [{"secret": {"name": "x"}}]}}]},
        "secrets",
        id="projected secret",
    ),
    pytest.param(
        {"volumes": [{"projected": {"sources": [{"configMap": {"name": "x"}}]}}]},
        "configmaps",
        id="projected config",
    ),
    pytest.param(
        {"containers": [{"envFrom": [{"secretRef": {"name": "x"}}]}]}, "secrets", id="envFrom"
    ),
    pytest.param(
        {"initContainers": [{"envFrom": [{"configMapRef": {"name": "x"}}]}]},
        "configmaps",
        id="envFrom of an init container",
    ),
    pytest.param(
        {"containers": [{"env": [{"valueFrom": {"secretKeyRef": {"name": "x"}}}]}]},
        "secrets",
        id="a variable from a secret",
    ),
    pytest.param(
        {"containers": [{"env": [{"valueFrom": {"configMapKeyRef": {"name": "x"}}}]}]},
        "configmaps",
        id="a variable from a config map",
    ),
]


@pytest.mark.rule("case.e2e.node-own-secret")
@pytest.mark.parametrize(("spec", "plural"), REFERENCES)
async def test_a_node_reads_what_its_pods_refer_to(world: World, spec: Object, plural: str) -> None:
    await world.put(PODS, pod(**spec))
    for verb in ("get", "list", "watch"):
        assert world.authorizer.authorize(
            asks(NODE, verb, plural, namespace="ns1", name="x")
        ).allowed
    other = asks(NODE, "get", plural, namespace="ns1", name="y")
    decision = world.authorizer.authorize(other)
    assert not decision.allowed
    assert decision.reason == "no relationship found between node 'n1' and this object"


@pytest.mark.rule("node.graph-edges", "node.token-create")
@pytest.mark.parametrize(
    ("spec", "metadata"),
    [
        pytest.param({"nodeName": "n2"}, {}, id="on another node"),
        pytest.param({"nodeName": ""}, {}, id="on no node"),
        pytest.param({}, {"annotations": {"kubernetes.io/config.mirror": "h"}}, id="a mirror pod"),
        pytest.param({}, {"namespace": "ns2"}, id="in another namespace"),
    ],
)
async def test_pods_that_do_not_count(world: World, spec: Object, metadata: Object) -> None:
    made = pod(volumes=[{"secret": {"secretName": "x"}}])
    made["spec"] |= spec
    made["metadata"] |= metadata
    await world.put(PODS, made)
    request = asks(NODE, "get", "secrets", namespace="ns1", name="x")
    assert not world.authorizer.authorize(request).allowed


@pytest.mark.rule("node.graph-edges")
async def test_a_pod_that_changes_or_goes_takes_its_rights_along(world: World) -> None:
    token = asks(
        NODE, "create", "serviceaccounts", subresource="token", namespace="ns1", name="app"
    )
    await world.put(PODS, pod(node=""))
    assert not world.authorizer.authorize(token).allowed
    await world.change(PODS, pod())
    await world.put(PODS, pod("q"))
    assert world.authorizer.authorize(token).allowed
    await world.remove(PODS, "ns1", "p")
    assert world.authorizer.authorize(token).allowed
    await world.change(PODS, pod("q") | {"status": {"phase": "Running"}})
    assert world.authorizer.authorize(token).allowed
    await world.remove(PODS, "ns1", "q")
    assert not world.authorizer.authorize(token).allowed


@pytest.mark.rule("node.token-reasons")
@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        pytest.param(
            asks(NODE, "create", "serviceaccounts", namespace="ns1", name="app"),
            "can only create token subresource of serviceaccount",
            id="an account itself",
        ),
        pytest.param(
            asks(NODE, "list", "serviceaccounts", namespace="ns1"),
            "can only create tokens for individual service accounts",
            id="a list of accounts",
        ),
        pytest.param(
            asks(NODE, "update", "serviceaccounts", namespace="ns1", name="app"),
            "can only create tokens for individual service accounts",
            id="a change of an account",
        ),
        pytest.param(
            asks(NODE, "delete", "secrets", namespace="ns1", name="x"),
            "can only read resources of this type",
            id="to delete a secret",
        ),
        pytest.param(
            asks(NODE, "list", "secrets", namespace="ns1"),
            "No Object name found",
            id="all secrets of a namespace",
        ),
        pytest.param(
            asks(NODE, "get", "secrets", name="x"),
            "can only read namespaced object of this type",
            id="no namespace",
        ),
        pytest.param(
            asks(NODE, "get", "secrets", subresource="s", namespace="ns1", name="x"),
            "cannot read subresource",
            id="a subresource",
        ),
        pytest.param(
            asks(NODE, "list", "leases", group="coordination.k8s.io", namespace="kube-node-lease"),
            "can only get, create, update, patch, or delete a node lease",
            id="all leases",
        ),
        pytest.param(
            asks(NODE, "get", "leases", group="coordination.k8s.io", namespace="x", name="n1"),
            'can only access leases in the "kube-node-lease" system namespace',
            id="a lease elsewhere",
        ),
        pytest.param(
            asks(
                NODE,
                "get",
                "leases",
                group="coordination.k8s.io",
                namespace="kube-node-lease",
                name="n2",
            ),
            "can only access node lease with the same name as the requesting node",
            id="a lease of another node",
        ),
    ],
)
async def test_why_a_node_may_not(world: World, request_: Attributes, reason: str) -> None:
    decision = world.authorizer.authorize(request_)
    assert (decision.allowed, decision.reason) == (False, reason)


@pytest.mark.rule("node.identity", "rbac.node")
@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(asks(NODE, "list", "pods"), id="list pods"),
        pytest.param(asks(NODE, "watch", "pods"), id="watch pods"),
        pytest.param(asks(NODE, "create", "pods", namespace="a"), id="create mirror pods"),
        pytest.param(asks(NODE, "delete", "pods", namespace="a", name="p"), id="delete pods"),
        pytest.param(
            asks(NODE, "patch", "pods", subresource="status", namespace="a", name="p"),
            id="patch the status of pods",
        ),
        pytest.param(asks(NODE, "create", "nodes"), id="register"),
        pytest.param(asks(NODE, "patch", "nodes", subresource="status", name="n1"), id="report"),
        pytest.param(asks(NODE, "create", "events", namespace="a"), id="create events"),
        pytest.param(asks(NODE, "patch", "events", namespace="a", name="e"), id="patch events"),
        pytest.param(
            asks(NODE, "create", "tokenreviews", group="authentication.k8s.io"), id="review tokens"
        ),
        pytest.param(
            asks(NODE, "create", "subjectaccessreviews", group="authorization.k8s.io"),
            id="review access",
        ),
        pytest.param(
            asks(
                NODE,
                "create",
                "leases",
                group="coordination.k8s.io",
                namespace="kube-node-lease",
            ),
            id="create its lease",
        ),
        pytest.param(
            asks(
                NODE,
                "update",
                "leases",
                group="coordination.k8s.io",
                namespace="kube-node-lease",
                name="n1",
            ),
            id="renew its lease",
        ),
    ],
)
async def test_what_a_kubelet_needs(world: World, request_: Attributes) -> None:
    assert world.authorizer.authorize(request_).allowed
    for user in (UserInfo("system:node:n1"), UserInfo("n1", groups=("system:nodes",))):
        stranger = Attributes(
            user,
            request_.verb,
            group=request_.group,
            resource=request_.resource,
            subresource=request_.subresource,
            namespace=request_.namespace,
            name=request_.name,
        )
        assert not world.authorizer.authorize(stranger).allowed


@pytest.mark.rule("node.account-get")
async def test_a_node_may_get_the_account_of_its_pods(world: World) -> None:
    await world.put(PODS, pod())
    for name, allowed in (("app", True), ("other", False)):
        request = asks(NODE, "get", "serviceaccounts", namespace="ns1", name=name)
        assert world.authorizer.authorize(request).allowed is allowed


@pytest.mark.rule("node.no-opinion")
async def test_roles_may_grant_a_node_more(world: World) -> None:
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    await world.put(CLUSTER_ROLES, {"metadata": {"name": "r"}, "rules": [rule]})
    binding: Object = {
        "metadata": {"name": "b"},
        "roleRef": {"kind": "ClusterRole", "name": "r"},
        "subjects": [{"kind": "Group", "name": "system:nodes"}],
    }
    await world.put(CLUSTER_ROLE_BINDINGS, binding)
    request = asks(NODE, "get", "secrets", namespace="ns1", name="x")
    assert world.authorizer.authorize(request).allowed


@pytest.mark.rule("node.no-opinion")
async def test_all_reasons_are_told(world: World) -> None:
    binding: Object = {
        "metadata": {"name": "b"},
        "roleRef": {"kind": "ClusterRole", "name": "r"},
        "subjects": [{"kind": "Group", "name": "system:nodes"}],
    }
    await world.put(CLUSTER_ROLE_BINDINGS, binding)
    decision = world.authorizer.authorize(asks(NODE, "list", "secrets"))
    assert decision.reason == (
        'No Object name found; RBAC: clusterrole.rbac.authorization.k8s.io "r" not found'
    )


@pytest.mark.parametrize(
    ("attributes", "reason", "message"),
    [
        pytest.param(
            asks(ANN, "get", "pods", subresource="log", namespace="ns1", name="p"),
            "",
            'pods "p" is forbidden: User "ann" cannot get resource "pods/log" in API group "" '
            'in the namespace "ns1"',
            id="an object in a namespace",
        ),
        pytest.param(
            asks(ANN, "list", "roles", group="rbac.authorization.k8s.io"),
            "why",
            'roles.rbac.authorization.k8s.io is forbidden: User "ann" cannot list resource '
            '"roles" in API group "rbac.authorization.k8s.io" at the cluster scope: why',
            id="a list at the cluster scope, with a reason",
        ),
        pytest.param(
            asks(ANN, "get", path="/metrics"),
            "",
            'forbidden: User "ann" cannot get path "/metrics"',
            id="a path",
        ),
    ],
)
def test_how_a_refusal_reads(attributes: Attributes, reason: str, message: str) -> None:
    error = forbidden_error(attributes, reason)
    assert (error.code, error.reason, error.message) == (403, "Forbidden", message)
