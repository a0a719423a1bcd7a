import asyncio
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import settings
from storage.contract import StoreContract, read_until
from storage.model import StoreMachine

from podpass.storage.interface import Store, StoreRevision, StoreUnavailable
from podpass.storage.sqlite import SqliteStore
from podpass.testing.fake_clock import until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "podpass.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(path, lock_timeout=0.2)
    yield store
    await store.close()


@pytest.fixture
async def peer(path: Path) -> AsyncIterator[SqliteStore]:
    peer = await SqliteStore.open(path)
    yield peer
    await peer.close()


class TestSqliteStore(StoreContract):
    pass


async def open_two_handles() -> list[Store]:
    directory = Path(tempfile.mkdtemp(prefix="podpass-store-"))
    return [await SqliteStore.open(directory / "podpass.db") for _ in range(2)]


class SqliteMachine(StoreMachine):
    open_handles = staticmethod(open_two_handles)

    def teardown(self) -> None:
        super().teardown()
        for handle in self.handles:
            assert isinstance(handle, SqliteStore)
            shutil.rmtree(handle._path.parent, ignore_errors=True)


TestSqliteModel = SqliteMachine.TestCase
TestSqliteModel.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)


async def test_store_goes_on_after_it_was_closed(path: Path) -> None:
    first = await SqliteStore.open(path)
    made = await first.create("/a/x", b"one")
    await first.close()
    second = await SqliteStore.open(path)
    assert await second.get("/a/x") == made
    assert (await second.create("/a/y", b"")).mod_revision == made.mod_revision + 1
    await second.close()


async def test_several_may_make_the_store_at_once(path: Path) -> None:
    stores = await asyncio.gather(*(SqliteStore.open(path) for _ in range(8)))
    made = await asyncio.gather(*(one.create(f"/a/{i}", b"") for i, one in enumerate(stores)))
    assert sorted(one.mod_revision for one in made) == list(range(1, 9))
    for one in stores:
        await one.close()


async def test_files_are_for_the_owner_only(store: SqliteStore, path: Path) -> None:
    await store.create("/a/x", b"secret")
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file


async def test_write_while_another_program_locks_the_file(store: SqliteStore, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match=r"podpass\.db: another program .*locked"):
            await store.create("/a/x", b"")
        assert await store.get("/a/x") is None
        other.execute("ROLLBACK")
    await store.create("/a/x", b"")


async def test_reads_go_on_while_another_program_writes(store: SqliteStore, path: Path) -> None:
    made = await store.create("/a/x", b"")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await store.get("/a/x") == made
        assert (await store.list("/a/")).items == (made,)


async def test_full_file_refuses_writes_and_keeps_the_rest(store: SqliteStore) -> None:
    made = await store.create("/a/x", b"one")
    store._writer._connection.execute("PRAGMA max_page_count = 8")
    with pytest.raises(StoreUnavailable, match="the disk is full; free some space"):
        await store.create("/a/big", b"x" * 100_000)
    assert await store.get("/a/x") == made
    assert await store.get("/a/big") is None
    assert await store.current_revision() == made.mod_revision
    store._writer._connection.execute("PRAGMA max_page_count = 100000")
    await store.create("/a/big", b"x" * 100_000)


async def test_damage_behind_the_header_is_one_clear_line(path: Path) -> None:
    store = await SqliteStore.open(path)
    for i in range(50):
        await store.create(f"/a/{i}", b"x" * 3000)
    await store.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    damaged = await SqliteStore.open(path)
    with pytest.raises(StoreUnavailable, match=r"the file is damaged; restore it from a backup"):
        await damaged.list("/a/")
    with pytest.raises(StoreUnavailable, match="damaged"):
        await damaged.get("/a/1")
    with pytest.raises(StoreUnavailable, match="damaged"):
        await damaged.create("/a/new", b"")
    await damaged.close()


async def test_compaction_removes_superseded_values(store: SqliteStore, path: Path) -> None:
    entry = await store.create("/a/x", b"0")
    for _ in range(1200):
        entry = await store.update("/a/x", b"x", entry.mod_revision)
    gone = await store.create("/a/gone", b"")
    await store.delete("/a/gone", gone.mod_revision)
    last = await store.create("/a/last", b"")
    await store.compact(last.mod_revision)
    with closing(sqlite3.connect(path)) as other:
        rows = other.execute("SELECT revision FROM revisions ORDER BY revision").fetchall()
    assert rows == [(entry.mod_revision,), (last.mod_revision,)]


async def test_watch_is_woken_by_a_write_not_by_the_clock(
    store: SqliteStore, peer: SqliteStore
) -> None:
    loop = asyncio.get_running_loop()
    for writer in (store, peer):
        watch = store.watch("/a/", await store.current_revision())
        await anext(watch)
        waits = []
        for i in range(9):
            made = await writer.create(f"/a/{id(writer)}-{i}", b"")
            began = loop.time()
            await read_until(watch, made.mod_revision)
            waits.append(loop.time() - began)
        assert sorted(waits)[4] < 0.1


async def test_watch_finds_news_without_a_wake_up(
    store: SqliteStore, peer: SqliteStore, path: Path
) -> None:
    for socket in path.with_name("podpass.db.peers").iterdir():
        socket.unlink()
    watch = store.watch("/a/", StoreRevision(0))
    await anext(watch)
    made = await peer.create("/a/x", b"")
    assert len(await read_until(watch, made.mod_revision)) == 1


async def test_read_that_meets_a_lock_waits_for_it_aside(store: SqliteStore) -> None:
    made = await store.create("/a/x", b"")
    calls = 0

    def busy_once(connection: sqlite3.Connection) -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
        (revision,) = connection.execute("SELECT max(revision) FROM revisions").fetchone()
        return int(revision)

    assert await store._read(busy_once) == made.mod_revision


async def test_watcher_that_leaves_is_forgotten(store: SqliteStore) -> None:
    watch = store.watch("/a/", StoreRevision(0))
    reading = asyncio.create_task(read_until(watch, 1))
    await until(lambda: store._wakes)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await until(lambda: not store._wakes)


async def test_key_that_is_no_text_comes_back_to_the_caller(store: SqliteStore) -> None:
    with pytest.raises(ValueError, match="surrogates"):
        await store.create("/a/\udc80", b"")
    await store.create("/a/x", b"")
