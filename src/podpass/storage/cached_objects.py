"""All stored resources of a process: cached reads, live reads, and calls on change."""

from __future__ import annotations

from collections.abc import Iterator

from podpass.api import errors
from podpass.api.resources import Object, Resource, stored_resources
from podpass.base.clock import Clock
from podpass.storage.cache_feed import CacheFeed
from podpass.storage.defined_kinds import DefinedKinds
from podpass.storage.objects import ObjectStore
from podpass.storage.watch_cache import DEFAULT_HISTORY, ChangeCallback, WatchCache


class CachedObjects:
    """A watch cache for every stored resource, fed by one watch of the store.

    Args:
        objects: The store.
        clock: For pauses and bookmarks.
        history: Changes that each cache keeps for watches that start in the past.

    Attributes:
        objects: The store, for live reads and writes.
        caches: By resource.
        custom: The kinds that are defined at run time; their caches are among the others.
    """

    def __init__(
        self, objects: ObjectStore, *, clock: Clock, history: int = DEFAULT_HISTORY
    ) -> None:
        self.objects = objects
        self.caches = _Caches(
            (resource, WatchCache(objects, resource, history=history))
            for resource in stored_resources()
        )
        self._by_prefix = {
            objects.collection(resource): (cache,) for resource, cache in self.caches.items()
        }
        self.custom = DefinedKinds(objects, self.caches, history=history)
        self._feed = CacheFeed(
            objects.store,
            f"{objects.prefix}/",
            self.caches,
            self._route,
            self.custom,
            clock=clock,
            history=history,
        )

    async def run(self) -> None:
        """Fill the caches and keep them up to date until the store is closed."""
        await self._feed.run()

    async def wait_ready(self) -> None:
        """Return when all caches have been filled."""
        for cache in tuple(self.caches.values()):
            await cache.wait_ready()

    @property
    def ready(self) -> bool:
        """Whether all caches have been filled."""
        return all(cache.ready for cache in self.caches.values())

    def cached(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Return the object as this process last saw it, or None; read-only."""
        stored = self.caches[resource].get(namespace, name)
        return None if stored is None else stored.object

    def cached_list(self, resource: Resource, namespace: str | None = None) -> Iterator[Object]:
        """Iterate over all objects, or those of one namespace, as last seen; read-only."""
        return (stored.object for stored in self.caches[resource].list(namespace))

    async def live(self, resource: Resource, namespace: str, name: str) -> Object:
        """Read from the store itself.

        Raises:
            StatusError: 404, there is no such object; 503.
        """
        return (await self.objects.get(resource, namespace, name)).object

    def subscribe(self, resource: Resource, callback: ChangeCallback) -> None:
        """Call `callback` for every object known now and for every later change."""
        self.caches[resource].call_on_change(callback)

    def _route(self, key: str) -> tuple[WatchCache, ...]:
        # /registry/GROUP/PLURAL/...: the first two parts behind the root name the resource.
        group_end = key.find("/", len(self.objects.prefix) + 1)
        plural_end = key.find("/", group_end + 1)
        prefix = key[: plural_end + 1]
        return self._by_prefix.get(prefix) or self.custom.caches_of(prefix)


class _Caches(dict[Resource, WatchCache]):
    """Caches by resource; a request may come behind the end of its custom kind."""

    def __missing__(self, resource: Resource) -> WatchCache:
        raise errors.no_such_path()
