"""Filling an empty store of either engine: same content, revisions that only rise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from storage.contract import read_until
from storage.etcd_server import EtcdCluster, program

from podpass.storage.etcd_gateway import EtcdAddress, EtcdGateway
from podpass.storage.etcd_origin import Origin, decode_origin, encode_origin
from podpass.storage.etcd_wire import keyspace, put
from podpass.storage.filling import StoreNotEmpty, fill_store
from podpass.storage.interface import (
    Compacted,
    FutureRevision,
    KeyValue,
    RevisionConflict,
    StoreRevision,
    StoreUnavailable,
)
from podpass.storage.location import EtcdLocation, open_store

OLD = StoreRevision(7_000_000)
ENTRIES = [
    KeyValue("/registry/core/secrets/a/x", b"\x00\xff", StoreRevision(3), StoreRevision(9)),
    KeyValue("/registry/core/secrets/a/y", b"{}", StoreRevision(4), StoreRevision(4)),
]
Location = str | EtcdLocation


@pytest.fixture(params=["sqlite", "etcd"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Location]:
    if request.param == "sqlite":
        yield f"sqlite://{tmp_path / 'podpass.db'}"
        return
    if program() is None:
        pytest.skip("no wheel of etcd for this machine")
    cluster = EtcdCluster(tmp_path / "etcd")
    cluster.start()
    yield EtcdLocation(servers=cluster.endpoints)
    cluster.kill()


async def test_a_filled_store_has_the_content_and_goes_on(location: Location) -> None:
    newest = await fill_store(location, ENTRIES, above=OLD)
    store = await open_store(location)
    try:
        assert await store.current_revision() >= newest > OLD
        found = (await store.list("/")).items
        assert [(one.key, one.value) for one in found] == [(o.key, o.value) for o in ENTRIES]
        assert all(OLD < one.create_revision == one.mod_revision for one in found)
        for past in (StoreRevision(1), OLD, StoreRevision(newest - 1)):
            with pytest.raises(Compacted):
                await store.list("/", revision=past)
            with pytest.raises(Compacted):
                await anext(store.watch("/", past))
        with pytest.raises(FutureRevision):
            await store.list("/", revision=StoreRevision(newest + 1000))

        watch = store.watch("/registry/", newest)
        with pytest.raises(RevisionConflict):
            await store.update(found[0].key, b"late", StoreRevision(9))
        updated = await store.update(found[0].key, b"two", found[0].mod_revision)
        assert updated.create_revision == found[0].create_revision
        gone = await store.delete(found[1].key, found[1].mod_revision)
        changes = await read_until(watch, gone)
        assert [one.revision for one in changes] == [updated.mod_revision, gone]
        assert [one.previous for one in changes] == list(found)
        then = await store.list("/", revision=updated.mod_revision)
        assert [one.key for one in then.items] == [one.key for one in found]
        await store.compact(StoreRevision(newest))
        await store.compact(gone)
        with pytest.raises(Compacted) as refused:
            await store.list("/", revision=updated.mod_revision)
        assert refused.value.compact_revision == gone
        await store.create("/registry/core/secrets/a/z", b"")
    finally:
        await store.close()


async def test_an_empty_snapshot_keeps_the_counter(location: Location) -> None:
    newest = await fill_store(location, [], above=OLD)
    store = await open_store(location)
    try:
        await store.compact(newest)
        assert (await store.create("/a/x", b"")).mod_revision > newest > OLD
    finally:
        await store.close()


async def test_a_store_with_keys_is_left_alone(location: Location) -> None:
    store = await open_store(location)
    made = await store.create("/a/x", b"mine")
    with pytest.raises(StoreNotEmpty, match="is not empty"):
        await fill_store(location, ENTRIES, above=OLD)
    assert (await store.list("/")).items == (made,)
    await store.close()


async def test_a_failure_in_the_middle_can_be_repeated(location: Location) -> None:
    def breaks() -> Iterator[KeyValue]:
        yield ENTRIES[0]
        raise StoreUnavailable("the source went away")

    with pytest.raises(StoreUnavailable, match="the source went away"):
        await fill_store(location, breaks(), above=OLD)
    if isinstance(location, EtcdLocation):
        with pytest.raises(StoreUnavailable, match="did not end; run it again"):
            await open_store(location)
    newest = await fill_store(location, ENTRIES[1:], above=OLD)
    store = await open_store(location)
    assert [one.key for one in (await store.list("/")).items] == [ENTRIES[1].key]
    assert await store.current_revision() >= newest > OLD
    await store.close()


@pytest.mark.skipif(program() is None, reason="no wheel of etcd for this machine")
async def test_an_etcd_is_replaced_when_that_is_asked_for_and_never_goes_back(
    tmp_path: Path,
) -> None:
    cluster = EtcdCluster(tmp_path / "etcd")
    cluster.start()
    location = EtcdLocation(servers=cluster.endpoints)
    try:
        first = await fill_store(location, ENTRIES, above=OLD)
        second = await fill_store(location, ENTRIES[:1], above=StoreRevision(1), replace=True)
        assert second > first
        store = await open_store(location)
        assert [one.key for one in (await store.list("/")).items] == [ENTRIES[0].key]
        await store.close()

        gateway = EtcdGateway(EtcdAddress(cluster.endpoints))
        record = put(keyspace("/podpass").origin, b"{}")["request_put"]
        await gateway.call("kv/put", record, repeatable=True)
        await gateway.close()
        with pytest.raises(StoreUnavailable, match=r"\.origin .* is damaged"):
            await open_store(location)
    finally:
        cluster.kill()


def test_a_record_is_read_as_it_was_written() -> None:
    origin = Origin(offset=5, floor=7, filling=True)
    assert decode_origin(encode_origin(origin)) == origin
