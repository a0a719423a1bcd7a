"""The objects of one resource in memory, with their last changes, for reads and watches.

1. The cache moves along the store's revisions in order; `revision` is how far it has come.
2. It holds what the store gave, ready to be sent; nothing is copied or encoded for a reader.
3. A watch can start as far back as the history reaches; before that it is 410 Expired.
4. A watcher that does not keep up is cut off instead of buffered for.

It is fed by `storage.cache_feed`. Source: apiserver `storage/cacher`.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeAlias
from weakref import WeakSet

from podpass.api import errors
from podpass.api.resources import Object, Resource
from podpass.storage.interface import Change, StoreRevision
from podpass.storage.objects import ObjectStore
from podpass.storage.stored_object import StoredObject, at_revision, load_as
from podpass.storage.subscription import Bookmark, CacheEvent, Subscription

__all__ = ["Bookmark", "CacheEvent", "ChangeCallback", "Subscription", "WatchCache"]

ChangeCallback: TypeAlias = Callable[[str, Object | None, Object | None], None]
"""Called with the storage key, the object before and the object after."""

DEFAULT_HISTORY = 1000
"""Changes kept for watches that start in the past."""

DEFAULT_HISTORY_BYTES = 8 * 1024 * 1024
"""Bytes of them: a few large objects that change often must not fill the memory."""


class WatchCache:
    """One resource as this process last saw it.

    Args:
        objects: Knows the keys.
        resource: What is cached.
        history: Most changes to keep.
        history_bytes: Most bytes of changes to keep.
    """

    def __init__(
        self,
        objects: ObjectStore,
        resource: Resource,
        *,
        history: int = DEFAULT_HISTORY,
        history_bytes: int = DEFAULT_HISTORY_BYTES,
    ) -> None:
        self.resource = resource
        self._objects = objects
        self._items: dict[str, StoredObject] = {}
        self._keys: list[str] = []
        self._revision = StoreRevision(0)
        self._history: deque[CacheEvent] = deque()
        self._history_bytes = 0
        self._maximum_history = history
        self._maximum_history_bytes = history_bytes
        self._floor = StoreRevision(0)
        self._ready = asyncio.Event()
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._subscriptions: WeakSet[Subscription] = WeakSet()
        self._callbacks: list[ChangeCallback] = []
        self._closed = False

    @property
    def revision(self) -> StoreRevision:
        """How far the cache has come; 0 before it is filled."""
        return self._revision

    @property
    def ready(self) -> bool:
        """Whether the cache has been filled."""
        return self._ready.is_set()

    async def wait_ready(self) -> None:
        """Return when the cache has been filled."""
        await self._ready.wait()

    async def wait_for(self, revision: int, timeout: float) -> None:
        """Return when the cache has seen `revision`.

        Args:
            revision: Store revision to wait for.
            timeout: Most seconds to wait.

        Raises:
            StatusError: 504, it has not in time.
        """
        if revision <= self._revision and self.ready:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (revision, next(self._order), future))
        try:
            async with asyncio.timeout(timeout):
                await future
        except TimeoutError as error:
            raise errors.resource_version_too_large(revision, self._revision) from error

    def get(self, namespace: str, name: str) -> StoredObject | None:
        """Return an object, or None."""
        return self._items.get(self._objects.collection(self.resource, namespace) + name)

    def list(self, namespace: str | None = None) -> list[StoredObject]:
        """Return all objects, or those of one namespace, sorted by key."""
        keys = self._keys
        if namespace and self.resource.namespaced:
            prefix = self._objects.collection(self.resource, namespace)
            first = bisect_left(keys, prefix)
            # 0 is the character behind the slash.
            keys = keys[first : bisect_left(keys, prefix[:-1] + "0", first)]
        return [self._items[key] for key in keys]

    def subscribe(
        self,
        after_revision: int | None,
        *,
        maximum_backlog: int,
        cut: Callable[[], None] | None = None,
    ) -> Subscription:
        """Return the changes after `after_revision`, then the live ones.

        Args:
            after_revision: Where to start; None for now. What lies ahead is waited for.
            maximum_backlog: How many live events may wait for the watcher.
            cut: Called when the watcher is cut off because too much waits for it.

        Raises:
            StatusError: 410, the history does not reach back that far.
        """
        after = self._revision if after_revision is None else after_revision
        if after < self._floor or self._closed:
            raise errors.expired(f"too old resource version: {after} ({self._floor})")
        missed: deque[CacheEvent] = deque()
        for event in reversed(self._history):
            if event.revision <= after:
                break
            missed.appendleft(event)
        subscription = Subscription(
            missed, after_revision=StoreRevision(after), maximum_backlog=maximum_backlog, cut=cut
        )
        self._subscriptions.add(subscription)
        return subscription

    def call_on_change(self, callback: ChangeCallback) -> None:
        """Call `callback` for every object known now, and for every change from now on."""
        self._callbacks.append(callback)
        for key in self._keys:
            callback(key, None, self._items[key].object)

    def reset(self, items: Iterable[StoredObject], revision: StoreRevision) -> None:
        """Start over from a snapshot; history and subscriptions end."""
        before = self._items
        self._items = {one.key: _kept(before.get(one.key), one) for one in items}
        self._keys = sorted(self._items)
        self._history.clear()
        self._history_bytes = 0
        self._floor = revision
        for subscription in list(self._subscriptions):
            subscription.close()
        self._subscriptions.clear()
        if self._callbacks:
            self._call_with_differences(before)
        self._revision = revision

    def close(self) -> None:
        """Be empty from now on: who waits finds nothing, who watches starts over."""
        self.reset((), self._revision)
        self._closed = True
        self.mark_ready()
        while self._waiting:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)

    def apply(self, change: Change) -> None:
        """Take the next change of this resource."""
        key = change.key
        previous = self._items.get(key)
        if change.current is not None:
            current = load_as(self.resource, change.current)
            self._items[key] = current
            if previous is None:
                insort(self._keys, key)
            event = CacheEvent(
                "MODIFIED" if previous else "ADDED", current, previous, change.revision
            )
        elif previous is not None:
            del self._items[key]
            del self._keys[bisect_left(self._keys, key)]
            current = at_revision(previous, change.revision)
            event = CacheEvent("DELETED", current, previous, change.revision)
        else:
            return
        self._revision = change.revision
        self._remember(event)
        for callback in self._callbacks:
            callback(
                key,
                previous.object if previous else None,
                current.object if change.current else None,
            )
        for subscription in self._subscriptions:
            subscription.offer(event)

    def progress(self, revision: StoreRevision, *, bookmark: bool = False) -> None:
        """Know that there is nothing more up to `revision`; wakes who waited for it."""
        self._revision = max(self._revision, revision)
        while self._waiting and self._waiting[0][0] <= self._revision and self.ready:
            _, _, future = heapq.heappop(self._waiting)
            if not future.done():
                future.set_result(None)
        if bookmark:
            for subscription in self._subscriptions:
                subscription.offer_bookmark(self._revision)

    def mark_ready(self) -> None:
        """Know that the cache holds the whole state."""
        self._ready.set()

    def _remember(self, event: CacheEvent) -> None:
        history = self._history
        history.append(event)
        self._history_bytes += event.size
        while (
            len(history) > self._maximum_history
            or self._history_bytes > self._maximum_history_bytes
        ):
            forgotten = history.popleft()
            self._history_bytes -= forgotten.size
            self._floor = forgotten.revision

    def _call_with_differences(self, before: dict[str, StoredObject]) -> None:
        for key in sorted(before.keys() | self._items.keys()):
            old, new = before.get(key), self._items.get(key)
            if old is not new:
                for callback in self._callbacks:
                    callback(key, old.object if old else None, new.object if new else None)


def _kept(known: StoredObject | None, listed: StoredObject) -> StoredObject:
    """Return the entry that is known already if it is the same state: it may be decoded."""
    if known is None or known.revision != listed.revision or known.raw != listed.raw:
        return listed
    return known
