"""From a change of a pod, or of another owned object, to the workloads that must look at it."""

from __future__ import annotations

from collections.abc import Callable

from podpass.api.meta import is_terminating, labels_of, name_of, namespace_of, uid_of
from podpass.api.resources import Object, Resource
from podpass.client.controller import object_key
from podpass.client.informer import Informer
from podpass.controllers.claims import controller_of, selector_of
from podpass.controllers.expectations import Expectations


class OwnerRouting:
    """Queues the owners of what changes, and tells the expectations what was seen."""

    def __init__(
        self,
        owners: Informer,
        enqueue: Callable[[str], None],
        expectations: Expectations | None = None,
    ) -> None:
        """Prepare; give `changed` to the informer of the owned kind.

        Args:
            owners: The workloads.
            enqueue: Takes the key of a workload.
            expectations: Of the workloads' controller.
        """
        self._owners = owners
        self._resource: Resource = owners.resource
        self._enqueue = enqueue
        self._expectations = expectations

    def changed(self, old: Object | None, new: Object | None) -> None:
        """Take note of a change; either side is None for none."""
        for obj in (old, new):
            if obj is not None and (key := self._owner_key(obj)) is not None:
                self._note(key, old, new)
                owner = self._owners.get(namespace_of(obj), key.rpartition("/")[2])
                reference = controller_of(obj)
                if owner is not None and reference and reference.get("uid") == uid_of(owner):
                    self._enqueue(key)
        if new is not None and controller_of(new) is None and _may_be_adopted(old, new):
            for owner in self._owners.list(namespace_of(new)):
                if selector_of(owner).matches(labels_of(new)):
                    self._enqueue(object_key(owner))

    def _owner_key(self, obj: Object) -> str | None:
        reference = controller_of(obj)
        if (
            reference is None
            or reference.get("kind") != self._resource.kind
            or reference.get("apiVersion") != self._resource.api_version
        ):
            return None
        return f"{namespace_of(obj)}/{reference.get('name', '')}"

    def _note(self, key: str, old: Object | None, new: Object | None) -> None:
        if self._expectations is None:
            return
        if new is not None:
            self._expectations.created(key, name_of(new))
        gone = old if new is None or (old and uid_of(old) != uid_of(new)) else None
        if gone is not None:
            self._expectations.deleted(key, uid_of(gone))
        if new is not None and is_terminating(new):
            self._expectations.deleted(key, uid_of(new))


def _may_be_adopted(old: Object | None, new: Object) -> bool:
    return old is None or controller_of(old) is not None or labels_of(old) != labels_of(new)
