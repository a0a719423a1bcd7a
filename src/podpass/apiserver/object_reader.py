"""How authentication, authorization and admission read objects: from the watch cache, or live.

Objects are shared with the cache and are read-only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias

from podpass.api.resources import Object, Resource

ObjectCallback: TypeAlias = Callable[[str, Object | None, Object | None], None]
"""Called with the storage key, the object before and the object after; None where there is none."""


class ObjectReader(Protocol):
    """Reads of stored objects without going through the HTTP layer."""

    def cached(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """Return the object as this process last saw it, or None; never waits."""
        ...

    def cached_list(self, resource: Resource, namespace: str | None = None) -> Iterable[Object]:
        """Return all objects, or those of one namespace, as this process last saw them."""
        ...

    async def live(self, resource: Resource, namespace: str, name: str) -> Object:
        """Read from the store.

        Raises:
            StatusError: 404, there is no such object.
        """
        ...

    def subscribe(self, resource: Resource, callback: ObjectCallback) -> None:
        """Call `callback` for every object known now and for every later change.

        Calls come in order, from the event loop, and must not block.
        """
        ...
