"""Reads from the watch cache that are as fresh as the store.

1. A read asks the store for its newest revision and waits until the cache has seen it.
2. One question serves everybody who came before it was asked: its cost does not grow with load.
3. A single object is read from the store itself when the cache lags behind.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from podpass.api import errors
from podpass.api.errors import StatusError
from podpass.api.resources import Object, Resource
from podpass.storage.interface import StoreRevision
from podpass.storage.objects import ObjectStore

if TYPE_CHECKING:
    from podpass.storage.cached_objects import CachedObjects
    from podpass.storage.watch_cache import WatchCache

WAIT_SECONDS = 3.0
"""How long a read waits for the cache before it gives up, as kube-apiserver has it."""

_TIMEOUT = 504


class FreshReads:
    """Makes a cache catch up with the store before it is read."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._next: asyncio.Future[StoreRevision] | None = None
        self._asking: asyncio.Task[None] | None = None

    async def catch_up(self, cache: WatchCache) -> None:
        """Return when the cache holds everything written before this call.

        Raises:
            StatusError: 503, the store is away; 504, the cache lags.
        """
        revision = await self._newest()
        if cache.revision < revision:
            await cache.wait_for(revision, WAIT_SECONDS)

    async def _newest(self) -> StoreRevision:
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask())
        # A reader that goes away must not take the answer from the others.
        return await asyncio.shield(self._next)

    async def _ask(self) -> None:
        while (answer := self._next) is not None:
            self._next = None
            try:
                revision = await self._objects.current_revision()
            except Exception as error:  # noqa: BLE001 - handed to all who wait, none is lost
                answer.set_exception(error)
                answer.exception()
            else:
                answer.set_result(revision)
        self._asking = None


class FreshObjects:
    """Objects as they stand in the store now, decoded once for all who read them; read-only."""

    def __init__(self, fresh: FreshReads, cached: CachedObjects) -> None:
        self._fresh = fresh
        self._cached = cached

    async def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """Return an object that is not older than this call (rules 1 to 3).

        Raises:
            StatusError: 404, there is no such object; 503.
        """
        cache = self._cached.caches[resource]
        try:
            await self._fresh.catch_up(cache)
        except StatusError as error:
            if error.code != _TIMEOUT:
                raise
            return await self._cached.live(resource, namespace, name)
        stored = cache.get(namespace, name)
        if stored is None:
            raise errors.not_found(resource.plural, name, resource.group)
        return stored.object
