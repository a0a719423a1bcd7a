"""What a watcher of a cache gets, and how far it may fall behind."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

from podpass.storage.interface import StoreRevision
from podpass.storage.stored_object import StoredObject

EventType: TypeAlias = Literal["ADDED", "MODIFIED", "DELETED"]

DEFAULT_BACKLOG_BYTES = 8 * 1024 * 1024
"""Bytes of live events that may wait for a watcher."""


@dataclass(frozen=True, slots=True)
class CacheEvent:
    """One change of one object; shared by all subscriptions.

    Attributes:
        type: As on the wire.
        current: The object now; for DELETED its last state with the deletion's revision.
        previous: The object before, None for ADDED.
        revision: Revision of the change.
    """

    type: EventType
    current: StoredObject
    previous: StoredObject | None
    revision: StoreRevision

    @property
    def size(self) -> int:
        """Bytes that are kept for it; what it was before belongs to the event before."""
        return len(self.current.raw)


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Everything up to `revision` was delivered."""

    revision: StoreRevision


class Subscription:
    """An endless async iterator of events and now and then a Bookmark.

    It ends when it is closed, when the cache starts over, and when more live events wait for it
    than `maximum_backlog`, or more bytes of them than `maximum_bytes`: then the watcher is cut off
    and must come again with the last revision it has.
    """

    __slots__ = (
        "__weakref__", "_after", "_backlog", "_bytes", "_cut", "_ended", "_maximum_backlog",
        "_maximum_bytes", "_waiter",
    )  # fmt: skip

    def __init__(
        self,
        history: Iterable[CacheEvent],
        *,
        after_revision: StoreRevision,
        maximum_backlog: int,
        maximum_bytes: int = DEFAULT_BACKLOG_BYTES,
        cut: Callable[[], None] | None = None,
    ) -> None:
        """Begin.

        Args:
            history: Events that the watcher missed.
            after_revision: Earlier events are not wanted.
            maximum_backlog: How many live events may wait.
            maximum_bytes: How many bytes of them.
            cut: Called when the watcher is cut off; it may not be reading any more.
        """
        missed = tuple(history)
        self._after = after_revision
        self._backlog: deque[CacheEvent | Bookmark] = deque(missed)
        self._bytes = sum(event.size for event in missed)
        # What the watcher asked for at its start is no lag of his.
        self._maximum_backlog = maximum_backlog + len(missed)
        self._maximum_bytes = maximum_bytes + self._bytes
        self._cut = cut
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> CacheEvent | Bookmark:
        while not self._backlog:
            if self._ended:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        event = self._backlog.popleft()
        if isinstance(event, CacheEvent):
            self._bytes -= event.size
        return event

    @property
    def ended(self) -> bool:
        """Whether no more events will come."""
        return self._ended

    def offer(self, event: CacheEvent) -> None:
        """Hand over an event; one too many cuts the subscription off."""
        if self._ended or event.revision <= self._after:
            return
        size = event.size
        # One event may be as large as it likes for a watcher that has taken all others.
        too_large = bool(self._backlog) and self._bytes + size > self._maximum_bytes
        if len(self._backlog) >= self._maximum_backlog or too_large:
            self._backlog.clear()
            self._bytes = 0
            self._ended = True
            if self._cut is not None:
                self._cut()
        else:
            self._backlog.append(event)
            self._bytes += size
        self._wake()

    def offer_bookmark(self, revision: StoreRevision) -> None:
        """Tell a watcher that has everything so; one that has not will learn later."""
        if not self._ended and not self._backlog and revision >= self._after:
            self._backlog.append(Bookmark(revision))
            self._wake()

    def close(self) -> None:
        """End; what waits is still delivered."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
