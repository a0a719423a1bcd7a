"""Controllers and kinds that are defined while they run, against a real API server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from custom_resources.definitions import cron_tab, cron_tab_definition

from podpass.api.errors import StatusError
from podpass.api.meta import find_condition, uid_of
from podpass.api.resources import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    NAMESPACES,
    Object,
    Resource,
)
from podpass.client.rest import RestClient
from podpass.controllers.custom_informers import served_resource, without_schemas

pytestmark = pytest.mark.usefixtures("controllers")

Probe = Callable[[], Awaitable[bool]]


async def until(probe: Probe) -> None:
    async with asyncio.timeout(30):
        holds = False
        while not holds:
            holds = await probe()


async def is_gone(client: RestClient, resource: Resource, namespace: str | None, name: str) -> bool:
    try:
        await client.get(resource, namespace, name)
    except StatusError as error:
        return error.code == 404
    return False


async def define(client: RestClient) -> Resource:
    definition: Object = cron_tab_definition()
    name = definition["metadata"]["name"]
    await client.create(CUSTOM_RESOURCE_DEFINITIONS, definition)

    async def established() -> bool:
        found = await client.get(CUSTOM_RESOURCE_DEFINITIONS, None, name)
        return find_condition(found["status"].get("conditions") or (), "Established") is not None

    await until(established)
    resource = served_resource(await client.get(CUSTOM_RESOURCE_DEFINITIONS, None, name))
    assert resource is not None
    return resource


async def create(client: RestClient, resource: Resource, namespace: str, **more: Any) -> Object:
    body: Object = cron_tab()
    body["metadata"] |= {"namespace": namespace} | more
    return await client.create(resource, body)


async def test_what_an_instance_owns_goes_with_it(admin: RestClient) -> None:
    resource = await define(admin)
    owner = await create(admin, resource, "default")
    # another version than the one that the controllers follow
    reference = {"apiVersion": "stable.example.com/v1beta1", "kind": "CronTab", "name": "nightly"}
    owned = {"name": "owned", "namespace": "default",
             "ownerReferences": [reference | {"uid": uid_of(owner)}]}  # fmt: skip
    await admin.create(CONFIG_MAPS, {"metadata": owned})
    await admin.delete(resource, "default", "nightly", propagation_policy="Foreground")
    await until(lambda: is_gone(admin, resource, "default", "nightly"))
    await until(lambda: is_gone(admin, CONFIG_MAPS, "default", "owned"))


async def test_an_instance_goes_with_its_owner(admin: RestClient) -> None:
    resource = await define(admin)
    owner = await admin.create(CONFIG_MAPS, {"metadata": {"name": "owner", "namespace": "default"}})
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid_of(owner)}
    await create(admin, resource, "default", ownerReferences=[reference])
    await admin.delete(CONFIG_MAPS, "default", "owner")
    await until(lambda: is_gone(admin, resource, "default", "nightly"))


async def test_a_namespace_takes_its_instances_along(admin: RestClient) -> None:
    resource = await define(admin)
    await admin.create(NAMESPACES, {"metadata": {"name": "short"}})
    await create(admin, resource, "short")
    await create(admin, resource, "default")
    await admin.delete(NAMESPACES, None, "short")
    await until(lambda: is_gone(admin, NAMESPACES, None, "short"))
    left = (await admin.list(resource))["items"]
    assert [one["metadata"]["namespace"] for one in left] == ["default"]


async def test_a_kind_may_go_and_come_back(admin: RestClient) -> None:
    resource = await define(admin)
    await create(admin, resource, "default")
    await admin.delete(CUSTOM_RESOURCE_DEFINITIONS, None, resource.qualified)
    await until(lambda: is_gone(admin, CUSTOM_RESOURCE_DEFINITIONS, None, resource.qualified))
    await test_an_instance_goes_with_its_owner(admin)


def test_controllers_keep_no_schemas() -> None:
    kept = without_schemas(cron_tab_definition())
    assert [set(one) for one in kept["spec"]["versions"]] == [{"name", "served", "storage"}] * 2
    assert served_resource(kept) is None
