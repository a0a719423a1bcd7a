"""A node writes only what is its own."""

from __future__ import annotations

from typing import Any

import pytest

from podpass.api.errors import StatusError
from podpass.api.meta import UserInfo
from podpass.api.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    EVENTS,
    LEASES,
    NODES,
    PODS,
    SERVICE_ACCOUNTS,
    Object,
    Resource,
)
from podpass.apiserver.admission.chain import AdmissionRequest, Operation
from podpass.apiserver.admission.node_restriction import NodeRestriction, forbidden_labels

from .conftest import World

OWNER = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "uid-n1", "controller": True}
NODE = UserInfo("system:node:n1", groups=("system:nodes",))


def request(
    operation: Operation,
    resource: Resource,
    new: Object | None = None,
    old: Object | None = None,
    **more: Any,
) -> AdmissionRequest:
    fields: dict[str, Any] = {"user": NODE} | more
    return AdmissionRequest(
        operation=operation, resource=resource, object=new, old_object=old, **fields
    )


async def refused(world: World, asked: AdmissionRequest) -> str:
    with pytest.raises(StatusError) as caught:
        await NodeRestriction(world.live, world.authorizer).mutate(asked)
    assert caught.value.code == 403
    return caught.value.message.partition(" is forbidden: ")[2]


def pod(
    node: str = "n1", *, mirror: bool = True, owners: Any = None, labels: Any = None, **spec: Any
) -> Object:
    metadata: Object = {"name": "p", "namespace": "ns1", "ownerReferences": owners}
    metadata["annotations"] = {"kubernetes.io/config.mirror": "h"} if mirror else {}
    if owners is None:
        metadata["ownerReferences"] = [OWNER]
    metadata["labels"] = labels or {}
    return {"metadata": metadata, "spec": {"nodeName": node, **spec}}


