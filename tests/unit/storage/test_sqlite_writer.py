import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from podpass.storage.interface import KeyExists, StoreUnavailable
from podpass.storage.sqlite_file import create_if_missing
from podpass.storage.sqlite_operations import Transaction, create
from podpass.storage.sqlite_writer import GroupWriter
from podpass.testing.fake_clock import until


class Told:
    """What the writer told whom."""

    def __init__(self) -> None:
        self.commits = 0
        self.settled = 0

    def commit(self) -> None:
        self.commits += 1

    def settle(self) -> None:
        self.settled += 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "podpass.db"
    create_if_missing(path, lock_timeout=1)
    return path


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def writer(path: Path, told: Told) -> AsyncIterator[GroupWriter]:
    writer = GroupWriter(
        path,
        asyncio.get_running_loop(),
        on_settled=told.settle,
        on_commit=told.commit,
        time_limit=0.2,
    )
    yield writer
    writer.close()


async def make(writer: GroupWriter, key: str) -> int:
    made = await writer.submit(lambda transaction: create(transaction, key, b""))
    return made.mod_revision


async def test_what_waits_together_is_committed_together(
    writer: GroupWriter, path: Path, told: Told
) -> None:
    lock = os.open(f"{path}.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    writes = asyncio.gather(*(make(writer, f"/a/{i}") for i in range(20)))
    await until(lambda: writer._requests.qsize() == 19)
    os.close(lock)
    assert await writes == list(range(1, 21))
    await until(lambda: told.settled > 0 and told.commits > 0)
    assert (told.commits, told.settled) == (1, 1)


async def test_group_of_refusals_commits_nothing(writer: GroupWriter, told: Told) -> None:
    await make(writer, "/a/x")
    with pytest.raises(KeyExists):
        await make(writer, "/a/x")
    assert (told.commits, told.settled) == (1, 1)


async def test_request_that_nobody_began_in_time_fails_and_is_never_done(
    writer: GroupWriter, path: Path
) -> None:
    lock = os.open(f"{path}.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with pytest.raises(StoreUnavailable, match=r"another program kept it locked for 0\.2 s"):
        await make(writer, "/a/x")
    os.close(lock)
    assert await make(writer, "/a/y") == 1
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT key FROM revisions").fetchall() == [("/a/y",)]


async def test_error_of_sqlite_fails_the_whole_group(writer: GroupWriter, path: Path) -> None:
    def fail(transaction: Transaction) -> None:
        transaction.connection.execute("SELECT * FROM nowhere")

    outcomes = await asyncio.gather(
        make(writer, "/a/x"), writer.submit(fail), return_exceptions=True
    )
    assert isinstance(outcomes[1], StoreUnavailable)
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT count(*) FROM revisions").fetchone()
    # In one group with the failure or before it: either told so or written.
    assert rows == (0 if isinstance(outcomes[0], StoreUnavailable) else 1,)
    assert await make(writer, "/a/z") == rows[0] + 1


async def test_who_asked_may_go_away(writer: GroupWriter) -> None:
    write = asyncio.create_task(make(writer, "/a/x"))
    await asyncio.sleep(0)
    write.cancel()
    with pytest.raises(asyncio.CancelledError):
        await write
    await make(writer, "/a/y")


async def test_close_finishes_what_waits_then_refuses(writer: GroupWriter) -> None:
    writes = [asyncio.create_task(make(writer, f"/a/{i}")) for i in range(10)]
    await asyncio.sleep(0)
    writer.close()
    assert sorted(await asyncio.gather(*writes)) == list(range(1, 11))
    with pytest.raises(StoreUnavailable, match="the store is closed"):
        await make(writer, "/a/x")
    writer.close()
