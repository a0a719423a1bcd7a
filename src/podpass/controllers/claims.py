"""Which objects belong to a workload: found by its selector, kept by their owner reference.

1. What names the workload as its controller belongs to it; when its labels no longer match, it is
   let go.
2. What matches, and has no controller, is adopted, but not by a workload that is being deleted.
3. What another controller owns is left alone; so are the pods of kubelets themselves.

Source: Kubernetes, `pkg/controller/controller_ref_manager.go`.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from podpass.api.errors import StatusError
from podpass.api.meta import (
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
    resource_version_of,
    uid_of,
)
from podpass.api.resources import Object, Resource
from podpass.api.selectors import LabelSelector
from podpass.client.rest import RestClient
from podpass.controllers.ownership import owner_references_of
from podpass.controllers.pods import is_mirror
from podpass.controllers.refusals import is_conflict, is_not_found


class Claim(enum.Enum):
    """What an object is to a workload."""

    OURS = "it belongs to the workload"
    ADOPTABLE = "it has no controller, and matches"
    LOST = "it names the workload, but does not match any more"
    NOT_OURS = "it is none of the workload's business"


def controller_of(obj: Object) -> Object | None:
    """Return the owner reference of the controller, or None."""
    return next((one for one in owner_references_of(obj) if one.get("controller")), None)


def is_controlled_by(obj: Object, owner: Object) -> bool:
    """Tell whether `owner` is the controller of the object."""
    reference = controller_of(obj)
    return reference is not None and reference.get("uid") == uid_of(owner)


def controller_reference(resource: Resource, owner: Object) -> Object:
    """Return the reference that makes `owner`, of this kind, the controller of an object."""
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def selector_of(workload: Object) -> LabelSelector:
    """Return the selector of a workload; validation saw to it that it can be read."""
    return LabelSelector.from_object((workload.get("spec") or {}).get("selector"))


def judge_claim(workload: Object, selector: LabelSelector, obj: Object) -> Claim:
    """Tell what an object of the workload's namespace is to it."""
    matches = not selector.is_empty and selector.matches(labels_of(obj))
    reference = controller_of(obj)
    if reference is not None:
        if reference.get("uid") != uid_of(workload):
            return Claim.NOT_OURS
        if matches:
            return Claim.OURS
        return Claim.NOT_OURS if is_terminating(workload) else Claim.LOST
    if not matches or is_terminating(workload) or is_terminating(obj) or is_mirror(obj):
        return Claim.NOT_OURS
    return Claim.ADOPTABLE


class Claims:
    """Adopts and lets go."""

    def __init__(self, client: RestClient, owners: Resource, dependents: Resource) -> None:
        """Prepare.

        Args:
            client: The API server.
            owners: Kind of the workloads.
            dependents: Kind of what they own.
        """
        self._client = client
        self._owners = owners
        self._dependents = dependents

    async def claim(self, workload: Object, candidates: Iterable[Object]) -> list[Object]:
        """Return those that belong to the workload, after adopting and letting go.

        Args:
            workload: The workload.
            candidates: All of its namespace.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        selector = selector_of(workload)
        ours: list[Object] = []
        may_adopt: bool | None = None
        for obj in candidates:
            verdict = judge_claim(workload, selector, obj)
            if verdict is Claim.OURS:
                ours.append(obj)
            elif verdict is Claim.LOST:
                await self._let_go(workload, obj)
            elif verdict is Claim.ADOPTABLE:
                if may_adopt is None:
                    may_adopt = await self._may_adopt(workload)
                adopted = await self._adopt(workload, obj) if may_adopt else None
                if adopted is not None:
                    ours.append(adopted)
        return ours

    async def _may_adopt(self, workload: Object) -> bool:
        """Look at the API server itself: a workload that goes must not take others with it."""
        try:
            found = await self._client.get(self._owners, namespace_of(workload), name_of(workload))
        except StatusError as error:
            if is_not_found(error):
                return False
            raise
        return uid_of(found) == uid_of(workload) and not is_terminating(found)

    async def _adopt(self, workload: Object, obj: Object) -> Object | None:
        reference = controller_reference(self._owners, workload)
        return await self._write(obj, [*owner_references_of(obj), reference])

    async def _let_go(self, workload: Object, obj: Object) -> None:
        kept = [one for one in owner_references_of(obj) if one.get("uid") != uid_of(workload)]
        await self._write(obj, kept)

    async def _write(self, obj: Object, references: list[Object]) -> Object | None:
        patch = {
            "metadata": {
                "uid": uid_of(obj),
                "resourceVersion": resource_version_of(obj),
                "ownerReferences": references,
            }
        }
        try:
            return await self._client.patch(
                self._dependents, namespace_of(obj), name_of(obj), patch
            )
        except StatusError as error:
            # A conflict means that it changed: the informer brings it back here.
            if is_not_found(error) or is_conflict(error):
                return None
            raise
