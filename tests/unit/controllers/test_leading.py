"""All controllers together, against the real API server and with their real rights."""

from collections.abc import Callable
from contextlib import aclosing

import pytest

from podpass.api.meta import find_condition
from podpass.api.resources import (
    CONFIG_MAPS,
    EVENTS,
    NAMESPACES,
    NODES,
    PODS,
    SERVICE_ACCOUNTS,
    Object,
    Resource,
)
from podpass.base.clock import SystemClock
from podpass.client.rest import RestClient

pytestmark = pytest.mark.usefixtures("controllers")


async def seen(
    admin: RestClient,
    resource: Resource,
    namespace: str | None,
    name: str,
    condition: Callable[[Object], object] = bool,
) -> Object:
    """Wait until an object is there and meets a condition."""
    listed = await admin.list(resource, namespace)
    present: list[Object] = listed["items"]
    for obj in present:
        if obj["metadata"]["name"] == name and condition(obj):
            return obj
    version = listed["metadata"]["resourceVersion"]
    async with aclosing(
        admin.watch(resource, namespace, resource_version=version, timeout_seconds=10)
    ) as events:
        async for kind, obj in events:
            if kind in ("ADDED", "MODIFIED") and obj["metadata"]["name"] == name and condition(obj):
                return obj
    raise AssertionError(f"{resource.plural} {name} did not become so")


async def gone(admin: RestClient, resource: Resource, namespace: str | None, name: str) -> None:
    """Wait until an object is not there any more."""
    listed = await admin.list(resource, namespace)
    if all(obj["metadata"]["name"] != name for obj in listed["items"]):
        return
    version = listed["metadata"]["resourceVersion"]
    async with aclosing(
        admin.watch(resource, namespace, resource_version=version, timeout_seconds=10)
    ) as events:
        async for kind, obj in events:
            if kind == "DELETED" and obj["metadata"]["name"] == name:
                return
    raise AssertionError(f"{resource.plural} {name} is still there")


async def new_namespace(admin: RestClient, name: str) -> None:
    await admin.create(NAMESPACES, {"metadata": {"name": name}})
    await seen(admin, SERVICE_ACCOUNTS, name, "default")
    await seen(admin, CONFIG_MAPS, name, "kube-root-ca.crt")


async def new_node(admin: RestClient, name: str) -> Object:
    await admin.create(NODES, {"metadata": {"name": name}})
    status = {
        "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        "allocatable": {"pods": "110", "cpu": "2", "memory": "4Gi"},
    }
    return await admin.patch(NODES, None, name, {"status": status}, subresource="status")


def pod(name: str, **metadata: object) -> Object:
    return {
        "metadata": {"name": name} | metadata,
        "spec": {"containers": [{"name": "c", "image": "nginx"}]},
    }


async def test_a_new_namespace_is_set_up(admin: RestClient) -> None:
    await new_namespace(admin, "team")
    config_map = await admin.get(CONFIG_MAPS, "team", "kube-root-ca.crt")
    assert [*config_map["data"]] == ["ca.crt"]
    assert config_map["data"]["ca.crt"].startswith("-----BEGIN CERTIFICATE")


async def test_a_pod_is_scheduled_at_once(admin: RestClient) -> None:
    await new_namespace(admin, "team")
    await new_node(admin, "n")
    clock = SystemClock()
    started = clock.monotonic()
    await admin.create(PODS, pod("p"), namespace="team")
    bound = await seen(admin, PODS, "team", "p", lambda obj: obj["spec"].get("nodeName"))
    assert clock.monotonic() - started < 1
    assert bound["spec"]["nodeName"] == "n"
    condition = find_condition(bound["status"]["conditions"], "PodScheduled")
    assert condition is not None
    assert condition["status"] == "True"


async def test_a_pod_without_a_node_says_so(admin: RestClient) -> None:
    await new_namespace(admin, "team")
    await admin.create(PODS, pod("p"), namespace="team")
    waiting = await seen(admin, PODS, "team", "p", lambda obj: obj["status"].get("conditions"))
    condition = find_condition(waiting["status"]["conditions"], "PodScheduled")
    assert condition is not None
    assert condition["message"] == "no nodes available to schedule pods"
    await new_node(admin, "n")
    await seen(admin, PODS, "team", "p", lambda obj: obj["spec"].get("nodeName") == "n")
    events = (await admin.list(EVENTS, "team"))["items"]
    assert "FailedScheduling" in {one["reason"] for one in events}


async def test_a_deleted_namespace_is_emptied_and_goes(admin: RestClient) -> None:
    await new_namespace(admin, "team")
    await new_node(admin, "n")
    await admin.create(PODS, pod("p"), namespace="team")
    await seen(admin, PODS, "team", "p", lambda obj: obj["spec"].get("nodeName"))
    await admin.create(CONFIG_MAPS, {"metadata": {"name": "mine"}}, namespace="team")
    await admin.delete(NAMESPACES, None, "team")

    def content_remains(namespace: Object) -> bool:
        conditions = namespace["status"].get("conditions") or []
        condition = find_condition(conditions, "NamespaceContentRemaining")
        return condition is not None and "pods. has 1" in condition["message"]

    await seen(admin, NAMESPACES, None, "team", content_remains)
    going = await seen(
        admin, PODS, "team", "p", lambda obj: obj["metadata"].get("deletionTimestamp")
    )
    assert going["metadata"]["deletionGracePeriodSeconds"] == 30
    await admin.get(CONFIG_MAPS, "team", "mine")  # pods first
    await admin.delete(PODS, "team", "p", grace_period_seconds=0)
    await gone(admin, NAMESPACES, None, "team")
    for resource in (CONFIG_MAPS, SERVICE_ACCOUNTS, EVENTS):
        assert (await admin.list(resource, "team"))["items"] == []


