"""A local copy of a collection, kept fresh by list and watch.

1. List once, then watch from the list's resourceVersion; bookmarks and events move it on.
2. A watch that ends or breaks is resumed from the last version seen.
3. Only when the server no longer knows that version (410) everything is listed again, and what
   changed in between is told as changes.
4. After a failure it backs off, and never gives up.

Objects are shared with everyone: read them, never change them.
Source: client-go, `tools/cache/reflector.go`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import aclosing
from typing import TypeAlias

from podpass.api.errors import StatusError
from podpass.api.meta import name_of, namespace_of, resource_version_of
from podpass.api.resources import Object, Resource
from podpass.base.clock import Clock
from podpass.base.tasks import Backoff, jitter
from podpass.client.config import ConfigError
from podpass.client.rest import ConnectionFailed, RestClient

_log = logging.getLogger("informer")

ChangeCallback: TypeAlias = Callable[[Object | None, Object | None], None]
"""Called with (old, new); `old` is None for a new object, `new` is None for a deleted one."""

_GONE = 410
_SHORT_WATCH_SECONDS = 1.0


class Informer:
    """The objects of one resource, as far as a namespace and a field selector let through."""

    def __init__(
        self,
        client: RestClient,
        resource: Resource,
        *,
        clock: Clock,
        namespace: str | None = None,
        field_selector: str = "",
        keep: Callable[[Object], Object] | None = None,
    ) -> None:
        """Prepare; `run` starts it.

        Args:
            client: The API server.
            resource: What to copy.
            clock: For backing off.
            namespace: Only objects of this namespace.
            field_selector: Only objects that match, e.g. `spec.nodeName=master-0`.
            keep: Reduces an object to what is needed of it, to save memory.
        """
        self.resource = resource
        self._client = client
        self._clock = clock
        self._namespace = namespace
        self._field_selector = field_selector
        self._keep = keep
        self._objects: dict[tuple[str, str], Object] = {}
        self._callbacks: list[ChangeCallback] = []
        self._synced = asyncio.Event()
        self._resource_version = ""
        self._backoff = Backoff(initial=0.1, maximum=5.0)
        self._failure = ""

    @property
    def synced(self) -> bool:
        """Whether the collection was listed once."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Wait for the first list."""
        await self._synced.wait()

    def get(self, namespace: str | None, name: str) -> Object | None:
        """Return the object as last seen, or None."""
        return self._objects.get((namespace or "", name))

    def list(self, namespace: str | None = None) -> list[Object]:
        """Return all objects, or those of one namespace, in no order."""
        if namespace is None:
            return [*self._objects.values()]
        return [obj for key, obj in self._objects.items() if key[0] == namespace]

    def on_change(self, callback: ChangeCallback) -> None:
        """Have `callback` called for each later change; for what is already here, at once."""
        self._callbacks.append(callback)
        for obj in self.list():
            self._call(callback, None, obj)

    async def run(self) -> None:
        """Keep the copy fresh until cancelled."""
        listed = False
        while True:
            try:
                if not listed:
                    await self._relist()
                    listed = True
                started = self._clock.monotonic()
                await self._follow()
                if self._clock.monotonic() - started >= _SHORT_WATCH_SECONDS:
                    continue
            except StatusError as error:
                if error.code == _GONE:
                    listed = False
                else:
                    self._report(error)
            except (ConnectionFailed, ConfigError) as error:
                self._report(error)
            await self._clock.sleep(jitter(self._backoff.next_delay(), 0.5))

    def _report(self, error: Exception) -> None:
        """Log a failure, but not at every try."""
        if str(error) != self._failure:
            _log.warning("%s: %s", self.resource.qualified, error)
        self._failure = str(error)

    async def _relist(self) -> None:
        found = await self._client.list(
            self.resource, self._namespace, field_selector=self._field_selector
        )
        version = resource_version_of(found)
        current = {_key(obj): obj for obj in found["items"]}
        for key in self._objects.keys() - current.keys():
            self._remove(key)
        for obj in current.values():
            self._store(obj)
        self._resource_version = version
        self._progressed()
        self._synced.set()

    async def _follow(self) -> None:
        events = self._client.watch(
            self.resource,
            self._namespace,
            resource_version=self._resource_version,
            field_selector=self._field_selector,
        )
        async with aclosing(events):
            async for kind, obj in events:
                if kind == "DELETED":
                    self._remove(_key(obj), obj)
                elif kind != "BOOKMARK":
                    self._store(obj)
                self._resource_version = resource_version_of(obj) or self._resource_version
                self._progressed()

    def _progressed(self) -> None:
        self._backoff.reset()
        self._failure = ""

    def _store(self, obj: Object) -> None:
        key = _key(obj)
        old = self._objects.get(key)
        if old is not None and resource_version_of(old) == resource_version_of(obj):
            return
        new = self._keep(obj) if self._keep else obj
        self._objects[key] = new
        self._notify(self._callbacks, old, new)

    def _remove(self, key: tuple[str, str], last: Object | None = None) -> None:
        old = self._objects.pop(key, None)
        if old is not None:
            final = old if last is None else (self._keep(last) if self._keep else last)
            self._notify(self._callbacks, final, None)

    def _notify(
        self, callbacks: Iterable[ChangeCallback], old: Object | None, new: Object | None
    ) -> None:
        for callback in callbacks:
            self._call(callback, old, new)

    def _call(self, callback: ChangeCallback, old: Object | None, new: Object | None) -> None:
        try:
            callback(old, new)
        except Exception:  # noqa: BLE001 - the boundary to a controller; its bug stops no other
            _log.exception("%s: a listener failed", self.resource.qualified)


def _key(obj: Object) -> tuple[str, str]:
    return namespace_of(obj), name_of(obj)
