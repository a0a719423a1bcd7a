"""`storage.snapshot`: all keys at one revision; what lost a part is refused."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from podpass.storage.interface import StoreRevision
from podpass.storage.snapshot import DamagedSnapshot, read_snapshot, write_snapshot
from podpass.testing.memory_store import MemoryStore


async def snapshot_of(count: int) -> bytes:
    store = MemoryStore()
    for index in range(count):
        await store.create(f"/a/{index:05}", bytes([index % 256]))
    file = io.BytesIO()
    assert await write_snapshot(store, file) == (count, count)
    return file.getvalue()


@pytest.mark.parametrize("count", [0, 1, 1000, 1001], ids=["none", "one", "a page", "two pages"])
async def test_what_was_written_is_read(count: int) -> None:
    revision, entries = read_snapshot(io.BytesIO(await snapshot_of(count)))
    assert revision == count
    found = list(entries)
    assert [one.key for one in found] == [f"/a/{index:05}" for index in range(count)]
    assert all(one.value == bytes([index % 256]) for index, one in enumerate(found))


async def test_a_write_between_two_pages_is_not_in_it() -> None:
    store = MemoryStore()
    for index in range(1001):
        await store.create(f"/a/{index:05}", b"")
    file = io.BytesIO()
    listed = store.list

    async def list_and_write(*arguments: object, **options: object) -> object:
        page = await listed(*arguments, **options)  # type: ignore[arg-type]
        await store.create(f"/z/{await store.current_revision()}", b"")
        return page

    store.list = list_and_write  # type: ignore[method-assign,assignment]
    assert await write_snapshot(store, file) == (1001, 1001)
    assert len(list(read_snapshot(io.BytesIO(file.getvalue()))[1])) == 1001


async def test_it_begins_anew_when_the_revision_is_compacted_meanwhile() -> None:
    store = MemoryStore()
    made = await store.create("/a/x", b"old")
    listed = store.list

    async def compact_first(*arguments: object, **options: object) -> object:
        store.list = listed  # type: ignore[method-assign]
        changed = await store.update("/a/x", b"new", made.mod_revision)
        await store.compact(changed.mod_revision)
        return await listed(*arguments, **options)  # type: ignore[arg-type]

    store.list = compact_first  # type: ignore[method-assign,assignment]
    file = io.BytesIO()
    assert await write_snapshot(store, file) == (StoreRevision(2), 1)
    assert [one.value for one in read_snapshot(io.BytesIO(file.getvalue()))[1]] == [b"new"]


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        pytest.param(lambda _: b"", "first line", id="nothing"),
        pytest.param(lambda s: s[1:], "first line", id="its beginning is missing"),
        pytest.param(lambda s: s.replace(b"/v1", b"/v9"), "format", id="another format"),
        pytest.param(lambda s: s[: s.rindex(b'{"keys')], "end is missing", id="no last line"),
        pytest.param(lambda s: s[:-20], "cannot be read", id="cut within a line"),
        pytest.param(lambda s: s.replace(b'"keys":3', b'"keys":4'), "as many", id="another count"),
        pytest.param(lambda s: s + b"{}\n", "as many", id="something behind the end"),
        pytest.param(lambda s: s.replace(b"/a/00001", b"/a/00009"), "in its place", id="order"),
        pytest.param(lambda s: s.replace(b"/a/00001", b"b/00001"), "in its place", id="no slash"),
        pytest.param(lambda s: s.replace(b'"AQ=="', b'"A"'), "cannot be read", id="no base64"),
        pytest.param(lambda s: s.replace(b'"AQ=="', b"7"), "cannot be read", id="no text"),
    ],
)
async def test_damage_is_noticed(damage: Callable[[bytes], bytes], why: str) -> None:
    damaged = damage(await snapshot_of(3))
    with pytest.raises(DamagedSnapshot, match=why):
        list(read_snapshot(io.BytesIO(damaged))[1])
