"""The ConfigMap that says since when uses are written down (section 8.4 of the semantics)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from podpass.api.errors import StatusError
from podpass.api.resources import CONFIG_MAPS, Object
from podpass.apiserver.legacy_token_tracking import (
    CREATION_PAUSE_SECONDS,
    NAME,
    NAMESPACE,
    LegacyTokenTracking,
    is_date,
)
from podpass.storage.cached_objects import CachedObjects
from podpass.storage.objects import ObjectStore
from podpass.testing.fake_clock import FakeClock, settle
from podpass.testing.memory_store import MemoryStore

TODAY = "2026-01-01"


class World:
    """A store, its caches, and the tracking."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.objects = ObjectStore(MemoryStore())
        self.cached = CachedObjects(self.objects, clock=self.clock)
        self.tracking = LegacyTokenTracking(self.objects, self.cached, self.clock)

    async def since(self) -> str | None:
        await settle()
        try:
            found = await self.objects.get(CONFIG_MAPS, NAMESPACE, NAME)
        except StatusError:
            return None
        return str((found.object.get("data") or {}).get("since"))

    async def put(self, data: Object) -> None:
        metadata = {"name": NAME, "namespace": NAMESPACE, "uid": "u"}
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        await self.objects.create(CONFIG_MAPS, obj)
        await settle()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    feeding = asyncio.create_task(made.cached.run())
    await made.cached.wait_ready()
    yield made
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)


@pytest.fixture
async def running(world: World) -> AsyncIterator[World]:
    task = asyncio.create_task(world.tracking.run())
    await settle()
    yield world
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.rule("legacy.tracking-config-map")
async def test_it_is_made_and_a_deletion_is_undone_after_half_an_hour(running: World) -> None:
    assert await running.since() == TODAY
    await running.objects.delete(CONFIG_MAPS, NAMESPACE, NAME)
    await running.clock.advance(CREATION_PAUSE_SECONDS - 1)
    assert await running.since() is None
    await running.clock.advance(1)
    assert await running.since() == TODAY


@pytest.mark.rule("legacy.tracking-config-map")
@pytest.mark.parametrize(
    ("data", "since"),
    [
        pytest.param({"since": "2020-02-29"}, "2020-02-29", id="a date is left alone"),
        pytest.param({"since": "2020-02-30"}, TODAY, id="no such day"),
        pytest.param({"since": "20200229"}, TODAY, id="another form of date"),
        pytest.param({"since": ""}, TODAY, id="empty"),
        pytest.param({}, TODAY, id="missing"),
    ],
)
async def test_what_is_there_is_mended_if_it_is_no_date(
    world: World, data: Object, since: str
) -> None:
    await world.put(data)
    await world.tracking.ensure()
    assert await world.since() == since


@pytest.mark.rule("legacy.tracking-config-map")
async def test_a_value_that_is_damaged_later_is_mended(running: World) -> None:
    def damage(current: Object) -> Object:
        return current | {"data": {"since": "?", "mine": "x"}}

    await running.objects.update(CONFIG_MAPS, NAMESPACE, NAME, damage)
    assert await running.since() == TODAY
    kept = await running.objects.get(CONFIG_MAPS, NAMESPACE, NAME)
    assert kept.object["data"]["mine"] == "x"


@pytest.mark.rule("legacy.tracking-config-map")
async def test_another_server_that_is_faster_is_no_error(world: World) -> None:
    # The cache does not show what the store has.
    world.cached.caches[CONFIG_MAPS] = CachedObjects(world.objects, clock=world.clock).caches[
        CONFIG_MAPS
    ]
    await world.put({"since": "2020-01-01"})
    await world.tracking.ensure()
    assert await world.since() == "2020-01-01"


def test_dates() -> None:
    assert is_date("2026-12-31")
    assert not is_date("2026-13-01")
