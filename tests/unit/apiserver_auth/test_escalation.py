"""Nobody grants what he does not have."""

from __future__ import annotations

from typing import Any

import pytest

from podpass.api.errors import StatusError
from podpass.api.meta import UserInfo
from podpass.api.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    PODS,
    RBAC,
    ROLE_BINDINGS,
    ROLES,
    Object,
    Resource,
)
from podpass.apiserver.admission.chain import AdmissionRequest, Operation
from podpass.apiserver.admission.escalation import EscalationCheck

from .conftest import World

ANN = UserInfo("ann", groups=("dev", "system:authenticated"))
ROOT = UserInfo("root", groups=("system:masters",))


def rule(verbs: str, resource: str, group: str = "", **more: Any) -> Object:
    return {"apiGroups": [group], "resources": [resource], "verbs": verbs.split(), **more}


GET_PODS = rule("get", "pods")
GET_SECRETS = rule("get", "secrets")


async def grant(world: World, *rules: Object, namespace: str = "") -> None:
    """Give ann these rules."""
    await world.put(CLUSTER_ROLES, {"metadata": {"name": "has"}, "rules": list(rules)})
    binding: Object = {
        "metadata": {"name": "has"},
        "roleRef": {"kind": "ClusterRole", "name": "has"},
        "subjects": [{"kind": "User", "name": "ann"}],
    }
    if namespace:
        binding["metadata"]["namespace"] = namespace
    await world.put(ROLE_BINDINGS if namespace else CLUSTER_ROLE_BINDINGS, binding)


def role(*rules: Object, **more: Any) -> Object:
    return {"metadata": {"name": "r"}, "rules": list(rules), **more}


def binding(name: str = "target", kind: str = "ClusterRole") -> Object:
    return {
        "metadata": {"name": "b"},
        "roleRef": {"kind": kind, "name": name},
        "subjects": [{"kind": "User", "name": "eve"}],
    }


def asked(
    resource: Resource,
    new: Object | None,
    old: Object | None = None,
    *,
    user: UserInfo = ANN,
    operation: Operation = "CREATE",
) -> AdmissionRequest:
    return AdmissionRequest(
        operation=operation if old is None else "UPDATE",
        resource=resource,
        user=user,
        namespace="ns1" if resource.namespaced else "",
        object=new,
        old_object=old,
    )


async def check(world: World, request: AdmissionRequest) -> None:
    await EscalationCheck(world.authorizer).mutate(request)
    await EscalationCheck(world.authorizer).validate(request)


async def refused(world: World, request: AdmissionRequest) -> StatusError:
    with pytest.raises(StatusError) as caught:
        await check(world, request)
    return caught.value


@pytest.mark.parametrize("resource", [ROLES, CLUSTER_ROLES], ids=["Role", "ClusterRole"])
async def test_what_is_held_may_be_granted(world: World, resource: Resource) -> None:
    await grant(world, rule("get list", "pods"))
    await check(world, asked(resource, role(GET_PODS)))


async def test_what_is_held_in_a_namespace_may_be_granted_there_alone(world: World) -> None:
    await grant(world, GET_PODS, namespace="ns1")
    await check(world, asked(ROLES, role(GET_PODS)))
    assert (await refused(world, asked(CLUSTER_ROLES, role(GET_PODS)))).code == 403


async def test_what_is_not_held_is_named(world: World) -> None:
    await grant(world, GET_PODS)
    error = await refused(world, asked(ROLES, role(GET_PODS, GET_SECRETS)))
    assert error.code == 403
    assert error.message == (
        'roles.rbac.authorization.k8s.io "r" is forbidden: user "ann" (groups=["dev" '
        '"system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n'
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}'
    )


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(asked(ROLES, role(GET_SECRETS), user=ROOT), id="by a master"),
        pytest.param(asked(ROLES, None, operation="DELETE"), id="a deletion"),
        pytest.param(asked(PODS, role(GET_SECRETS)), id="another kind"),
        pytest.param(asked(ROLES, role(GET_SECRETS), role(GET_SECRETS)), id="an unchanged role"),
        pytest.param(
            asked(ROLE_BINDINGS, binding(), binding() | {"x": "y"}), id="an unchanged binding"
        ),
    ],
)
async def test_what_is_not_looked_at(world: World, request_: AdmissionRequest) -> None:
    await check(world, request_)


async def test_a_new_label_could_make_a_role_part_of_another(world: World) -> None:
    labelled = role(GET_SECRETS)
    labelled["metadata"] = {"name": "r", "labels": {"to-admin": "true"}}
    error = await refused(world, asked(CLUSTER_ROLES, labelled, role(GET_SECRETS)))
    assert error.code == 403


async def test_who_may_escalate_may_grant_anything(world: World) -> None:
    await grant(world, rule("escalate", "roles", RBAC, resourceNames=["r"]))
    await check(world, asked(ROLES, role(GET_SECRETS)))
    assert (await refused(world, asked(CLUSTER_ROLES, role(GET_SECRETS)))).code == 403


AGGREGATING = role(aggregationRule={"clusterRoleSelectors": [{}]})


async def test_a_role_that_aggregates_takes_all_rights(world: World) -> None:
    error = await refused(world, asked(CLUSTER_ROLES, AGGREGATING))
    assert "must have cluster-admin privileges to use the aggregationRule" in error.message
    await grant(world, rule("*", "*", "*"), {"nonResourceURLs": ["*"], "verbs": ["*"]})
    await check(world, asked(CLUSTER_ROLES, AGGREGATING))


@pytest.mark.parametrize(
    "resource", [ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS], ids=["RoleBinding", "ClusterRoleBinding"]
)
async def test_a_role_is_bound_by_who_holds_it(world: World, resource: Resource) -> None:
    await world.put(CLUSTER_ROLES, {"metadata": {"name": "target"}, "rules": [GET_SECRETS]})
    assert (await refused(world, asked(resource, binding()))).code == 403
    await grant(world, GET_SECRETS)
    await check(world, asked(resource, binding()))


async def test_a_role_is_bound_by_who_may_bind_it(world: World) -> None:
    metadata = {"name": "target", "namespace": "ns1"}
    await world.put(ROLES, {"metadata": metadata, "rules": [GET_SECRETS]})
    assert (await refused(world, asked(ROLE_BINDINGS, binding(kind="Role")))).code == 403
    await grant(world, rule("bind", "roles", RBAC, resourceNames=["target"]))
    await check(world, asked(ROLE_BINDINGS, binding(kind="Role")))


async def test_a_role_that_does_not_exist_is_not_bound(world: World) -> None:
    error = await refused(world, asked(CLUSTER_ROLE_BINDINGS, binding()))
    assert (error.code, error.message) == (
        404,
        'clusterroles.rbac.authorization.k8s.io "target" not found',
    )


async def test_a_binding_whose_role_is_missing_grants_nothing(world: World) -> None:
    await grant(world, GET_PODS)
    await world.remove(CLUSTER_ROLES, "", "has")
    assert (await refused(world, asked(ROLES, role(GET_PODS)))).code == 403
