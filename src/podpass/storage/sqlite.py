"""The store in one SQLite file, shared by several processes.

1. Writes go through the writer thread (`sqlite_writer`); revisions follow the order of commits,
   as SQLite lets one writer in at a time.
2. A read begins after it was asked for, so it sees every write that was acknowledged before, by
   whatever process (WAL).
3. Small reads run in the event loop: they take microseconds, a thread would cost ten times that.
   Lists and long catch-ups run in a thread, and so does a read that meets a lock.
4. A watch reads history from the table, from where it stands, whenever it is woken: by a commit
   here, by a peer's datagram, or by the clock. Nothing is queued for it, so a slow one costs
   nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from podpass.storage import sqlite_operations as operations
from podpass.storage.interface import (
    Change,
    KeyValue,
    Listing,
    Progress,
    StoreRevision,
    StoreUnavailable,
)
from podpass.storage.sqlite_file import connect, create_if_missing, is_busy, unavailable
from podpass.storage.sqlite_peers import Peers
from podpass.storage.sqlite_queries import (
    list_keys,
    newest_of_key,
    newest_revision,
    read_changes,
)
from podpass.storage.sqlite_writer import GroupWriter

T = TypeVar("T")

LOCK_TIMEOUT_SECONDS = 10.0
_POLL_SECONDS = 0.25
_BATCH_REVISIONS = 500
_SWEEP_REVISIONS = 500


class SqliteStore:
    """Use `await SqliteStore.open(path)`."""

    def __init__(self, path: Path, *, lock_timeout: float) -> None:
        self._path = path
        self._lock_timeout = lock_timeout
        self._loop = asyncio.get_running_loop()
        self._wakes: set[asyncio.Event] = set()
        self._closed = False
        self._behind = 0
        self._slow_connection: sqlite3.Connection | None = None
        self._slow_reader = ThreadPoolExecutor(1, "store-reader")
        self._peers = Peers(path.with_name(f"{path.name}.peers"))
        try:
            self._connection = connect(path, lock_timeout=0, opening_timeout=lock_timeout)
            self._writer = GroupWriter(
                path,
                self._loop,
                on_settled=self._wake,
                on_commit=self._peers.notify,
                time_limit=lock_timeout,
            )
        except sqlite3.Error as error:
            raise unavailable(path, error) from error
        self._peers.open(self._loop, self._wake)

    @classmethod
    async def open(cls, path: Path, *, lock_timeout: float = LOCK_TIMEOUT_SECONDS) -> Self:
        """Open the store at `path`, making it if there is none.

        Args:
            path: The database file.
            lock_timeout: Seconds to wait for a file that another program holds locked.

        Raises:
            StoreUnavailable: It cannot be used; says why.
        """
        path = path.absolute()
        await asyncio.to_thread(create_if_missing, path, lock_timeout=lock_timeout)
        return cls(path, lock_timeout=lock_timeout)

    async def get(self, key: str) -> KeyValue | None:
        _, found = await self._read(lambda connection: newest_of_key(connection, key))
        return found

    async def list(
        self,
        prefix: str,
        *,
        after: str = "",
        limit: int = 0,
        revision: StoreRevision | None = None,
    ) -> Listing:
        return await self._read_in_thread(
            lambda connection: list_keys(connection, prefix, after, limit, revision)
        )

    async def create(self, key: str, value: bytes) -> KeyValue:
        return await self._writer.submit(
            lambda transaction: operations.create(transaction, key, value)
        )

    async def update(self, key: str, value: bytes, expected_revision: StoreRevision) -> KeyValue:
        return await self._writer.submit(
            lambda transaction: operations.update(transaction, key, value, expected_revision)
        )

    async def delete(self, key: str, expected_revision: StoreRevision) -> StoreRevision:
        return await self._writer.submit(
            lambda transaction: operations.delete(transaction, key, expected_revision)
        )

    async def watch(
        self, prefix: str, after_revision: StoreRevision
    ) -> AsyncIterator[Change | Progress]:
        position = after_revision
        wake = asyncio.Event()
        self._wakes.add(wake)
        try:
            read = self._read
            while not self._closed:
                wake.clear()
                batch = await read(
                    partial(read_changes, prefix=prefix, after=position, span=_BATCH_REVISIONS)
                )
                for change in batch.changes:
                    yield change
                position = batch.until
                yield Progress(position)
                read = self._read_in_thread if batch.behind else self._read
                if not batch.behind:
                    await _wait(wake, _POLL_SECONDS)
        finally:
            self._wakes.discard(wake)

    async def current_revision(self) -> StoreRevision:
        return await self._read(newest_revision)

    async def compact(self, revision: StoreRevision) -> None:
        await self._writer.submit(
            lambda transaction: operations.promise_compaction(transaction, revision)
        )
        while await self._writer.submit(
            lambda transaction: operations.sweep(transaction, _SWEEP_REVISIONS)
        ):
            pass

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._wake()
        await asyncio.to_thread(self._writer.close)
        self._peers.close()
        await asyncio.to_thread(self._slow_reader.shutdown)
        if self._slow_connection is not None:
            self._slow_connection.close()
        self._connection.close()

    def _wake(self) -> None:
        for wake in self._wakes:
            wake.set()

    async def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run a small read here (3)."""
        self._check_open()
        try:
            return query(self._connection)
        except sqlite3.Error as error:
            if not is_busy(error):
                raise unavailable(self._path, error) from error
        return await self._read_in_thread(query)

    async def _read_in_thread(self, query: Callable[[sqlite3.Connection], T]) -> T:
        self._check_open()
        return await self._loop.run_in_executor(self._slow_reader, self._read_slowly, query)

    def _read_slowly(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._slow_connection is None:
                self._slow_connection = connect(self._path, lock_timeout=self._lock_timeout)
            return query(self._slow_connection)
        except sqlite3.Error as error:
            raise unavailable(self._path, error) from error

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable(f"store {self._path}: it is closed")


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