def node(name: str = "n1", taints: Any = None, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": taints}}


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(request("CREATE", PODS, pod()), id="a mirror pod"),
        pytest.param(request("DELETE", PODS, None, pod(), name="p"), id="delete its pod"),
        pytest.param(
            request("UPDATE", PODS, pod(), pod(), name="p", subresource="status"),
            id="the status of its pod",
        ),
        pytest.param(request("CREATE", NODES, node()), id="register"),
        pytest.param(
            request("CREATE", NODES, node(**{"node-role.kubernetes.io/worker": ""})),
            id="register with a role",
        ),
        pytest.param(
            request("UPDATE", NODES, node(a="b"), node(), name="n1"), id="a label of its own"
        ),
        pytest.param(
            request("UPDATE", NODES, node(), node(), name="n1", subresource="status"), id="report"
        ),
        pytest.param(
            request("CREATE", LEASES, node(), namespace="kube-node-lease"), id="create its lease"
        ),
        pytest.param(
            request("UPDATE", LEASES, node(), node(), name="n1", namespace="kube-node-lease"),
            id="renew its lease",
        ),
        pytest.param(request("CREATE", EVENTS, {}), id="an event"),
        pytest.param(request("UPDATE", SERVICE_ACCOUNTS, {}), id="an account is not its matter"),
        pytest.param(
            request("CREATE", PODS, pod("n2", mirror=False), user=UserInfo("ann")),
            id="others are not looked at",
        ),
    ],
)
async def test_what_is_let_through(world: World, asked: AdmissionRequest) -> None:
    await world.put(NODES, node())
    await NodeRestriction(world.live, world.authorizer).mutate(asked)
    await NodeRestriction(world.live, world.authorizer).validate(asked)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        pytest.param(
            request("CREATE", PODS, pod(mirror=False)),
            'pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only '
            "create mirror pods",
            id="an ordinary pod",
        ),
        pytest.param(
            request("CREATE", PODS, pod("n2")),
            'node "n1" can only create pods with spec.nodeName set to itself',
            id="a mirror pod elsewhere",
        ),
        pytest.param(
            request("CREATE", PODS, pod(owners=[OWNER, OWNER])),
            'node "n1" can only create pods with a single owner reference set to itself',
            id="two owners",
        ),
        pytest.param(
            request("CREATE", PODS, pod(owners=[])),
            'node "n1" can only create pods with an owner reference set to itself',
            id="no owner",
        ),
        pytest.param(
            request("CREATE", PODS, pod(owners=[OWNER | {"controller": False}])),
            'node "n1" can only create pods with a controller owner reference set to itself',
            id="an owner that does not control",
        ),
        pytest.param(
            request("CREATE", PODS, pod(owners=[OWNER | {"blockOwnerDeletion": True}])),
            'node "n1" must not set blockOwnerDeletion on an owner reference',
            id="an owner that cannot be deleted",
        ),
        pytest.param(
            request("CREATE", PODS, pod(owners=[OWNER | {"uid": "old"}])),
            "node n1 UID mismatch: expected uid-n1 got old",
            id="a former node of that name",
        ),
        pytest.param(
            request("CREATE", PODS, pod(owners=[OWNER | {"name": "n2"}])),
            'node "n1" can only create pods with an owner reference set to itself',
            id="another owner",
        ),
        pytest.param(
            request("CREATE", PODS, pod(owners=[OWNER | {"kind": "Pod"}])),
            'node "n1" can only create pods with an owner reference set to itself',
            id="an owner of another kind",
        ),
        pytest.param(
            request("CREATE", PODS, pod(serviceAccountName="app")),
            'node "n1" can not create pods that reference a service account',
            id="a mirror pod with an account",
        ),
        pytest.param(
            request("CREATE", PODS, pod(volumes=[{"configMap": {"name": "c"}}])),
            'node "n1" can not create pods that reference configmaps',
            id="a mirror pod with a config map",
        ),
        pytest.param(
            request("DELETE", PODS, None, pod("n2"), name="p"),
            'node "n1" can only delete pods with spec.nodeName set to itself',
            id="delete a pod of another node",
        ),
        pytest.param(
            request("DELETE", PODS, name="p"),
            'node "n1" can only delete pods with spec.nodeName set to itself',
            id="delete pods it does not name",
        ),
        pytest.param(
            request("UPDATE", PODS, pod(), pod(), name="p"),
            'unexpected operation "UPDATE", node "n1" can only create and delete mirror pods',
            id="change a pod",
        ),
        pytest.param(
            request("CREATE", PODS, {}, name="p", subresource="binding"),
            "unexpected pod subresource \"binding\", only 'status' and 'eviction' are allowed",
            id="bind a pod",
        ),
        pytest.param(
            request("CREATE", PODS, {}, name="p", subresource="status"),
            'unexpected operation "CREATE"',
            id="create a status",
        ),
        pytest.param(
            request("UPDATE", PODS, pod(), pod("n2"), name="p", subresource="status"),
            'node "n1" can only update pod status for pods with spec.nodeName set to itself',
            id="the status of a pod elsewhere",
        ),
        pytest.param(
            request("UPDATE", PODS, pod(labels={"a": "b"}), pod(), name="p", subresource="status"),
            'node "n1" can not update labels through pod status',
            id="labels through the status",
        ),
        pytest.param(
            request("CREATE", NODES, node("n2")),
            'node "n1" is not allowed to modify node "n2"',
            id="register another node",
        ),
        pytest.param(
            request("UPDATE", NODES, node("n2"), node("n2"), name="n2", subresource="status"),
            'node "n1" is not allowed to modify node "n2"',
            id="report for another node",
        ),
        pytest.param(
            request("CREATE", NODES, node(**{"node-restriction.kubernetes.io/x": "y"})),
            'node "n1" is not allowed to set the following labels: '
            "node-restriction.kubernetes.io/x",
            id="register with a restricted label",
        ),
        pytest.param(
            request("UPDATE", NODES, node(taints=[{"key": "k"}]), node(), name="n1"),
            'node "n1" is not allowed to modify taints',
            id="change its taints",
        ),
        pytest.param(
            request(
                "UPDATE", NODES, node(), node(**{"node-role.kubernetes.io/worker": ""}), name="n1"
            ),
            'node "n1" is not allowed to modify labels: node-role.kubernetes.io/worker',
            id="drop its role",
        ),
        pytest.param(
            request("CREATE", LEASES, node(), namespace="ns1"),
            'can only access leases in the "kube-node-lease" system namespace',
            id="a lease elsewhere",
        ),
        pytest.param(
            request("CREATE", LEASES, node("n2"), namespace="kube-node-lease"),
            "can only access node lease with the same name as the requesting node",
            id="the lease of another node",
        ),
        pytest.param(
            request("CREATE", PODS, pod(), user=UserInfo("system:node:", groups=("system:nodes",))),
            'could not determine node from user "system:node:"',
            id="a node without a name",
        ),
    ],
)
async def test_what_is_refused(world: World, asked: AdmissionRequest, text: str) -> None:
    await world.put(NODES, node())
    assert await refused(world, asked) == text


