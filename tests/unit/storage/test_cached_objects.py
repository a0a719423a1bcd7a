import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from storage.sample_objects import config_map, node

from podpass.api.errors import StatusError
from podpass.api.resources import CONFIG_MAPS, NODES, Object, stored_resources
from podpass.base.clock import SystemClock
from podpass.storage.cached_objects import CachedObjects
from podpass.storage.location import open_store
from podpass.storage.objects import ObjectStore
from podpass.testing.fake_clock import until


@pytest.fixture
async def cached(tmp_path: Path) -> AsyncIterator[CachedObjects]:
    store = await open_store(f"sqlite://{tmp_path}/podpass.db")
    cached = CachedObjects(ObjectStore(store), clock=SystemClock())
    task = asyncio.create_task(cached.run())
    await cached.wait_ready()
    yield cached
    await store.close()
    await task


async def test_there_is_a_cache_for_every_stored_resource(cached: CachedObjects) -> None:
    assert set(cached.caches) == set(stored_resources())
    assert cached.ready


async def test_cached_reads_follow_live_writes(cached: CachedObjects) -> None:
    made = await cached.objects.create(CONFIG_MAPS, config_map("a"))
    await cached.objects.create(CONFIG_MAPS, config_map("b", "other"))
    assert await cached.live(CONFIG_MAPS, "ns", "a") == made.object
    await until(lambda: len(list(cached.cached_list(CONFIG_MAPS))) == 2)
    assert cached.cached(CONFIG_MAPS, "ns", "a") == made.object
    assert cached.cached(CONFIG_MAPS, "ns", "b") is None
    assert list(cached.cached_list(CONFIG_MAPS, "ns")) == [made.object]
    assert list(cached.cached_list(NODES)) == []


async def test_live_read_of_a_missing_object(cached: CachedObjects) -> None:
    with pytest.raises(StatusError) as missing:
        await cached.live(NODES, "", "n")
    assert missing.value.code == 404


async def test_subscriber_is_called_for_its_resource(cached: CachedObjects) -> None:
    calls: list[tuple[str, Object | None, Object | None]] = []
    cached.subscribe(NODES, lambda key, old, new: calls.append((key, old, new)))
    await cached.objects.create(CONFIG_MAPS, config_map("a"))
    made = await cached.objects.create(NODES, node("n"))
    await cached.objects.delete(NODES, "", "n")
    await until(lambda: len(calls) == 2)
    assert calls == [
        ("/registry/core/nodes/n", None, made.object),
        ("/registry/core/nodes/n", made.object, None),
    ]
