"""The one thread of a process that writes the file; writes that wait together commit together.

1. Writers of all processes queue at a lock file, then take SQLite's own write lock.
2. The group is what waits once the lock is held; it is one transaction and one fsync.
3. Outcomes are told only after the commit: an acknowledged write is on the disk.
4. A request that nobody began within the time limit fails; it was not and will not be done.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from podpass.storage.interface import StoreError, StoreUnavailable
from podpass.storage.sqlite_file import connect, unavailable, write_lock
from podpass.storage.sqlite_operations import Transaction

T = TypeVar("T")
Operation: TypeAlias = Callable[[Transaction], T]

_MAXIMUM_GROUP = 256
_CLOSED = "the store is closed"


class _Request:
    """One operation and the future of its outcome; whoever takes the ticket decides its fate."""

    __slots__ = ("future", "operation", "outcome", "refusal", "ticket")

    def __init__(self, operation: Operation[Any], future: asyncio.Future[Any]) -> None:
        self.operation = operation
        self.future = future
        self.ticket = [True]
        self.outcome: Any = None
        self.refusal: Exception | None = None

    def claim(self) -> bool:
        """Return whether the caller is the first to ask; safe between threads."""
        try:
            return self.ticket.pop()
        except IndexError:
            return False

    def settle(self) -> None:
        if self.future.done():
            return  # whoever asked has gone
        if self.refusal is not None:
            self.future.set_exception(self.refusal)
        else:
            self.future.set_result(self.outcome)


class GroupWriter:
    """Runs operations of the event loop in a thread, grouped.

    Args:
        path: The database file, with its schema.
        loop: Where outcomes are told.
        on_settled: Called in the loop after each commit.
        on_commit: Called in the thread after each commit.
        time_limit: Seconds that a request may wait for its turn.
    """

    def __init__(
        self,
        path: Path,
        loop: asyncio.AbstractEventLoop,
        *,
        on_settled: Callable[[], None],
        on_commit: Callable[[], None],
        time_limit: float,
    ) -> None:
        self._path = path
        self._loop = loop
        self._on_settled = on_settled
        self._on_commit = on_commit
        self._time_limit = time_limit
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._closed = False
        self._connection = connect(path, lock_timeout=time_limit)
        self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def submit(self, operation: Operation[T]) -> T:
        """Run `operation` in a group and return its result once it is durable.

        Raises:
            StoreError: As the operation refuses, or StoreUnavailable.
        """
        if self._closed:
            raise StoreUnavailable(f"store {self._path}: {_CLOSED}")
        request = _Request(operation, self._loop.create_future())
        self._requests.put(request)
        timer = self._loop.call_later(self._time_limit, self._give_up, request)
        try:
            result: T = await request.future
        finally:
            timer.cancel()
        return result

    def close(self) -> None:
        """Finish what waits, then end the thread; blocks for at most the time limit."""
        if not self._closed:
            self._closed = True
            self._requests.put(None)
            self._thread.join(self._time_limit)

    def _give_up(self, request: _Request) -> None:
        if request.claim():  # 4
            request.refusal = StoreUnavailable(
                f"store {self._path}: another program kept it locked for {self._time_limit:g} s"
            )
            request.settle()

    def _run(self) -> None:
        try:
            while (first := self._requests.get()) is not None:
                with write_lock(self._lock):  # 1
                    group, last = self._gather(first)
                    committed = bool(group) and self._commit(group)
                self._tell(group, committed=committed)
                if last:
                    break
        finally:
            self._connection.close()
            os.close(self._lock)

    def _gather(self, first: _Request) -> tuple[list[_Request], bool]:
        """Return what waits now (2), and whether the end was asked for."""
        group = [first] if first.claim() else []
        with contextlib.suppress(queue.Empty):
            while len(group) < _MAXIMUM_GROUP:
                request = self._requests.get_nowait()
                if request is None:
                    return group, True
                if request.claim():
                    group.append(request)
        return group, False

    def _commit(self, group: list[_Request]) -> bool:
        """Run the group in one transaction; returns whether anything was written."""
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            transaction = Transaction(connection)
            for request in group:
                try:
                    request.outcome = request.operation(transaction)
                except (StoreError, ValueError, TypeError) as refusal:
                    # Also arguments that SQLite cannot take: they must not end the thread.
                    request.refusal = refusal
            connection.execute("COMMIT" if transaction.changed else "ROLLBACK")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            failure = unavailable(self._path, error)
            for request in group:
                request.refusal = failure
            return False
        return transaction.changed

    def _tell(self, group: list[_Request], *, committed: bool) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone, and so is who asked
            self._loop.call_soon_threadsafe(self._settle, group, committed)  # 3
        if committed:
            self._on_commit()

    def _settle(self, group: list[_Request], committed: bool) -> None:  # noqa: FBT001 - a callback
        for request in group:
            request.settle()
        if committed:
            self._on_settled()
