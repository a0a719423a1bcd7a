"""Informers of custom kinds: one starts with each definition that is served, and ends with it.

Only metadata is kept: who owns what, and what is in a namespace, is all that controllers ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from podpass.api.meta import find_condition, name_of
from podpass.api.resources import Object, Resource
from podpass.base.clock import Clock
from podpass.client.informer import Informer
from podpass.client.rest import RestClient

CustomChange: TypeAlias = Callable[[Resource, Object | None, Object | None], None]
"""Called with the kind, the object before and the object after."""


@dataclass(frozen=True, slots=True)
class _Followed:
    resource: Resource
    informer: Informer
    task: asyncio.Task[None]


class CustomInformers:
    """The informers of all custom kinds, by definition."""

    def __init__(self, client: RestClient, definitions: Informer, clock: Clock) -> None:
        self._client = client
        self._definitions = definitions
        self._clock = clock
        self._followed: dict[str, _Followed] = {}
        self._callbacks: list[CustomChange] = []

    def __iter__(self) -> Iterator[Resource]:
        """Iterate over the kinds of now."""
        return iter([one.resource for one in self._followed.values()])

    def get(self, resource: Resource) -> Informer | None:
        """Return the informer of a kind, or None."""
        found = self._followed.get(resource.qualified)
        return found.informer if found is not None and found.resource == resource else None

    def find_kind(self, api_version: str, kind: str) -> Resource | None:
        """Return the kind of an owner reference, whatever version it names, or None."""
        group = api_version.partition("/")[0]
        return next((one for one in self if (one.group, one.kind) == (group, kind)), None)

    def on_change(self, callback: CustomChange) -> None:
        """Have `callback` called for each later change; for what is already here, at once."""
        self._callbacks.append(callback)
        for one in self._followed.values():
            one.informer.on_change(partial(callback, one.resource))

    async def run(self) -> None:
        """Follow the definitions until cancelled."""
        self._definitions.on_change(self._definition_changed)
        try:
            await asyncio.Event().wait()
        finally:
            tasks = [one.task for one in self._followed.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _definition_changed(self, old: Object | None, new: Object | None) -> None:
        definition = new or old
        if definition is None:
            return
        name = name_of(definition)
        resource = served_resource(new) if new is not None else None
        followed = self._followed.get(name)
        if followed is not None and followed.resource != resource:
            self._stop(name, followed)
            followed = None
        if resource is None or followed is not None:
            return
        informer = Informer(self._client, resource, clock=self._clock, keep=_metadata_only)
        task = asyncio.create_task(informer.run(), name=f"informer of {name}")
        self._followed[name] = _Followed(resource, informer, task)
        for callback in self._callbacks:
            informer.on_change(partial(callback, resource))

    def _stop(self, name: str, followed: _Followed) -> None:
        followed.task.cancel()
        del self._followed[name]
        for obj in followed.informer.list():
            for callback in self._callbacks:
                callback(followed.resource, obj, None)


def served_resource(definition: Object) -> Resource | None:
    """Return the kind that a definition serves, in one of its versions, or None."""
    spec, status = definition["spec"], definition.get("status") or {}
    established = find_condition(status.get("conditions") or (), "Established")
    if established is None or established.get("status") != "True":
        return None
    served = [one for one in spec["versions"] if one.get("served")]
    if not served:
        return None
    chosen = next((one for one in served if one.get("storage")), served[0])
    names = spec["names"]
    return Resource(
        spec["group"],
        chosen["name"],
        names["plural"],
        names["kind"],
        namespaced=spec["scope"] == "Namespaced",
    )


def without_schemas(definition: Object) -> Object:
    """Return a definition as far as controllers need it."""
    spec = definition["spec"]
    kept = ("name", "served", "storage")
    versions = [{key: one[key] for key in kept if key in one} for one in spec["versions"]]
    return definition | {"spec": spec | {"versions": versions}}


def _metadata_only(obj: Object) -> Object:
    return {key: obj[key] for key in ("apiVersion", "kind", "metadata") if key in obj}
