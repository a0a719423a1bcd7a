"""Look-ups for token requests and checks: the cache first, the store where the cache may be behind.

A cached object is believed when it has the UID that is asked for. Where it is missing or has
another UID the store decides: the object may have been written by another API server a moment ago.
"""

from __future__ import annotations

from dataclasses import dataclass

from podpass.api.errors import StatusError
from podpass.api.meta import uid_of
from podpass.api.resources import Object, Resource
from podpass.apiserver.object_reader import ObjectReader
from podpass.serviceaccount.claims import ObjectRef

_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class LiveObjects:
    """Implements `serviceaccount.validation.ObjectLookup`."""

    reader: ObjectReader

    async def get(self, resource: Resource, namespace: str, name: str, uid: str = "") -> Object:
        """Return the object, from the cache if it is there with this UID (or none is asked for).

        Raises:
            StatusError: 404, there is no such object.
        """
        cached = self.reader.cached(resource, namespace, name)
        if cached is not None and (not uid or uid == uid_of(cached)):
            return cached
        return await self.reader.live(resource, namespace, name)

    async def find(self, resource: Resource, namespace: str, ref: ObjectRef) -> Object | None:
        """Return the object, or None if there is none."""
        try:
            return await self.get(resource, namespace, ref.name, ref.uid)
        except StatusError as error:
            if error.code != _NOT_FOUND:
                raise
            return None
