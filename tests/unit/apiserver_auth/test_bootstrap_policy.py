"""The first namespaces, roles and bindings: created, completed, left alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from podpass.api.errors import StatusError
from podpass.api.meta import UserInfo, name_of
from podpass.api.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    NAMESPACES,
    Object,
)
from podpass.apiserver.authorization import Attributes
from podpass.apiserver.bootstrap_policy import SYSTEM_NAMESPACES, ensure_bootstrap_policy
from podpass.apiserver.bootstrap_roles import CLUSTER_ROLES as ROLES

from .conftest import World

AUTHENTICATED = UserInfo("ann", groups=("system:authenticated",))
ANONYMOUS = UserInfo("system:anonymous", groups=("system:unauthenticated",))
ACCOUNT = UserInfo("system:serviceaccount:a:b", groups=("system:serviceaccounts",))
MANAGER = UserInfo("system:kube-controller-manager", groups=("system:authenticated",))


async def ensure(world: World) -> None:
    await ensure_bootstrap_policy(world.objects, world.clock)
    revision = await world.objects.current_revision()
    for cache in world.cached.caches.values():
        await cache.wait_for(revision, 5)


async def test_everything_is_there_after_the_first_start(world: World) -> None:
    await ensure(world)
    for name in SYSTEM_NAMESPACES:
        namespace = await world.cached.live(NAMESPACES, "", name)
        assert namespace["metadata"]["labels"] == {"kubernetes.io/metadata.name": name}
        assert namespace["metadata"]["uid"]
        assert namespace["status"] == {"phase": "Active"}
    names = {name_of(role) for role in world.cached.cached_list(CLUSTER_ROLES)}
    assert {"cluster-admin", "admin", "edit", "view", "system:node"} <= names


async def test_a_second_start_writes_nothing(world: World) -> None:
    await ensure(world)
    before = await world.objects.current_revision()
    await ensure(world)
    assert await world.objects.current_revision() == before


async def test_servers_may_start_together(world: World) -> None:
    await asyncio.gather(ensure(world), ensure(world), ensure(world))
    assert len(list(world.cached.cached_list(CLUSTER_ROLES))) == len(ROLES)


async def edit(world: World, resource: Any, name: str, **fields: Any) -> None:
    def change(obj: Object) -> Object:
        obj["metadata"].update(fields.get("metadata", {}))
        return obj | {key: value for key, value in fields.items() if key != "metadata"}

    await world.objects.update(resource, "", name, change)


EXTRA: Object = {"apiGroups": ["x"], "resources": ["y"], "verbs": ["get"]}


async def test_lost_rules_come_back_and_added_ones_stay(world: World) -> None:
    await ensure(world)
    await edit(world, CLUSTER_ROLES, "view", rules=[EXTRA])
    await ensure(world)
    view = await world.cached.live(CLUSTER_ROLES, "", "view")
    assert view["rules"][0] == EXTRA
    assert len(view["rules"]) > 1


async def test_lost_subjects_come_back_and_added_ones_stay(world: World) -> None:
    await ensure(world)
    extra = {"kind": "User", "name": "ann"}
    await edit(world, CLUSTER_ROLE_BINDINGS, "cluster-admin", subjects=[extra])
    await ensure(world)
    binding = await world.cached.live(CLUSTER_ROLE_BINDINGS, "", "cluster-admin")
    assert [one["name"] for one in binding["subjects"]] == ["ann", "system:masters"]


async def test_what_is_not_to_be_updated_is_left_alone(world: World) -> None:
    await ensure(world)
    off = {"annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}}
    await edit(world, CLUSTER_ROLES, "view", rules=[], metadata=off)
    await ensure(world)
    assert (await world.cached.live(CLUSTER_ROLES, "", "view"))["rules"] == []


async def test_a_store_that_is_away_is_told(world: World) -> None:
    world.store.failure = "disk I/O error"
    with pytest.raises(StatusError) as caught:
        await ensure_bootstrap_policy(world.objects, world.clock)
    world.store.failure = ""
    assert caught.value.code == 503


def core(user: UserInfo, verb: str, resource: str, **more: str) -> Attributes:
    return Attributes(user, verb, resource=resource, **more)


def path(user: UserInfo, where: str) -> Attributes:
    return Attributes(user, "get", path=where)


@pytest.mark.rule(
    "rbac.discovery",
    "rbac.basic-user",
    "self-subject-review.permission",
    "rbac.controller-manager",
)
@pytest.mark.parametrize(
    ("request_", "allowed"),
    [
        pytest.param(path(ANONYMOUS, "/livez"), True, id="anybody asks for health"),
        pytest.param(path(ANONYMOUS, "/version"), True, id="anybody asks for the version"),
        pytest.param(path(ANONYMOUS, "/api"), False, id="strangers do not discover"),
        pytest.param(path(AUTHENTICATED, "/api"), True, id="users discover"),
        pytest.param(path(AUTHENTICATED, "/openapi/v3"), True, id="users read OpenAPI"),
        pytest.param(path(AUTHENTICATED, "/metrics"), False, id="users read no metrics"),
        pytest.param(path(ACCOUNT, "/openid/v1/jwks"), True, id="accounts read the keys"),
        pytest.param(path(AUTHENTICATED, "/openid/v1/jwks"), False, id="users do not"),
        pytest.param(
            core(AUTHENTICATED, "create", "selfsubjectreviews", group="authentication.k8s.io"),
            True,
            id="users ask who they are",
        ),
        pytest.param(
            core(ANONYMOUS, "create", "selfsubjectreviews", group="authentication.k8s.io"),
            False,
            id="strangers do not",
        ),
        pytest.param(core(AUTHENTICATED, "list", "pods"), False, id="users read nothing else"),
        pytest.param(
            core(MANAGER, "create", "pods", subresource="binding", namespace="a"),
            True,
            id="the controller manager binds pods",
        ),
        pytest.param(
            core(MANAGER, "update", "namespaces", subresource="finalize", name="a"),
            True,
            id="it finalizes namespaces",
        ),
        pytest.param(core(MANAGER, "create", "pods", namespace="a"), True, id="it makes pods"),
        pytest.param(core(MANAGER, "create", "nodes"), False, id="it makes no nodes"),
    ],
)
async def test_who_may_what_from_the_start(
    world: World, request_: Attributes, allowed: bool
) -> None:
    await ensure(world)
    assert world.authorizer.authorize(request_).allowed is allowed


@pytest.mark.rule("rbac.edit")
@pytest.mark.parametrize(
    ("role", "verb", "resource", "subresource", "allowed"),
    [
        pytest.param("view", "get", "pods", "log", True, id="view reads logs"),
        pytest.param("view", "get", "secrets", "", False, id="view reads no secrets"),
        pytest.param("view", "create", "pods", "", False, id="view makes no pods"),
        pytest.param("edit", "get", "secrets", "", True, id="edit reads secrets"),
        pytest.param("edit", "create", "serviceaccounts", "token", True, id="edit makes tokens"),
        pytest.param("edit", "create", "pods", "exec", True, id="edit runs commands"),
        pytest.param("edit", "create", "roles", "", False, id="edit makes no roles"),
        pytest.param("admin", "create", "roles", "", True, id="admin makes roles"),
        pytest.param("admin", "delete", "pods", "", True, id="admin has what edit has"),
        pytest.param("admin", "create", "namespaces", "", False, id="admin makes no namespaces"),
        pytest.param("cluster-admin", "create", "namespaces", "", True, id="cluster-admin does"),
    ],
)
async def test_the_user_facing_roles(
    world: World, role: str, verb: str, resource: str, subresource: str, allowed: bool
) -> None:
    await ensure(world)
    binding: Object = {
        "metadata": {"name": "b"},
        "roleRef": {"kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "name": "ann"}],
    }
    await world.put(CLUSTER_ROLE_BINDINGS, binding)
    group = "rbac.authorization.k8s.io" if resource == "roles" else ""
    request = core(
        AUTHENTICATED, verb, resource, subresource=subresource, group=group, namespace="ns1"
    )
    assert world.authorizer.authorize(request).allowed is allowed


@pytest.mark.rule("rbac.auth-delegator", "rbac.edit")
@pytest.mark.parametrize(
    ("role", "verb", "group", "resource", "allowed"),
    [
        pytest.param(
            "system:auth-delegator", "create", "authentication.k8s.io", "tokenreviews", True,
            id="a delegator reviews tokens",
        ),
        pytest.param(
            "system:auth-delegator", "create", "authorization.k8s.io", "subjectaccessreviews",
            True, id="and access",
        ),
        pytest.param("system:auth-delegator", "get", "", "pods", False, id="and no more"),
        pytest.param("edit", "impersonate", "", "serviceaccounts", True, id="edit is any account"),
        pytest.param("admin", "impersonate", "", "serviceaccounts", True, id="so is admin"),
        pytest.param("view", "impersonate", "", "serviceaccounts", False, id="view is not"),
    ],
)  # fmt: skip
async def test_roles_about_tokens(
    world: World, role: str, verb: str, group: str, resource: str, allowed: bool
) -> None:
    await ensure(world)
    binding: Object = {
        "metadata": {"name": "b"},
        "roleRef": {"kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "name": "bob"}],
    }
    await world.put(CLUSTER_ROLE_BINDINGS, binding)
    asked = Attributes(
        UserInfo("bob"), verb, group=group, resource=resource, namespace="ns1", name="x"
    )
    assert world.authorizer.authorize(asked).allowed is allowed
