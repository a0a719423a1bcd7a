"""The list of owners of an object's fields, and what an ordinary write does to it.

1. Who writes a field with a new value, or adds it, owns it from then on, and nobody else does. What
   is gone has no owner.
2. What the system keeps (name, uid, generation...) has no owner.
3. An entry's time is that of the last change of its set.
4. There are at most MAX_UPDATERS entries of ordinary writers; older ones become one entry.

Source: apimachinery `util/managedfields`, structured-merge-diff `merge/update.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from podpass.api.managed_fields.leaves import Leaves, leaves
from podpass.api.managed_fields.paths import FieldSet, from_fields, to_fields
from podpass.api.managed_fields.shapes import Shape
from podpass.api.meta import format_time
from podpass.api.resources import Object

APPLY: Final = "Apply"
UPDATE: Final = "Update"
MAX_UPDATERS: Final = 10
ANCIENT: Final = "ancient-changes"

_SYSTEM: Final = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    | {
        ("f:metadata", f"f:{name}")
        for name in (
            "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName",
            "generation", "managedFields", "resourceVersion", "deletionTimestamp",
            "deletionGracePeriodSeconds", "generateName",
        )
    }
)  # fmt: skip
_SYSTEM_TREES: Final = ("f:metadata", "f:managedFields")


@dataclass(frozen=True, slots=True)
class Owner:
    """Who wrote, and how: what tells entries apart.

    Attributes:
        manager: e.g. `kubectl-edit`.
        operation: `Apply`, or `Update` for every other write.
        api_version: Version of the object that it wrote.
        subresource: e.g. `status`; empty for the object itself.
    """

    manager: str
    operation: Literal["Apply", "Update"] = UPDATE
    api_version: str = field(default="", compare=True)
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Owned:
    """What an owner owns.

    Attributes:
        fields: The fields.
        time: Of the last change of the set, as on the wire; empty if not known.
    """

    fields: FieldSet
    time: str = ""


Owners: TypeAlias = dict[Owner, Owned]


def read_owners(entries: Any) -> Owners | None:
    """Read `metadata.managedFields`; None if it is malformed."""
    out: Owners = {}
    try:
        for entry in entries or ():
            operation = entry.get("operation")
            if operation not in {APPLY, UPDATE} or entry.get("fieldsType") != "FieldsV1":
                return None
            owner = Owner(
                str(entry.get("manager") or ""),
                operation,
                str(entry.get("apiVersion") or ""),
                str(entry.get("subresource") or ""),
            )
            fields = from_fields(entry.get("fieldsV1") or {})
            if owner in out:
                fields |= out[owner].fields
            out[owner] = Owned(fields, str(entry.get("time") or ""))
    except (AttributeError, ValueError):
        return None
    return out


def write_owners(owners: Owners) -> list[Object]:
    """Return `metadata.managedFields`: who applies first, then by time and name."""
    entries = []
    for owner, owned in sorted(_capped(owners).items(), key=_order):
        entry: Object = {
            "manager": owner.manager,
            "operation": owner.operation,
            "apiVersion": owner.api_version,
        }
        if owned.time:
            entry["time"] = owned.time
        entry |= {"fieldsType": "FieldsV1", "fieldsV1": to_fields(owned.fields)}
        if owner.subresource:
            entry["subresource"] = owner.subresource
        entries.append(entry)
    return entries


def _order(item: tuple[Owner, Owned]) -> tuple[bool, str, str, str]:
    owner, owned = item
    return owner.operation != APPLY, owned.time, owner.manager, owner.subresource


def _capped(owners: Owners) -> Owners:
    """Return the owners within the limit (rule 4)."""
    updaters = [item for item in sorted(owners.items(), key=_order) if item[0].operation == UPDATE]
    if len(updaters) <= MAX_UPDATERS:
        return owners
    out = dict(owners)
    for owner, owned in updaters[: len(updaters) - MAX_UPDATERS + 1]:
        del out[owner]
        ancient = Owner(ANCIENT, UPDATE, owner.api_version)
        before = out.get(ancient, Owned(frozenset()))
        out[ancient] = Owned(before.fields | owned.fields, owned.time)
    return out


def ownable(obj: Object, shape: Shape, without: Iterable[str] = ()) -> Leaves:
    """Return what of an object has owners (rule 2).

    Args:
        obj: The object.
        shape: Of it.
        without: Fields of the object itself that do not count, e.g. `status`.
    """
    apart = {f"f:{name}" for name in without}
    return {
        path: value
        for path, value in leaves(obj, shape).items()
        if path not in _SYSTEM and path[:2] != _SYSTEM_TREES and path[0] not in apart
    }


@dataclass(frozen=True, slots=True)
class Difference:
    """What a write does to fields."""

    changed: FieldSet
    removed: FieldSet


def difference(old: Mapping[Any, Any], new: Mapping[Any, Any]) -> Difference:
    """Return which fields have another value or are new, and which are gone."""
    changed = frozenset(path for path in new if path not in old or old[path] != new[path])
    return Difference(changed, frozenset(old.keys() - new.keys()))


def after_update(
    owners: Owners, old: Leaves, new: Leaves, owner: Owner | None, *, now: datetime
) -> Owners:
    """Return the owners after an ordinary write (rule 1).

    Args:
        owners: Those before.
        old: What could be owned before.
        new: What can be owned now.
        owner: Who wrote; None takes fields from their owners and is not recorded.
        now: Time of the write.
    """
    delta = difference(old, new)
    lost = delta.changed | delta.removed
    time = format_time(now)
    out: Owners = {}
    for one, owned in owners.items():
        kept = owned.fields - (delta.removed if one == owner else lost)
        if one == owner:
            kept |= delta.changed
        if kept:
            out[one] = (
                owned if kept == owned.fields else Owned(kept, _time(one, owner, owned, time))
            )
    if owner is not None and owner not in owners and delta.changed:
        out[owner] = Owned(delta.changed, time)
    return out


def _time(one: Owner, writer: Owner | None, owned: Owned, time: str) -> str:
    return time if one == writer else owned.time