@pytest.mark.parametrize(
    ("label", "forbidden"),
    [
        pytest.param("mine", False, id="no prefix"),
        pytest.param("example.com/a", False, id="a prefix of its own"),
        pytest.param("kubernetes.io/hostname", False, id="what a kubelet knows"),
        pytest.param("topology.kubernetes.io/zone", False, id="where it stands"),
        pytest.param("node.kubernetes.io/x", False, id="the kubelet's own prefix"),
        pytest.param("a.kubelet.kubernetes.io/x", False, id="and below it"),
        pytest.param("kubernetes.io/x", True, id="other labels of Kubernetes"),
        pytest.param("x.k8s.io/x", True, id="and of its other domain"),
        pytest.param("node-restriction.kubernetes.io/x", True, id="restricted labels"),
        pytest.param("a.node-restriction.kubernetes.io/x", True, id="and below"),
        pytest.param("node-role.kubernetes.io/x", True, id="roles"),
    ],
)
def test_labels_that_a_node_may_not_change(label: str, forbidden: bool) -> None:
    changed = forbidden_labels(node(**{label: "new", "same.k8s.io/a": ""}), node(**{
        label: "old", "same.k8s.io/a": ""
    }))  # fmt: skip
    assert changed == ([label] if forbidden else [])


def token(audiences: Any = None, **reference: str) -> AdmissionRequest:
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "uid-p"} | reference
    spec = {"audiences": audiences, "boundObjectRef": bound}
    return request(
        "CREATE",
        SERVICE_ACCOUNTS,
        {"spec": spec},
        namespace="ns1",
        name="app",
        subresource="token",
    )


async def put_pod(world: World, node_name: str = "n1", *audiences: str) -> None:
    sources = [{"serviceAccountToken": {"path": "t", "audience": one}} for one in audiences]
    sources.append({"configMap": {"name": "c"}})
    volumes = [{"name": "e", "emptyDir": {}}, {"name": "v", "projected": {"sources": sources}}]
    await world.put(PODS, pod(node_name, mirror=False, volumes=volumes))


UNBOUND = "node requested token not bound to a pod"


@pytest.mark.rule(
    "node.token-bound",
    "node.token-uid-required",
    "node.token-uid-mismatch",
    "node.audience-one",
    "node.audience-projected",
)
@pytest.mark.parametrize(
    ("asked", "text"),
    [
        pytest.param(token(apiVersion=""), UNBOUND, id="no version"),
        pytest.param(token(kind="Secret"), UNBOUND, id="bound to a secret"),
        pytest.param(token(name=""), UNBOUND, id="bound to nothing"),
        pytest.param(
            request("CREATE", SERVICE_ACCOUNTS, {}, name="app", subresource="token"),
            UNBOUND,
            id="not bound at all",
        ),
        pytest.param(
            token(uid=""), "node requested token with a pod binding without a uid", id="no UID"
        ),
        pytest.param(
            token(uid="old"),
            "the UID in the bound object reference (old) does not match the UID in record. The "
            "object might have been deleted and then recreated",
            id="another UID",
        ),
        pytest.param(
            token(["a", "b"]), "node may only request 0 or 1 audiences", id="two audiences"
        ),
        pytest.param(
            token(["other"]),
            'audience "other" not found in pod spec volume, system:node:n1 is not authorized to '
            "request tokens for this audience",
            id="an audience of no volume",
        ),
        pytest.param(
            token(),
            'audience "" not found in pod spec volume, system:node:n1 is not authorized to '
            "request tokens for this audience",
            id="no audience where every volume has one",
        ),
    ],
)
async def test_tokens_that_a_node_does_not_get(
    world: World, asked: AdmissionRequest, text: str
) -> None:
    await put_pod(world, "n1", "vault")
    assert await refused(world, asked) == text


