"""The custom kinds that this process serves: their resources and watch caches come and go.

1. It follows the watch cache of the definitions; whoever feeds that one feeds these.
2. When a definition changes what is served, its caches start over: watches end, as they do in
   Kubernetes, and their clients begin again.
3. A cache is filled from the store, at the revision where its definition stands; nobody who asks
   for that revision sees it before.
4. Nothing is loaded or kept while there is no definition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from podpass.api.resources import CUSTOM_RESOURCE_DEFINITIONS, Object, Resource
from podpass.storage.interface import KeyValue, StoreRevision
from podpass.storage.objects import ObjectStore
from podpass.storage.stored_object import load_as
from podpass.storage.watch_cache import WatchCache


class DefinedKinds:
    """Resources and caches of custom kinds.

    Args:
        objects: Knows the keys.
        caches: Where the caches are added to and taken from; the one of definitions is in it.
        history: Changes that each cache keeps.

    Attributes:
        unfilled: Storage prefixes whose caches wait to be filled (rule 3).
    """

    def __init__(
        self, objects: ObjectStore, caches: dict[Resource, WatchCache], *, history: int
    ) -> None:
        self._objects = objects
        self._caches = caches
        self._history = history
        self._by_plural: dict[tuple[str, str, str], Resource] = {}
        self._by_prefix: dict[str, tuple[Resource, ...]] = {}
        self.unfilled: list[str] = []
        caches[CUSTOM_RESOURCE_DEFINITIONS].call_on_change(self._definition_changed)

    def __iter__(self) -> Iterator[Resource]:
        """Iterate over the served resources."""
        return iter(tuple(self._by_plural.values()))

    def in_order(self) -> list[Resource]:
        """Return the served resources by group, in each group the preferred version first."""
        if not self._by_plural:
            return []
        from podpass.api.custom_resources.definition import version_priority  # noqa: PLC0415 - 4

        return sorted(self, key=lambda one: (one.group, version_priority(one.version), one.plural))

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """Return the resource at this path, or None if it is not served."""
        return self._by_plural.get((group, version, plural))

    def caches_of(self, prefix: str) -> tuple[WatchCache, ...]:
        """Return the caches, one a version, of the objects below a storage prefix."""
        return tuple(self._caches[one] for one in self._by_prefix.get(prefix, ()))

    def reset(self, prefix: str, entries: Sequence[KeyValue], revision: StoreRevision) -> None:
        """Fill the caches of a prefix from a snapshot."""
        for cache in self.caches_of(prefix):
            cache.reset([load_as(cache.resource, one) for one in entries], revision)
            cache.mark_ready()
            cache.progress(revision)
        self.unfilled = [one for one in self.unfilled if one != prefix]

    def _definition_changed(self, _: str, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and _serves_the_same(old, new):
            return
        from podpass.api.custom_resources.definition import served_resources  # noqa: PLC0415 - 4

        definition = new or old
        if definition is None:
            return
        served = served_resources(new) if new is not None else []
        spec = definition["spec"]
        group, plural = spec["group"], spec["names"]["plural"]
        prefix = f"{self._objects.prefix}/{group}/{plural}/"
        kept: dict[Resource, WatchCache] = {}
        for former in self._by_prefix.pop(prefix, ()):
            del self._by_plural[former.group, former.version, former.plural]
            cache = self._caches.pop(former)
            if former in served:
                kept[former] = cache
            else:
                cache.close()
        if served:
            self._by_prefix[prefix] = tuple(served)
            self.unfilled.append(prefix)
        for resource in served:
            self._by_plural[group, resource.version, plural] = resource
            again = kept.get(resource)
            if again is None:
                again = WatchCache(self._objects, resource, history=self._history)
            again.resource = resource  # equal to the former but for its rules
            self._caches[resource] = again


def _serves_the_same(old: Object, new: Object) -> bool:
    from podpass.api.custom_resources.naming import is_established  # noqa: PLC0415 - rule 4

    before, after = old.get("status") or {}, new.get("status") or {}
    return (
        old["spec"] == new["spec"]
        and before.get("acceptedNames") == after.get("acceptedNames")
        and is_established(old) == is_established(new)
    )