async def test_a_finalizer_keeps_its_namespace(admin: RestClient) -> None:
    await new_namespace(admin, "team")
    kept: Object = {"metadata": {"name": "kept", "finalizers": ["example.com/mine"]}}
    await admin.create(CONFIG_MAPS, kept, namespace="team")
    await admin.delete(NAMESPACES, None, "team")

    def finalizers_remain(namespace: Object) -> bool:
        conditions = namespace["status"].get("conditions") or []
        condition = find_condition(conditions, "NamespaceFinalizersRemaining")
        return condition is not None and "example.com/mine in 1" in condition["message"]

    await seen(admin, NAMESPACES, None, "team", finalizers_remain)
    await admin.patch(CONFIG_MAPS, "team", "kept", {"metadata": {"finalizers": None}})
    await gone(admin, NAMESPACES, None, "team")


def owner_reference(owner: Object, **fields: object) -> Object:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    } | fields


async def config_map(admin: RestClient, name: str, *owners: Object) -> Object:
    metadata = {"name": name, "ownerReferences": [*owners]}
    return await admin.create(CONFIG_MAPS, {"metadata": metadata}, namespace="default")


async def test_dependents_go_with_their_owner(admin: RestClient) -> None:
    owner = await config_map(admin, "owner")
    child = await config_map(admin, "child", owner_reference(owner))
    await config_map(admin, "grandchild", owner_reference(child))
    await admin.delete(CONFIG_MAPS, "default", "owner")
    await gone(admin, CONFIG_MAPS, "default", "grandchild")


async def test_an_object_that_names_a_former_owner_goes(admin: RestClient) -> None:
    owner = await config_map(admin, "owner")
    await admin.delete(CONFIG_MAPS, "default", "owner")
    await config_map(admin, "owner")
    await config_map(admin, "late", owner_reference(owner))
    await gone(admin, CONFIG_MAPS, "default", "late")
    await admin.get(CONFIG_MAPS, "default", "owner")


async def test_one_of_two_owners_is_enough(admin: RestClient) -> None:
    first, second = await config_map(admin, "first"), await config_map(admin, "second")
    await config_map(admin, "child", owner_reference(first), owner_reference(second))
    await admin.delete(CONFIG_MAPS, "default", "first")
    child = await seen(
        admin, CONFIG_MAPS, "default", "child",
        lambda obj: len(obj["metadata"]["ownerReferences"]) == 1,
    )  # fmt: skip
    assert child["metadata"]["ownerReferences"][0]["name"] == "second"


async def test_foreground_deletion_waits_for_what_blocks_it(admin: RestClient) -> None:
    owner = await config_map(admin, "owner")
    blocking = owner_reference(owner, blockOwnerDeletion=True)
    metadata = {"name": "child", "ownerReferences": [blocking], "finalizers": ["example.com/mine"]}
    await admin.create(CONFIG_MAPS, {"metadata": metadata}, namespace="default")
    await admin.delete(CONFIG_MAPS, "default", "owner", propagation_policy="Foreground")
    await seen(
        admin, CONFIG_MAPS, "default", "child", lambda obj: obj["metadata"].get("deletionTimestamp")
    )
    assert (await admin.get(CONFIG_MAPS, "default", "owner"))["metadata"]["deletionTimestamp"]
    await admin.patch(CONFIG_MAPS, "default", "child", {"metadata": {"finalizers": None}})
    await gone(admin, CONFIG_MAPS, "default", "owner")


async def test_orphans_stay(admin: RestClient) -> None:
    owner = await config_map(admin, "owner")
    await config_map(admin, "child", owner_reference(owner))
    await admin.delete(CONFIG_MAPS, "default", "owner", propagation_policy="Orphan")
    await gone(admin, CONFIG_MAPS, "default", "owner")
    child = await admin.get(CONFIG_MAPS, "default", "child")
    assert not child["metadata"].get("ownerReferences")


async def test_a_namespaced_owner_of_a_cluster_object_is_ignored(admin: RestClient) -> None:
    owner = await config_map(admin, "owner")
    await admin.create(
        NODES, {"metadata": {"name": "n", "ownerReferences": [owner_reference(owner)]}}
    )
    events = admin.watch(EVENTS, "default", resource_version="0", timeout_seconds=10)
    async with aclosing(events):
        reasons = (obj["reason"] async for kind, obj in events if kind == "ADDED")
        assert await anext(reasons) == "OwnerRefInvalidNamespace"
    await admin.delete(CONFIG_MAPS, "default", "owner")
    await gone(admin, CONFIG_MAPS, "default", "owner")
    await admin.get(NODES, None, "n")


async def test_an_owner_of_an_unknown_kind_keeps_what_is_its_own(admin: RestClient) -> None:
    stranger = {"apiVersion": "example.com/v1", "kind": "Thing", "name": "t", "uid": "u"}
    await config_map(admin, "kept", stranger)
    owner = await config_map(admin, "owner")
    await config_map(admin, "child", owner_reference(owner))
    await admin.delete(CONFIG_MAPS, "default", "owner")
    await gone(admin, CONFIG_MAPS, "default", "child")
    await admin.get(CONFIG_MAPS, "default", "kept")


async def test_a_pod_owned_by_a_node_goes_with_it(admin: RestClient) -> None:
    await new_namespace(admin, "team")
    node = await new_node(admin, "n")
    await admin.create(PODS, pod("p", ownerReferences=[owner_reference(node)]), namespace="team")
    await seen(admin, PODS, "team", "p", lambda obj: obj["spec"].get("nodeName"))
    await admin.delete(NODES, None, "n")
    await seen(admin, PODS, "team", "p", lambda obj: obj["metadata"].get("deletionTimestamp"))
