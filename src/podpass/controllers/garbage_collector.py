"""Deletes what lost its owners, in the background, in the foreground or not at all.

`ownership` decides; here the owners are looked up and the outcome is written. An owner that is not
in the informer's copy is asked for at the API server before anything is deleted. All writes name
UID and resourceVersion, so that nothing happens on old knowledge.

Source: Kubernetes, `pkg/controller/garbagecollector`.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from podpass.api.errors import StatusError
from podpass.api.meta import is_terminating, name_of, namespace_of, resource_version_of, uid_of
from podpass.api.resources import Object, Resource
from podpass.base.clock import Clock
from podpass.client.controller import Controller, object_key, split_key
from podpass.client.events import EventRecorder
from podpass.client.rest import RestClient
from podpass.controllers.ownership import (
    FOREGROUND_FINALIZER,
    ORPHAN_FINALIZER,
    Delete,
    Dependents,
    DropOwners,
    OwnerState,
    finalizers_of,
    judge,
    orphans_dependents,
    owner_references_of,
    waits_for_dependents,
    worth_a_look,
)
from podpass.controllers.refusals import is_conflict, is_not_found
from podpass.controllers.shared_informers import SharedInformers

_log = logging.getLogger("garbage-collector")
_WORKERS = 4


class GarbageCollector:
    """Follows owner references of all stored kinds; keys are `resource|namespace/name`."""

    def __init__(
        self,
        client: RestClient,
        informers: SharedInformers,
        clock: Clock,
        recorder: EventRecorder,
    ) -> None:
        self._client = client
        self._informers = informers
        self._recorder = recorder
        self._resources = {resource.qualified: resource for resource in informers}
        self._dependents = Dependents()
        self._controller = Controller(
            "garbage-collector", self.reconcile, clock=clock, workers=_WORKERS
        )

    async def run(self) -> None:
        """Work until cancelled."""
        await self._informers.wait_synced()
        for resource in self._informers:
            self._informers[resource].on_change(partial(self._changed, resource))
        self._informers.custom.on_change(self._changed)
        await self._controller.run()

    async def reconcile(self, key: str) -> None:
        """Bring one object in line with its owners, and its dependents with it.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        resource, obj = self._find(key)
        if resource is None or obj is None:
            return
        try:
            if orphans_dependents(obj):
                await self._orphan(resource, obj)
            elif waits_for_dependents(obj):
                await self._wait_for_dependents(resource, obj)
            elif not is_terminating(obj):
                await self._collect(resource, obj)
        except StatusError as error:
            # A conflict means that the object changed: the informer brings it back here.
            if not (is_not_found(error) or is_conflict(error)):
                raise

    async def _collect(self, resource: Resource, obj: Object) -> None:
        references = owner_references_of(obj)
        states = [await self._owner_state(resource, obj, one) for one in references]
        verdict = judge(obj, states, has_dependents=bool(self._dependents.of(uid_of(obj))))
        if isinstance(verdict, DropOwners):
            await self._patch(resource, obj, {"ownerReferences": list(verdict.remaining)})
        elif isinstance(verdict, Delete):
            _log.info("deleting %s, its owners are gone", _key(resource, obj))
            await self._client.delete(
                resource,
                namespace_of(obj),
                name_of(obj),
                uid=uid_of(obj),
                resource_version=resource_version_of(obj),
                propagation_policy=verdict.policy,
            )

    async def _owner_state(self, resource: Resource, obj: Object, reference: Object) -> OwnerState:
        kind = self._informers.find_kind(reference.get("apiVersion", ""), reference.get("kind", ""))
        if kind is None:
            return OwnerState.SOLID  # a kind we know nothing of: keep what belongs to it
        if kind.namespaced and not resource.namespaced:
            self._recorder.record(
                obj,
                "Warning",
                "OwnerRefInvalidNamespace",
                f"ownerRef {reference.get('kind')}/{reference.get('name')} is namespaced, "
                "but the object is not: it is ignored",
            )
            return OwnerState.SOLID
        namespace = namespace_of(obj) if kind.namespaced else None
        name, uid = reference.get("name", ""), reference.get("uid", "")
        informer = self._informers.find(kind)
        owner = informer.get(namespace, name) if informer is not None else None
        if owner is None or uid_of(owner) != uid:
            try:
                owner = await self._client.get(kind, namespace, name)
            except StatusError as error:
                if not is_not_found(error):
                    raise
                return OwnerState.DANGLING
        if uid_of(owner) != uid:
            return OwnerState.DANGLING
        return OwnerState.WAITING if waits_for_dependents(owner) else OwnerState.SOLID

    async def _wait_for_dependents(self, resource: Resource, obj: Object) -> None:
        dependents = self._dependents.of(uid_of(obj))
        if any(dependents.values()):
            for key in dependents:
                self._controller.enqueue(key)
            return
        await self._drop_finalizer(resource, obj, FOREGROUND_FINALIZER)

    async def _orphan(self, resource: Resource, obj: Object) -> None:
        uid = uid_of(obj)
        await asyncio.gather(*(self._free(key, uid) for key in [*self._dependents.of(uid)]))
        await self._drop_finalizer(resource, obj, ORPHAN_FINALIZER)

    async def _free(self, key: str, owner_uid: str) -> None:
        """Take the reference to an owner off a dependent, whatever else changes meanwhile."""
        resource, known = self._find(key)
        if resource is None or known is None:
            return
        while True:
            try:
                obj = await self._client.get(resource, namespace_of(known), name_of(known))
                references = owner_references_of(obj)
                remaining = [one for one in references if one.get("uid") != owner_uid]
                if len(remaining) < len(references):
                    await self._patch(resource, obj, {"ownerReferences": remaining})
            except StatusError as error:
                if is_conflict(error):
                    continue
                if not is_not_found(error):
                    raise
            return

    async def _drop_finalizer(self, resource: Resource, obj: Object, finalizer: str) -> None:
        left = [one for one in finalizers_of(obj) if one != finalizer]
        await self._patch(resource, obj, {"finalizers": left})

    async def _patch(self, resource: Resource, obj: Object, metadata: Object) -> None:
        same = {"uid": uid_of(obj), "resourceVersion": resource_version_of(obj)}
        patch = {"metadata": same | metadata}
        await self._client.patch(resource, namespace_of(obj), name_of(obj), patch)

    def _find(self, key: str) -> tuple[Resource | None, Object | None]:
        qualified, _, rest = key.partition("|")
        resource = self._resources.get(qualified)
        if resource is None:
            resource = next(
                (one for one in self._informers.custom if one.qualified == qualified), None
            )
        informer = self._informers.find(resource) if resource is not None else None
        return resource, informer.get(*split_key(rest)) if informer is not None else None

    def _changed(self, resource: Resource, old: Object | None, new: Object | None) -> None:
        obj = new or old
        if obj is None:
            return
        key = _key(resource, obj)
        self._dependents.update(key, old, new)
        if new is not None and worth_a_look(old, new):
            self._controller.enqueue(key)
        if old is not None and (new is None or uid_of(old) != uid_of(new)):
            for dependent in self._dependents.of(uid_of(old)):
                self._controller.enqueue(dependent)
        if old is not None:
            self._wake_owners(old)

    def _wake_owners(self, obj: Object) -> None:
        """Let owners look again that may have waited for this object."""
        for reference in owner_references_of(obj):
            kind = self._informers.find_kind(
                reference.get("apiVersion", ""), reference.get("kind", "")
            )
            informer = self._informers.find(kind) if kind is not None else None
            if kind is None or informer is None:
                continue
            namespace = namespace_of(obj) if kind.namespaced else None
            owner = informer.get(namespace, reference.get("name", ""))
            if owner is not None and waits_for_dependents(owner):
                self._controller.enqueue(_key(kind, owner))


def _key(resource: Resource, obj: Object) -> str:
    return f"{resource.qualified}|{object_key(obj)}"
