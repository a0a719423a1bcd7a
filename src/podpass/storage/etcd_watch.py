"""One watch of an etcd: every change in order, and progress that can be trusted on any release.

1. The watch covers the whole root, so that all writes of this cluster come in one order.
2. Progress is what was delivered. When the etcd is ahead of that, because somebody else writes to
   it, a marker is written below the root: as it comes last in the order, its arrival proves that
   nothing before it is missing. (etcd's own progress notifications may overtake changes before
   3.4.25 and 3.5.8: etcd#15220.)
3. A member that answers but does not deliver the marker is cut off from the others: the watch goes
   on at the next member, from where it stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

from podpass.storage.etcd_gateway import EtcdGateway
from podpass.storage.etcd_wire import Keyspace, Message, is_creation, is_deletion
from podpass.storage.interface import (
    Change,
    Compacted,
    Progress,
    StoreRevision,
    StoreUnavailable,
)

TICK_SECONDS = 0.5
_CATCH_UP_SECONDS = 0.05
_LOST_TICKS = 4


class EtcdWatch:
    """Follows an etcd from a revision on.

    Args:
        gateway: The etcd.
        keyspace: What to watch.
        prefix: What to deliver.
        position: Everything up to here is known.
        head: Returns the newest revision of the whole etcd, linearizable.
        mark: Writes the marker.
    """

    def __init__(
        self,
        gateway: EtcdGateway,
        keyspace: Keyspace,
        prefix: str,
        position: StoreRevision,
        *,
        head: Callable[[], Awaitable[StoreRevision]],
        mark: Callable[[], Awaitable[None]],
    ) -> None:
        self._gateway = gateway
        self._keyspace = keyspace
        self._prefix = prefix
        self._position = position
        self._head = head
        self._mark = mark
        self._late_ticks = 0
        self.wanted = asyncio.Event()

    def expect(self, revision: StoreRevision) -> None:
        """Look for progress now, if somebody is about to wait for it."""
        if revision > self._position:
            self.wanted.set()

    async def follow(self, closed: Callable[[], bool]) -> AsyncIterator[Change | Progress]:
        """Yield changes and progress until the store is closed.

        Raises:
            Compacted: What is missing is no longer kept.
            StoreUnavailable: No member delivers.
        """
        yield Progress(self._position)
        messages = self._gateway.stream("watch", self._request())
        reading: asyncio.Task[Any] | None = None
        try:
            while not closed():
                reading = reading or asyncio.ensure_future(anext(messages))
                await _first_of(reading, self.wanted, TICK_SECONDS)
                self.wanted.clear()
                if reading.done():
                    message, reading = reading.result(), None
                    for change in self._changes(message):
                        yield change
                elif not closed():
                    await self._seek_progress(reading)
                yield Progress(self._position)
        except StoreUnavailable:
            if not closed():
                raise
        finally:
            if reading is not None:
                reading.cancel()
                with suppress(asyncio.CancelledError, StoreUnavailable):
                    await reading
            await messages.aclose()  # type: ignore[attr-defined] # an async generator

    async def _seek_progress(self, reading: asyncio.Task[Any]) -> None:
        """See whether the etcd is ahead, and prove or refute that something is missing (2, 3)."""
        head = await self._head()
        if head <= self._position:
            self._late_ticks = 0
            return
        await asyncio.wait({reading}, timeout=_CATCH_UP_SECONDS)
        if reading.done():
            return
        self._late_ticks += 1
        if self._late_ticks > _LOST_TICKS:
            self._gateway.leave_member()
            raise StoreUnavailable("etcd: a member does not follow the others; asking the next")
        await self._mark()

    def _request(self) -> Message:
        start, end = self._keyspace.everything()
        return {
            "create_request": {
                "key": start,
                "range_end": end,
                "start_revision": self._keyspace.raw(self._position + 1),
                "prev_kv": True,
            }
        }

    def _changes(self, message: Message) -> list[Change]:
        if message.get("canceled"):
            if compacted := int(message.get("compact_revision", 0)):
                raise Compacted(self._position, self._keyspace.revision(compacted))
            raise StoreUnavailable(f"etcd ended a watch: {message.get('cancel_reason', '')}")
        changes = []
        for event in message.get("events", ()):
            self._late_ticks = 0
            self._position = self._keyspace.revision(event["kv"]["mod_revision"])
            if change := self._change(event):
                changes.append(change)
        return changes

    def _change(self, event: Message) -> Change | None:
        key = self._keyspace.decode(event["kv"]["key"])
        if not key.startswith(self._prefix):
            return None
        before = event.get("prev_kv")
        if before is None and (is_deletion(event) or not is_creation(event)):
            # The compaction went past it between the change and its delivery.
            raise Compacted(self._position - 1, self._position)
        return Change(
            key,
            self._position,
            None if is_deletion(event) else self._keyspace.key_value(event["kv"]),
            self._keyspace.key_value(before) if before is not None else None,
        )


async def _first_of(reading: asyncio.Task[Any], wanted: asyncio.Event, seconds: float) -> None:
    if reading.done() or wanted.is_set():
        return
    waiting = asyncio.ensure_future(wanted.wait())
    try:
        await asyncio.wait({reading, waiting}, timeout=seconds, return_when="FIRST_COMPLETED")
    finally:
        waiting.cancel()