@pytest.mark.rule("node.token-pod-missing")
async def test_a_token_of_a_pod_that_is_gone_is_not_found(world: World) -> None:
    with pytest.raises(StatusError) as caught:
        await NodeRestriction(world.live, world.authorizer).mutate(token())
    assert (caught.value.code, caught.value.message) == (404, 'pods "p" not found')


@pytest.mark.rule("node.token-other-node")
async def test_a_token_of_a_pod_on_another_node(world: World) -> None:
    await put_pod(world, "n2", "vault")
    text = await refused(world, token(["vault"]))
    assert text == "node requested token bound to a pod scheduled on a different node"


@pytest.mark.rule("node.audience-projected")
@pytest.mark.parametrize(
    ("projected", "wanted"),
    [
        pytest.param("vault", ["vault"], id="the audience of a volume"),
        pytest.param("", None, id="none where a volume has none"),
        pytest.param("", [""], id="the empty one where a volume has none"),
    ],
)
async def test_tokens_that_a_node_gets(world: World, projected: str, wanted: Any) -> None:
    await put_pod(world, "n1", "other", projected)
    await NodeRestriction(world.live, world.authorizer).mutate(token(wanted))


@pytest.mark.rule("node.audience-rbac")
@pytest.mark.parametrize(
    ("resource", "names", "wanted", "allowed"),
    [
        pytest.param(
            "https://a:1/b",
            ["app"],
            ["https://a:1/b"],
            True,
            id="by audience and name",
            marks=pytest.mark.rule("case.node.rbac-url"),
        ),
        pytest.param("x", ["other"], ["x"], False, id="not for another account"),
        pytest.param(
            "x",
            None,
            ["x"],
            True,
            id="for any account",
            marks=pytest.mark.rule("case.node.rbac-wildcards"),
        ),
        pytest.param(
            "*",
            None,
            ["whatever"],
            True,
            id="for any audience",
            marks=pytest.mark.rule("case.node.rbac-wildcards"),
        ),
        pytest.param(
            "",
            None,
            None,
            True,
            id="for the empty audience",
            marks=pytest.mark.rule("case.node.rbac-empty"),
        ),
        pytest.param("x", None, ["y"], False, id="not for another audience"),
    ],
)
async def test_roles_may_grant_an_audience(
    world: World, resource: str, names: Any, wanted: Any, allowed: bool
) -> None:
    await put_pod(world, "n1", "vault")
    rule: Object = {
        "apiGroups": [""],
        "resources": [resource],
        "resourceNames": names,
        "verbs": ["request-serviceaccounts-token-audience"],
    }
    await world.put(CLUSTER_ROLES, {"metadata": {"name": "r"}, "rules": [rule]})
    binding: Object = {
        "metadata": {"name": "b"},
        "roleRef": {"kind": "ClusterRole", "name": "r"},
        "subjects": [{"kind": "User", "name": "system:node:n1"}],
    }
    await world.put(CLUSTER_ROLE_BINDINGS, binding)
    if allowed:
        await NodeRestriction(world.live, world.authorizer).mutate(token(wanted))
    else:
        assert "not found in pod spec volume" in await refused(world, token(wanted))
