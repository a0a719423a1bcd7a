"""What a watcher of a cache gets, and how far it may fall behind."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

from podpass.storage.interface import StoreRevision
from podpass.storage.stored_object import StoredObject

EventType: TypeAlias = Literal["ADDED", "MODIFIED", "DELETED"]


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


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Everything up to `revision` was delivered."""

    revision: StoreRevision


class Subscription:
    """An endless async iterator of events and now and then a Bookmark.

    It ends when it is closed, when the cache starts over, and when more than `maximum_backlog`
    live events wait for it: then the watcher must come again with the last revision it has.
    """

    __slots__ = ("__weakref__", "_after", "_backlog", "_ended", "_maximum_backlog", "_waiter")

    def __init__(
        self,
        history: Iterable[CacheEvent],
        *,
        after_revision: StoreRevision,
        maximum_backlog: int,
    ) -> None:
        self._after = after_revision
        self._backlog: deque[CacheEvent | Bookmark] = deque(history)
        # What the watcher asked for at its start is no lag of his.
        self._maximum_backlog = maximum_backlog + len(self._backlog)
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
        return self._backlog.popleft()

    @property
    def ended(self) -> bool:
        """Whether no more events will come."""
        return self._ended

    def offer(self, event: CacheEvent) -> None:
        """Hand over an event; one too many cuts the subscription off."""
        if self._ended or event.revision <= self._after:
            return
        if len(self._backlog) >= self._maximum_backlog:
            self._backlog.clear()
            self._ended = True
        else:
            self._backlog.append(event)
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
