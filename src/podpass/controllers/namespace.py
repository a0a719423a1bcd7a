"""Empties a namespace that is being deleted, and then lets it go.

1. Pods go first, each with its grace period, so that a pod that ends can still use its account,
   secrets and configuration; everything else follows when the last pod is gone.
2. What remains, and the finalizers that keep it, stands in the namespace's conditions.
3. When nothing is left the finalizer `kubernetes` is taken off by `PUT .../finalize`.

Source: Kubernetes, `pkg/controller/namespace/deletion/namespaced_resources_deleter.go`, KEP-5080.
"""

from __future__ import annotations

from podpass.api.errors import StatusError
from podpass.api.meta import is_terminating, name_of, namespace_of, uid_of
from podpass.api.resources import NAMESPACES, PODS, Object, Resource, stored_resources
from podpass.base.clock import Clock
from podpass.client.controller import Controller, RetryAfter
from podpass.client.rest import RestClient
from podpass.controllers.namespace_conditions import Remains, deletion_conditions
from podpass.controllers.refusals import is_conflict, is_not_found
from podpass.controllers.shared_informers import SharedInformers

FINALIZER = "kubernetes"
LOOK_AGAIN_SECONDS = 5.0
_WORKERS = 4


def finalizers_of(namespace: Object) -> list[str]:
    """Return what must still be done before the namespace may go."""
    return (namespace.get("spec") or {}).get("finalizers") or []


class NamespaceController:
    """Deletes the content of namespaces; keys are namespaces."""

    def __init__(self, client: RestClient, informers: SharedInformers, clock: Clock) -> None:
        self._client = client
        self._informers = informers
        self._clock = clock
        self._controller = Controller("namespace", self.reconcile, clock=clock, workers=_WORKERS)
        self._kinds = [one for one in stored_resources() if one.namespaced and one is not PODS]

    async def run(self) -> None:
        """Work until cancelled."""
        await self._informers.wait_synced(NAMESPACES)
        self._informers[NAMESPACES].on_change(self._namespace_changed)
        for resource in self._informers:
            if resource.namespaced:
                self._informers[resource].on_change(self._content_changed)
        self._informers.custom.on_change(lambda _, old, new: self._content_changed(old, new))
        await self._controller.run()

    async def reconcile(self, name: str) -> RetryAfter | None:
        """Go on with the deletion of one namespace.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        namespace = self._informers[NAMESPACES].get(None, name)
        if namespace is None or not is_terminating(namespace):
            return None
        if FINALIZER not in finalizers_of(namespace):
            return None
        remains = Remains()
        await self._empty(PODS, name, remains)  # 1
        if not remains.counts:
            for resource in (*self._kinds, *self._informers.custom):
                if not resource.namespaced:
                    continue
                await self._empty(resource, name, remains)
        await self._show(namespace, remains)
        if remains.counts or remains.failures:
            return RetryAfter(LOOK_AGAIN_SECONDS)
        await self._finalize(name, uid_of(namespace))
        return None

    async def _empty(self, resource: Resource, namespace: str, remains: Remains) -> None:
        """Delete all objects of a kind, and note which do not go at once."""
        try:
            listed = await self._client.list(resource, namespace)
        except StatusError as error:
            if is_not_found(error):
                return  # the kind itself is gone
            raise
        if not listed["items"]:
            return
        for obj in listed["items"]:
            if is_terminating(obj):
                continue
            try:
                await self._client.delete(
                    resource,
                    namespace,
                    name_of(obj),
                    uid=uid_of(obj),
                    propagation_policy="Background",
                )
            except StatusError as error:
                if not (is_not_found(error) or is_conflict(error)):
                    remains.failures.append(error.message)
        left = await self._client.list(resource, namespace)
        for obj in left["items"]:
            remains.add(resource, obj)

    async def _show(self, namespace: Object, remains: Remains) -> None:  # 2
        status = namespace.get("status") or {}
        former = status.get("conditions") or []
        if not former and not remains.counts and not remains.failures:
            return
        conditions = deletion_conditions(former, remains, now=self._clock.now())
        if conditions == former:
            return
        patch = {"status": {"phase": "Terminating", "conditions": conditions}}
        try:
            await self._client.patch(
                NAMESPACES, None, name_of(namespace), patch, subresource="status"
            )
        except StatusError as error:
            if not is_not_found(error):
                raise

    async def _finalize(self, name: str, uid: str) -> None:  # 3
        try:
            namespace = await self._client.get(NAMESPACES, None, name)
            if uid_of(namespace) != uid:
                return
            left = [one for one in finalizers_of(namespace) if one != FINALIZER]
            spec = (namespace.get("spec") or {}) | {"finalizers": left}
            await self._client.update(
                NAMESPACES, namespace | {"spec": spec}, subresource="finalize"
            )
        except StatusError as error:
            if not is_not_found(error):
                raise

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:  # noqa: ARG002
        if new is not None and is_terminating(new):
            self._controller.enqueue(name_of(new))

    def _content_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            namespace = self._informers[NAMESPACES].get(None, namespace_of(old))
            if namespace is not None and is_terminating(namespace):
                self._controller.enqueue(namespace_of(old))
