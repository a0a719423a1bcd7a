"""Several processes at one file, as the API servers of one machine are."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from storage.contract import read_until

from podpass.storage.interface import StoreRevision
from podpass.storage.sqlite import SqliteStore
from podpass.testing.fake_clock import until


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "podpass.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(path)
    yield store
    await store.close()


@asynccontextmanager
async def process(path: Path, *job: str) -> AsyncIterator[Process]:
    script = Path(__file__).with_name("store_process.py")
    child = await asyncio.create_subprocess_exec(
        sys.executable, script, path, *job, stdin=PIPE, stdout=PIPE
    )
    try:
        assert await line(child) == "ready"
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def line(child: Process) -> str:
    assert child.stdout is not None
    async with asyncio.timeout(30):
        return (await child.stdout.readline()).decode().strip()


async def lines(child: Process) -> list[str]:
    assert child.stdout is not None
    async with asyncio.timeout(30):
        return (await child.stdout.read()).decode().splitlines()


async def test_watchers_see_the_writes_of_all_processes_once_and_in_order(
    store: SqliteStore, path: Path
) -> None:
    watch = store.watch("/a/", StoreRevision(0))
    async with process(path, "create", "b", "200") as b, process(path, "create", "c", "200") as c:
        for i in range(50):
            await store.create(f"/a/own-{i}", b"")
        changes = await read_until(watch, 450)
        acknowledged = {
            told.split()[0]: int(told.split()[1]) for told in await lines(b) + await lines(c)
        }
    revisions = [change.revision for change in changes]
    assert revisions == list(range(1, 451))
    seen = {change.key: change.revision for change in changes}
    assert {key: seen[key] for key in acknowledged} == acknowledged


async def test_concurrent_increments_of_processes_lose_nothing(
    store: SqliteStore, path: Path
) -> None:
    await store.create("/counter", b"0")
    job = ("increment", "/counter", "100")
    async with process(path, *job) as one, process(path, *job) as two:
        await lines(one)
        await lines(two)
    final = await store.get("/counter")
    assert final is not None
    assert final.value == b"200"


async def test_a_write_elsewhere_wakes_a_watch_long_before_its_poll(
    store: SqliteStore, path: Path
) -> None:
    loop = asyncio.get_running_loop()
    watch = store.watch("/a/", StoreRevision(0))
    waits = []
    async with process(path, "echo") as child:
        assert child.stdin is not None
        for i in range(11):
            child.stdin.write(b"/a/%d\n" % i)
            revision = int(await line(child))
            acknowledged = loop.time()
            await read_until(watch, revision)
            waits.append(loop.time() - acknowledged)
    assert sorted(waits)[5] < 0.05


@pytest.mark.parametrize("acknowledged", [1, 40, 130])
async def test_killed_process_loses_no_acknowledged_write(path: Path, acknowledged: int) -> None:
    async with process(path, "create", "k", "0") as child:
        told = [await line(child) for _ in range(acknowledged)]
        child.kill()
        told += await lines(child)
    store = await SqliteStore.open(path)
    for one in told:
        if len(one.split()) == 2:  # the last line may be cut
            found = await store.get(one.split()[0])
            assert found is not None
            assert found.mod_revision == int(one.split()[1])
    newest = await store.current_revision()
    changes = await read_until(store.watch("/a/", StoreRevision(0)), newest)
    assert [change.revision for change in changes] == list(range(1, newest + 1))
    assert (await store.create("/a/next", b"")).mod_revision == newest + 1
    await store.close()


async def test_others_go_on_when_a_process_is_killed(store: SqliteStore, path: Path) -> None:
    async with process(path, "create", "k", "0") as child:
        await line(child)
        child.kill()
        await child.wait()
    await store.create("/a/x", b"")
    assert await store.get("/a/x") is not None
    # Its socket is found dead by the first commit and removed.
    sockets = path.with_name("podpass.db.peers")
    await until(lambda: len(list(sockets.iterdir())) == 1)


async def test_file_that_may_not_grow_is_one_clear_line_and_nothing_lost(path: Path) -> None:
    async with process(path, "fill", "400000") as child:
        told = await lines(child)
    assert len(told) == 2
    assert told[0].startswith(f"refused store {path}: ")
    assert "disk" in told[0]
    assert told[1] == "kept True"
