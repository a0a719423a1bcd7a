"""Who owns whom, and what follows when an owner goes. Pure.

An object whose owners are all gone is deleted; one that still has a living owner only loses the
references to the others. An owner that is deleted in the foreground waits for the dependents that
block it; one that is deleted with its dependents orphaned first frees them.
Source: Kubernetes, `pkg/controller/garbagecollector/garbagecollector.go` (`attemptToDeleteItem`).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from podpass.api.meta import is_terminating, uid_of
from podpass.api.resources import Object

FOREGROUND_FINALIZER = "foregroundDeletion"
ORPHAN_FINALIZER = "orphan"

PropagationPolicy: TypeAlias = Literal["Background", "Foreground", "Orphan"]


class OwnerState(enum.Enum):
    """What became of an owner."""

    SOLID = "it is there"
    WAITING = "it is being deleted in the foreground, and waits for its dependents"
    DANGLING = "it is gone"


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave the object as it is."""


@dataclass(frozen=True, slots=True)
class DropOwners:
    """Write the object with only these references."""

    remaining: tuple[Object, ...]


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the object."""

    policy: PropagationPolicy


Verdict: TypeAlias = Keep | DropOwners | Delete


def owner_references_of(obj: Object) -> list[Object]:
    """Return the owner references; not to be changed."""
    return obj.get("metadata", {}).get("ownerReferences") or []


def finalizers_of(obj: Object) -> list[str]:
    """Return the finalizers; not to be changed."""
    return obj.get("metadata", {}).get("finalizers") or []


def waits_for_dependents(obj: Object) -> bool:
    """Tell whether the object is being deleted in the foreground."""
    return is_terminating(obj) and FOREGROUND_FINALIZER in finalizers_of(obj)


def orphans_dependents(obj: Object) -> bool:
    """Tell whether the object is being deleted and its dependents shall stay."""
    return is_terminating(obj) and ORPHAN_FINALIZER in finalizers_of(obj)


def judge(obj: Object, states: Sequence[OwnerState], *, has_dependents: bool) -> Verdict:
    """Decide what becomes of an object that has owners.

    Args:
        obj: The object; not terminating.
        states: State of the owner of each reference, in order.
        has_dependents: Whether the object itself owns others.
    """
    if not states:
        return Keep()
    pairs = list(zip(owner_references_of(obj), states, strict=True))
    solid = tuple(reference for reference, state in pairs if state is OwnerState.SOLID)
    if solid:
        return Keep() if len(solid) == len(pairs) else DropOwners(solid)
    if OwnerState.WAITING in states and has_dependents:
        return Delete("Foreground")
    if ORPHAN_FINALIZER in finalizers_of(obj):
        return Delete("Orphan")
    if FOREGROUND_FINALIZER in finalizers_of(obj):
        return Delete("Foreground")
    return Delete("Background")


class Dependents:
    """Which objects name which owners, by the owners' UIDs."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, bool]] = {}

    def update(self, key: str, old: Object | None, new: Object | None) -> None:
        """Take note of a change of the object `key`; either side is None for none."""
        for reference in owner_references_of(old) if old else ():
            keys = self._of.get(reference.get("uid", ""), {})
            keys.pop(key, None)
            if not keys:
                self._of.pop(reference.get("uid", ""), None)
        for reference in owner_references_of(new) if new else ():
            blocks = bool(reference.get("blockOwnerDeletion"))
            self._of.setdefault(reference.get("uid", ""), {})[key] = blocks

    def of(self, uid: str) -> Mapping[str, bool]:
        """Return the keys of the dependents of a UID, and whether each blocks its deletion."""
        return self._of.get(uid, {})


def worth_a_look(old: Object | None, new: Object) -> bool:
    """Tell whether a change can matter for garbage collection."""
    if old is None or uid_of(old) != uid_of(new):
        return bool(owner_references_of(new)) or is_terminating(new)
    return (
        owner_references_of(old) != owner_references_of(new)
        or finalizers_of(old) != finalizers_of(new)
        or is_terminating(old) != is_terminating(new)
    )
