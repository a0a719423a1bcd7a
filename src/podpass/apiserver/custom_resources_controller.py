"""Accepts the names of definitions, and empties those that are being deleted.

1. Every API server does this for all definitions. What was done by another one changes nothing.
2. A definition goes when the last instance is gone: instances are deleted as anybody would delete
   them, so that their own finalizers hold them, and with them the definition.

Source: apiextensions-apiserver `controller/{status,establish,finalizer}`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from podpass.api.errors import StatusError
from podpass.api.meta import is_terminating, name_of, namespace_of, uid_of
from podpass.api.resources import CUSTOM_RESOURCE_DEFINITIONS, Object, Resource
from podpass.apiserver.deletion import CLEANUP_FINALIZER, DeleteOptions, is_released, plan_deletion
from podpass.base.clock import Clock
from podpass.storage.cached_objects import CachedObjects

LOOK_AGAIN_SECONDS = 0.5
"""How often instances are looked for that hold a definition."""

_EXPECTED = frozenset({404, 409})
_UNAVAILABLE = 503

_Change = Callable[[Object], Object]

_log = logging.getLogger("custom-resources")


class DefinitionController:
    """Follows the definitions of one API server's cache."""

    def __init__(self, cached: CachedObjects, clock: Clock) -> None:
        self._cached = cached
        self._objects = cached.objects
        self._clock = clock
        self._waiting: deque[str] = deque()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        await self._cached.wait_ready()
        self._cached.subscribe(CUSTOM_RESOURCE_DEFINITIONS, self._changed)
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                name = self._waiting.popleft()
                try:
                    again = await self._reconcile(name)
                except StatusError as error:
                    again = error.code == _UNAVAILABLE
                    if not again and error.code not in _EXPECTED:
                        _log.warning("definition %s: %s", name, error.message)
                if again:
                    await self._clock.sleep(LOOK_AGAIN_SECONDS)
                    self._enqueue(name)

    def _changed(self, _: str, old: Object | None, new: Object | None) -> None:
        obj = new or old
        if obj is None:
            return
        self._enqueue(name_of(obj))
        if new is None:
            for other in self._cached.cached_list(CUSTOM_RESOURCE_DEFINITIONS):
                if other["spec"]["group"] == obj["spec"]["group"]:
                    self._enqueue(name_of(other))  # a name may be free now

    def _enqueue(self, name: str) -> None:
        if name not in self._waiting:
            self._waiting.append(name)
        self._wake.set()

    async def _reconcile(self, name: str) -> bool:
        """Bring one definition on its way; returns whether to look again."""
        definition = self._cached.cached(CUSTOM_RESOURCE_DEFINITIONS, "", name)
        if definition is None:
            return False
        if is_terminating(definition):
            if CLEANUP_FINALIZER not in (definition["metadata"].get("finalizers") or ()):
                return False
            return await self._empty(definition)
        from podpass.api.custom_resources.naming import settled_status  # noqa: PLC0415 - rare

        def settle(current: Object) -> Object:
            others = self._cached.cached_list(CUSTOM_RESOURCE_DEFINITIONS)
            status = settled_status(current, others, now=self._clock.now())
            return current | {"status": status}

        if settle(definition) != definition:
            await self._update(definition, settle)
        return False

    async def _empty(self, definition: Object) -> bool:
        from podpass.api.custom_resources.naming import terminating_status  # noqa: PLC0415 - rare

        resource = _stored_resource(definition)
        page = await self._objects.list(resource, None)
        for stored in page.items:
            await self._delete(resource, stored.object)
        left = bool(page.items) and bool((await self._objects.list(resource, None, limit=1)).items)

        def show(current: Object) -> Object:
            now = self._clock.now()
            new = current | {"status": terminating_status(current, finished=not left, now=now)}
            if not left:
                finalizers = current["metadata"].get("finalizers") or ()
                kept = [one for one in finalizers if one != CLEANUP_FINALIZER]
                new["metadata"] = current["metadata"] | {"finalizers": kept}
            return new

        await self._update(definition, show)
        return left

    async def _update(self, definition: Object, change: _Change) -> None:
        name, uid = name_of(definition), uid_of(definition)
        stored = await self._objects.update(
            CUSTOM_RESOURCE_DEFINITIONS, "", name, change, expected_uid=uid
        )
        if is_released(CUSTOM_RESOURCE_DEFINITIONS, stored.object):
            await self._objects.delete(CUSTOM_RESOURCE_DEFINITIONS, "", name, expected_uid=uid)

    async def _delete(self, resource: Resource, obj: Object) -> None:
        deletion = plan_deletion(resource, obj, DeleteOptions(), now=self._clock.now())
        namespace, name, uid = namespace_of(obj), name_of(obj), uid_of(obj)
        version = str(obj["metadata"].get("resourceVersion", ""))
        try:
            if deletion.action == "remove":
                await self._objects.delete(resource, namespace, name, expected_uid=uid)
            elif deletion.action == "mark":
                await self._objects.update(
                    resource,
                    namespace,
                    name,
                    lambda _: deletion.object,
                    expected_uid=uid,
                    expected_resource_version=version,
                )
        except StatusError as error:
            if error.code not in _EXPECTED:
                raise


def _stored_resource(definition: Object) -> Resource:
    """Return the kind in its storage version, whether it is served or not."""
    from podpass.api.custom_resources.kind import CustomKind  # noqa: PLC0415 - rare

    spec = definition["spec"]
    version = next(one for one in spec["versions"] if one.get("storage"))
    return Resource(
        spec["group"],
        version["name"],
        spec["names"]["plural"],
        spec["names"]["kind"],
        namespaced=spec["scope"] == "Namespaced",
        custom=CustomKind(definition, version),
    )
