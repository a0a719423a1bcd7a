import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from storage.sample_objects import config_map, node

from podpass.api.errors import StatusError
from podpass.api.resources import CONFIG_MAPS, NODES
from podpass.storage.cached_objects import CachedObjects
from podpass.storage.interface import Change, Compacted, Progress, StoreRevision
from podpass.storage.objects import ObjectStore
from podpass.storage.watch_cache import Bookmark
from podpass.testing.fake_clock import FakeClock, until
from podpass.testing.memory_store import MemoryStore


class ForgetfulStore(MemoryStore):
    """A memory store whose next watch is told that its past is gone."""

    forget = False

    async def watch(
        self, prefix: str, after_revision: StoreRevision
    ) -> AsyncIterator[Change | Progress]:
        async for news in super().watch(prefix, after_revision):
            if self.forget:
                self.forget = False
                raise Compacted(after_revision, self._revision)
            yield news


@pytest.fixture
async def store() -> AsyncIterator[ForgetfulStore]:
    store = ForgetfulStore()
    yield store
    store.failure = ""
    await store.close()


@pytest.fixture
def objects(store: ForgetfulStore) -> ObjectStore:
    return ObjectStore(store)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def feed(
    objects: ObjectStore, clock: FakeClock, history: int = 100
) -> tuple[CachedObjects, asyncio.Task[None]]:
    cached = CachedObjects(objects, clock=clock, history=history)
    task = asyncio.create_task(cached.run())
    async with asyncio.timeout(30):
        await cached.wait_ready()
    return cached, task


async def test_empty_store_is_ready_at_once(objects: ObjectStore, clock: FakeClock) -> None:
    cached, task = await feed(objects, clock)
    assert cached.ready
    assert cached.caches[NODES].revision == 0
    made = await objects.create(NODES, node("first"))
    await cached.caches[NODES].wait_for(made.revision, 5)
    assert cached.cached(NODES, "", "first") == made.object
    await objects.store.close()
    await task


async def test_every_cache_gets_its_own_and_follows_all_revisions(
    objects: ObjectStore, clock: FakeClock
) -> None:
    await objects.create(CONFIG_MAPS, config_map("old"))
    cached, _ = await feed(objects, clock)
    await objects.create(NODES, node("n"))
    made = await objects.create(CONFIG_MAPS, config_map("new"))
    await objects.store.create("/registry/unknown/things/x", b"{}")
    last = await objects.store.create("/elsewhere/x", b"{}")
    for cache in cached.caches.values():
        await cache.wait_for(last.mod_revision, 5)
    assert len(cached.caches[CONFIG_MAPS].list()) == 2
    assert len(cached.caches[NODES].list()) == 1
    found = cached.caches[CONFIG_MAPS].get("ns", "new")
    assert found is not None
    assert found.raw == made.raw


@pytest.mark.parametrize(
    ("history", "served"),
    [
        pytest.param(2, True, id="as far as the history"),
        pytest.param(1, False, id="no further"),
    ],
)
async def test_watches_go_on_after_a_restart(
    objects: ObjectStore, clock: FakeClock, history: int, served: bool
) -> None:
    made = [await objects.create(CONFIG_MAPS, config_map(name)) for name in "abc"]
    await objects.delete(CONFIG_MAPS, "ns", "a")
    cached, _ = await feed(objects, clock, history)
    cache = cached.caches[CONFIG_MAPS]
    assert cache.revision == 4
    assert [one.key.rsplit("/", 1)[1] for one in cache.list()] == ["b", "c"]
    if served:
        subscription = cache.subscribe(made[1].revision, maximum_backlog=10)
        assert [(await anext(subscription)).revision for _ in range(2)] == [3, 4]
    else:
        with pytest.raises(StatusError, match="too old resource version"):
            cache.subscribe(made[1].revision, maximum_backlog=10)


async def test_start_on_a_compacted_store(objects: ObjectStore, clock: FakeClock) -> None:
    made = [await objects.create(CONFIG_MAPS, config_map(name)) for name in "abc"]
    await objects.store.compact(made[1].revision)
    cached, _ = await feed(objects, clock)
    assert len(cached.caches[CONFIG_MAPS].list()) == 3
    subscription = cached.caches[CONFIG_MAPS].subscribe(made[1].revision, maximum_backlog=10)
    assert (await anext(subscription)).revision == made[2].revision


async def test_feed_goes_on_where_it_stopped_when_the_store_was_away(
    store: ForgetfulStore, objects: ObjectStore, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    cached, _ = await feed(objects, clock)
    cache = cached.caches[CONFIG_MAPS]
    subscription = cache.subscribe(None, maximum_backlog=10)
    first = await objects.create(CONFIG_MAPS, config_map("a"))
    await cache.wait_for(first.revision, 5)
    with caplog.at_level(logging.WARNING):
        store.failure = "the disk is away"
        store._wake()
        await until(lambda: clock.sleeping)
    assert "reads may be old: the disk is away" in caplog.text
    assert cached.cached(CONFIG_MAPS, "ns", "a") is not None
    store.failure = ""
    second = await objects.create(CONFIG_MAPS, config_map("b"))
    await clock.advance(1)
    await cache.wait_for(second.revision, 5)
    assert [(await anext(subscription)).revision for _ in range(2)] == [1, 2]
    assert not subscription.ended


async def test_feed_waits_for_a_store_that_is_away_at_the_start(
    store: ForgetfulStore, objects: ObjectStore, clock: FakeClock
) -> None:
    await objects.create(CONFIG_MAPS, config_map("a"))
    store.failure = "not yet"
    cached = CachedObjects(objects, clock=clock)
    task = asyncio.create_task(cached.run())
    await until(lambda: clock.sleeping)
    assert not cached.ready
    store.failure = ""
    await clock.advance(1)
    await cached.wait_ready()
    task.cancel()


async def test_caches_start_over_at_the_newest_state_when_the_past_is_gone(
    store: ForgetfulStore, objects: ObjectStore, clock: FakeClock
) -> None:
    cached, _ = await feed(objects, clock)
    cache = cached.caches[CONFIG_MAPS]
    made = await objects.create(CONFIG_MAPS, config_map("a"))
    await cache.wait_for(made.revision, 5)
    subscription = cache.subscribe(None, maximum_backlog=10)
    store.forget = True
    second = await objects.create(CONFIG_MAPS, config_map("b"))
    await until(lambda: subscription.ended)
    await cache.wait_for(second.revision, 5)
    assert len(cache.list()) == 2
    with pytest.raises(StatusError, match="too old resource version"):
        cache.subscribe(made.revision, maximum_backlog=10)


async def test_idle_watchers_get_a_bookmark_every_ten_seconds(
    objects: ObjectStore, clock: FakeClock
) -> None:
    cached, _ = await feed(objects, clock)
    cache = cached.caches[CONFIG_MAPS]
    subscription = cache.subscribe(None, maximum_backlog=10)
    await clock.advance(9.9)
    first = await objects.create(NODES, node("n"))
    await cache.wait_for(first.revision, 5)
    await clock.advance(0.1)
    second = await objects.create(NODES, node("m"))
    assert await anext(subscription) == Bookmark(second.revision)
