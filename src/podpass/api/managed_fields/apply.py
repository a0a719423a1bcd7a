"""Server-side apply: what a client wants of an object, merged with what others own.

1. What is applied is set; where somebody else owns it with another value that is a conflict, unless
   the client forces it, which takes the field over. The same value is owned together.
2. What the same client applied before and does not any more is removed, unless others own it.
3. Who never had owners is treated as written by `before-first-apply`.
4. An application that changes nothing leaves the list of owners as it is, times included.

Source: KEP-555; structured-merge-diff `merge/update.go` Apply, `merge/conflict.go`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from podpass.api.errors import StatusError
from podpass.api.managed_fields.leaves import merged, without
from podpass.api.managed_fields.owners import (
    APPLY,
    UPDATE,
    Owned,
    Owner,
    Owners,
    difference,
    ownable,
)
from podpass.api.managed_fields.paths import FieldSet, Path, shown
from podpass.api.managed_fields.shapes import Shape
from podpass.api.meta import format_time
from podpass.api.resources import Object

BEFORE_FIRST_APPLY: Final = "before-first-apply"


@dataclass(frozen=True, slots=True)
class Application:
    """One request to apply.

    Attributes:
        config: What is applied.
        owner: Who applies.
        shape: Of the kind.
        force: Whether to take fields over from others.
        ignored: Fields of the object itself that this request cannot set, e.g. `status`.
        now: Time of the request.
    """

    config: Object
    owner: Owner
    shape: Shape
    force: bool
    ignored: tuple[str, ...]
    now: datetime


def apply(request: Application, live: Object, owners: Owners) -> tuple[Object, Owners]:
    """Return the object and its owners after an application.

    Args:
        request: What is applied.
        live: The object as it is; stays so. Without content for one that is to be made.
        owners: Of its fields; empty if it never had any.

    Raises:
        StatusError: 409, others own what is applied (rule 1).
    """
    shape = request.shape
    before = ownable(live, shape)
    if not owners and before:  # 3
        first = Owner(BEFORE_FIRST_APPLY, UPDATE, request.owner.api_version)
        fields = frozenset(ownable(live, shape, request.ignored))
        owners = {first: Owned(fields, format_time(request.now))}
    mine = frozenset(ownable(request.config, shape, request.ignored))
    former = next((key for key in owners if _same_applier(key, request.owner)), request.owner)
    last = owners[former].fields if former in owners else frozenset()
    others = {key: owned for key, owned in owners.items() if key != former}
    applied = {key: part for key, part in request.config.items() if key not in request.ignored}
    result = merged(live, applied, shape)
    owned_by_all = frozenset().union(mine, *(owned.fields for owned in others.values()))
    result = without(result, _to_remove(last, owned_by_all, shape), shape)  # 2
    delta = difference(before, ownable(result, shape))
    contested = [
        (key, path)
        for key, owned in others.items()
        for path in sorted(owned.fields & delta.changed & mine)
    ]
    if contested and not request.force:
        raise conflict(contested)
    out: Owners = {}
    for key, owned in others.items():
        kept = owned.fields - (delta.changed & mine) - delta.removed
        if kept:
            out[key] = owned if kept == owned.fields else Owned(kept, owned.time)
    if mine:
        same = former in owners and former == request.owner and mine == last
        time = owners[former].time if same else format_time(request.now)
        out[request.owner] = Owned(mine, time)
    return result, out


def _same_applier(one: Owner, other: Owner) -> bool:
    return (one.operation, one.manager, one.subresource) == (
        APPLY,
        other.manager,
        other.subresource,
    )


def _to_remove(last: FieldSet, owned: FieldSet, shape: Shape) -> FieldSet:
    """Return what goes with `last`: fields that nobody owns, and structs in which nobody does."""
    held = {path[:end] for path in owned for end in range(1, len(path) + 1)}
    gone = {path for path in last if path not in held}
    for path in list(gone):
        for end in range(len(path) - 1, 1, -1):
            outer = path[:end]
            if outer in held or _shape_at(shape, outer).kind != "struct":
                break
            gone.add(outer)
    return frozenset(gone)


def _shape_at(shape: Shape, path: Path) -> Shape:
    for step in path:
        shape = shape.child(step.partition(":")[2])
    return shape


def conflict(contested: list[tuple[Owner, Path]]) -> StatusError:
    """Return the 409 that names owners and fields."""
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {_shown_owner(owner)}",
            "field": shown(path),
        }
        for owner, path in contested
    ]
    if len(contested) == 1:
        owner, path = contested[0]
        text = f"1 conflict: conflict with {_shown_owner(owner)}: {shown(path)}"
    else:
        lines = []
        for owner in sorted({owner for owner, _ in contested}, key=_shown_owner):
            lines.append(f"conflicts with {_shown_owner(owner)}:")
            lines += [f"- {shown(path)}" for one, path in contested if one == owner]
        text = f"{len(contested)} conflicts: " + "\n".join(lines)
    return StatusError(409, "Conflict", f"Apply failed with {text}", {"causes": causes})


def _shown_owner(owner: Owner) -> str:
    text = orjson.dumps(owner.manager).decode()
    if owner.subresource:
        text += f" with subresource {orjson.dumps(owner.subresource).decode()}"
    return f"{text} using {owner.api_version}" if owner.operation == UPDATE else text
