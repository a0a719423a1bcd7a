import asyncio
import gc

import pytest
from storage.sample_objects import config_map, node

from podpass.api.errors import StatusError
from podpass.api.resources import CONFIG_MAPS, NODES, Object, Resource
from podpass.storage.interface import Change, KeyValue, StoreRevision
from podpass.storage.objects import ObjectStore
from podpass.storage.stored_object import encode_value, load
from podpass.storage.watch_cache import Bookmark, CacheEvent, WatchCache
from podpass.testing.fake_clock import settle
from podpass.testing.memory_store import MemoryStore

OBJECTS = ObjectStore(MemoryStore.__new__(MemoryStore))


def entry(revision: int, obj: Object, resource: Resource = CONFIG_MAPS) -> KeyValue:
    metadata = obj["metadata"]
    key = OBJECTS.key(resource, metadata.get("namespace", ""), metadata["name"])
    return KeyValue(key, encode_value(obj), StoreRevision(revision), StoreRevision(revision))


def put(cache: WatchCache, revision: int, obj: Object) -> None:
    current = entry(revision, obj, cache.resource)
    cache.apply(Change(current.key, current.mod_revision, current, None))


def drop(cache: WatchCache, revision: int, name: str) -> None:
    key = OBJECTS.key(CONFIG_MAPS, "ns", name)
    cache.apply(Change(key, StoreRevision(revision), None, None))


@pytest.fixture
def cache() -> WatchCache:
    """A cache of `a` at 3 and `b` at 5 that keeps three changes."""
    cache = WatchCache(OBJECTS, CONFIG_MAPS, history=3)
    items = [entry(3, config_map("a")), entry(5, config_map("b"))]
    cache.reset([load(one) for one in items], StoreRevision(5))
    cache.mark_ready()
    return cache


async def events(cache: WatchCache, after: int | None) -> list[tuple[str, str, int]]:
    subscription = cache.subscribe(after, maximum_backlog=10)
    subscription.close()
    return [
        (one.type, one.current.object["metadata"]["name"], one.revision)
        async for one in subscription
        if isinstance(one, CacheEvent)
    ]


async def test_snapshot_is_read_back(cache: WatchCache) -> None:
    assert cache.revision == 5
    found = cache.get("ns", "a")
    assert found is not None
    assert found.object["metadata"]["resourceVersion"] == "3"
    assert cache.get("ns", "c") is None
    assert cache.get("other", "a") is None
    await cache.wait_ready()


async def test_cluster_scope_is_found_without_a_namespace() -> None:
    cache = WatchCache(OBJECTS, NODES)
    put(cache, 1, node("n"))
    assert cache.get("", "n") is not None
    assert len(cache.list()) == len(cache.list("ignored")) == 1


async def test_list_is_sorted_and_keeps_to_the_namespace(cache: WatchCache) -> None:
    put(cache, 6, config_map("aa", "ns-2"))
    put(cache, 7, config_map("ab"))
    put(cache, 8, config_map("z", "m"))
    assert [one.key.split("/", 4)[4] for one in cache.list()] == [
        "m/z",
        "ns-2/aa",
        "ns/a",
        "ns/ab",
        "ns/b",
    ]
    assert [one.key.rsplit("/", 1)[1] for one in cache.list("ns")] == ["a", "ab", "b"]
    assert cache.list("none") == []


async def test_changes_become_events(cache: WatchCache) -> None:
    subscription = cache.subscribe(None, maximum_backlog=10)
    put(cache, 6, config_map("c"))
    put(cache, 7, config_map("c", data="new"))
    drop(cache, 9, "c")
    added, modified, deleted = [await anext(subscription) for _ in range(3)]
    assert isinstance(added, CacheEvent)
    assert isinstance(modified, CacheEvent)
    assert isinstance(deleted, CacheEvent)
    assert (added.type, added.previous, added.revision) == ("ADDED", None, 6)
    assert (modified.type, modified.previous) == ("MODIFIED", added.current)
    assert modified.current.object["data"] == {"key": "new"}
    assert (deleted.type, deleted.previous, deleted.revision) == ("DELETED", modified.current, 9)
    assert deleted.current.object["data"] == {"key": "new"}
    assert deleted.current.object["metadata"]["resourceVersion"] == "9"
    assert cache.get("ns", "c") is None
    assert cache.revision == 9


async def test_deletion_of_an_unknown_object_is_nothing(cache: WatchCache) -> None:
    drop(cache, 6, "unknown")
    assert await events(cache, 5) == []


async def test_watch_can_start_in_the_past_as_far_as_the_history(cache: WatchCache) -> None:
    for revision, name in ((6, "c"), (7, "d"), (9, "e")):
        put(cache, revision, config_map(name))
    assert await events(cache, 5) == [("ADDED", "c", 6), ("ADDED", "d", 7), ("ADDED", "e", 9)]
    put(cache, 10, config_map("f"))
    assert await events(cache, 6) == [("ADDED", "d", 7), ("ADDED", "e", 9), ("ADDED", "f", 10)]
    assert await events(cache, 9) == [("ADDED", "f", 10)]
    assert await events(cache, None) == await events(cache, 99) == []
    with pytest.raises(StatusError, match=r"^too old resource version: 5 \(6\)$") as expired:
        cache.subscribe(5, maximum_backlog=10)
    assert (expired.value.code, expired.value.reason) == (410, "Expired")


