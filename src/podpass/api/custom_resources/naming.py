"""Which names a definition gets, and the conditions that say so.

1. Names are unique in their group: plural, singular and short names together, kind and list kind
   together. Who has a name keeps it; who wants a taken one keeps what it had before.
2. A definition is Established when its names were accepted once, and stays so.

Source: kubernetes.io API reference "CustomResourceDefinition"; apiextensions-apiserver
`controller/status/naming_controller.go`, `controller/establish`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from podpass.api.meta import find_condition, format_time, name_of
from podpass.api.resources import RESOURCES, Object

_RESOURCE_NAMES: Final = ("plural", "singular")
_KIND_NAMES: Final = ("kind", "listKind")


def is_established(definition: Object) -> bool:
    """Tell whether the kind is served."""
    conditions = (definition.get("status") or {}).get("conditions") or ()
    found = find_condition(conditions, "Established")
    return found is not None and found.get("status") == "True"


def settled_status(definition: Object, others: Iterable[Object], *, now: datetime) -> Object:
    """Return the status that a definition should have.

    Args:
        definition: The CustomResourceDefinition.
        others: All definitions; those of other groups and itself are passed over.
        now: For the conditions that change.
    """
    group = definition["spec"]["group"]
    wanted: Object = definition["spec"]["names"]
    status: Object = definition.get("status") or {}
    former: Object = status.get("acceptedNames") or {}
    resources, kinds = _taken(group, name_of(definition), others)
    accepted = dict(former)
    reason, message = "NoConflicts", "no conflicts found"
    for key in (*_RESOURCE_NAMES, *_KIND_NAMES):
        name = wanted.get(key) or ""
        if name and name in (resources if key in _RESOURCE_NAMES else kinds):
            reason, message = f"{key[0].upper()}{key[1:]}Conflict", f'"{name}" is already in use'
        else:
            accepted[key] = name
    conflicting = [one for one in wanted.get("shortNames") or () if one in resources]
    if conflicting:
        shown = ", ".join(f'"{one}" is already in use' for one in conflicting)
        reason, message = "ShortNamesConflict", shown
    else:
        accepted["shortNames"] = wanted.get("shortNames") or []
    accepted["categories"] = wanted.get("categories") or []
    fine = reason == "NoConflicts"
    conditions = [dict(one) for one in status.get("conditions") or ()]
    _set(conditions, "NamesAccepted", fine, reason, message, now)
    if not is_established(definition):
        if fine:
            text = "the initial names have been accepted"
            _set(conditions, "Established", True, "InitialNamesAccepted", text, now)  # noqa: FBT003 - status
        else:
            _set(conditions, "Established", False, "NotAccepted", "not all names are accepted", now)  # noqa: FBT003 - status
    names = {key: value for key, value in accepted.items() if value}
    return status | {"acceptedNames": names, "conditions": conditions}


def terminating_status(definition: Object, *, finished: bool, now: datetime) -> Object:
    """Return the status of a definition whose instances are being deleted, or are gone."""
    status: Object = definition.get("status") or {}
    conditions = [dict(one) for one in status.get("conditions") or ()]
    if finished:
        reason, message = "InstanceDeletionCompleted", "removed all instances"
    else:
        reason = "InstanceDeletionInProgress"
        message = "CustomResource deletion is in progress"
    _set(conditions, "Terminating", not finished, reason, message, now)
    return status | {"conditions": conditions}


def _taken(group: str, own: str, others: Iterable[Object]) -> tuple[set[str], set[str]]:
    built_in = [one for one in RESOURCES if one.group == group]
    resources = {one.plural for one in built_in} | {one.singular_name for one in built_in}
    kinds = {one.kind for one in built_in} | {f"{one.kind}List" for one in built_in}
    for other in others:
        if other["spec"]["group"] != group or name_of(other) == own:
            continue
        names: Object = (other.get("status") or {}).get("acceptedNames") or {}
        resources |= {names.get(key) or "" for key in _RESOURCE_NAMES}
        resources |= set(names.get("shortNames") or ())
        kinds |= {names.get(key) or "" for key in _KIND_NAMES}
    return resources, kinds


def _set(
    conditions: list[dict[str, Any]],
    type_: str,
    holds: bool,  # noqa: FBT001 - a condition's status
    reason: str,
    message: str,
    now: datetime,
) -> None:
    found = find_condition(conditions, type_)
    status = "True" if holds else "False"
    if found is None:
        found = {"type": type_}
        conditions.append(found)
    if found.get("status") != status:
        found["lastTransitionTime"] = format_time(now)
    found |= {"status": status, "reason": reason, "message": message}