async def test_cache_without_history_serves_live_watches_only() -> None:
    cache = WatchCache(OBJECTS, CONFIG_MAPS, history=0)
    put(cache, 1, config_map("a"))
    subscription = cache.subscribe(1, maximum_backlog=10)
    put(cache, 2, config_map("b"))
    assert (await anext(subscription)).revision == 2
    with pytest.raises(StatusError):
        cache.subscribe(1, maximum_backlog=10)


async def test_history_is_bounded_by_bytes_too() -> None:
    size = len(load(entry(99, config_map("a", data="x" * 200))).raw)
    cache = WatchCache(OBJECTS, CONFIG_MAPS, history=100, history_bytes=3 * size)
    cache.reset((), StoreRevision(1))
    for revision in range(2, 12):
        put(cache, revision, config_map("a", data="x" * 200))
    kept = await events(cache, 8)
    assert [revision for _, _, revision in kept] == [9, 10, 11]
    with pytest.raises(StatusError, match="too old resource version"):
        cache.subscribe(2, maximum_backlog=10)
    # One object that is larger than all the history may be leaves none.
    put(cache, 12, config_map("a", data="x" * 2000))
    assert await events(cache, 12) == []
    with pytest.raises(StatusError, match="too old resource version"):
        cache.subscribe(11, maximum_backlog=10)


async def test_slow_watcher_is_cut_off_and_others_are_not(cache: WatchCache) -> None:
    slow = cache.subscribe(None, maximum_backlog=2)
    steady = cache.subscribe(None, maximum_backlog=10)
    for revision in (6, 7, 8):
        put(cache, revision, config_map("c"))
    assert slow.ended
    assert [one async for one in slow] == []
    assert not steady.ended


async def test_watcher_that_nobody_reads_any_more_is_forgotten(cache: WatchCache) -> None:
    subscription = cache.subscribe(None, maximum_backlog=10)
    assert len(cache._subscriptions) == 1
    del subscription
    gc.collect()
    assert len(cache._subscriptions) == 0


async def test_progress_offers_bookmarks_when_asked(cache: WatchCache) -> None:
    subscription = cache.subscribe(None, maximum_backlog=10)
    cache.progress(StoreRevision(20))
    cache.progress(StoreRevision(30), bookmark=True)
    assert await anext(subscription) == Bookmark(StoreRevision(30))


async def test_reader_waits_until_the_cache_has_come_so_far(cache: WatchCache) -> None:
    await cache.wait_for(5, 0)
    waits = [asyncio.create_task(cache.wait_for(revision, 5)) for revision in (7, 6, 8)]
    await settle()
    cache.progress(StoreRevision(7))
    await settle()
    assert [one.done() for one in waits] == [True, True, False]
    cache.progress(StoreRevision(8))
    await asyncio.gather(*waits)


async def test_reader_does_not_wait_for_ever(cache: WatchCache) -> None:
    with pytest.raises(
        StatusError, match=r"^Timeout: Too large resource version: 6, current: 5$"
    ) as late:
        await cache.wait_for(6, 0.01)
    assert (late.value.code, late.value.reason) == (504, "Timeout")
    cache.progress(StoreRevision(6))


async def test_reader_waits_for_a_cache_that_is_being_filled() -> None:
    cache = WatchCache(OBJECTS, CONFIG_MAPS)
    waiting = asyncio.create_task(cache.wait_for(0, 5))
    await settle()
    assert not waiting.done()
    cache.mark_ready()
    cache.progress(StoreRevision(1))
    await waiting


async def test_callbacks_get_what_is_known_and_what_changes(cache: WatchCache) -> None:
    calls: list[tuple[str, str | None, str | None]] = []

    def version(obj: Object | None) -> str | None:
        return None if obj is None else obj["metadata"]["resourceVersion"]

    cache.call_on_change(
        lambda key, old, new: calls.append((key.rsplit("/", 1)[1], version(old), version(new)))
    )
    assert calls == [("a", None, "3"), ("b", None, "5")]
    calls.clear()
    put(cache, 6, config_map("a", data="new"))
    drop(cache, 7, "a")
    assert calls == [("a", "3", "6"), ("a", "6", None)]


async def test_start_over_tells_callbacks_the_difference_and_ends_watches(
    cache: WatchCache,
) -> None:
    calls: list[tuple[str, bool, bool]] = []
    known = cache.get("ns", "b")
    cache.call_on_change(
        lambda key, old, new: calls.append((key.rsplit("/", 1)[1], bool(old), bool(new)))
    )
    calls.clear()
    subscription = cache.subscribe(5, maximum_backlog=10)
    items = [entry(5, config_map("b")), entry(8, config_map("c"))]
    cache.reset([load(one) for one in items], StoreRevision(9))
    assert calls == [("a", True, False), ("c", False, True)]
    assert cache.get("ns", "b") is known
    assert subscription.ended
    assert cache.revision == 9
    with pytest.raises(StatusError, match=r"too old resource version: 8 \(9\)"):
        cache.subscribe(8, maximum_backlog=10)
    assert await events(cache, 9) == []
