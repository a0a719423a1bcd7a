"""OpenShift's kinds in a table.

Source: the printer columns of the CRD of ClusterOperator, and the MESSAGE that real clusters add.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from podpass.api.meta import find_condition, name_of
from podpass.api.resources import Object
from podpass.api.tables.columns import Column, Printer, age, since


def _operator(obj: Object, now: datetime) -> list[Any]:
    status = obj.get("status") or {}
    conditions = status.get("conditions") or ()
    available = find_condition(conditions, "Available") or {}
    version = next(
        (
            one.get("version", "")
            for one in status.get("versions") or ()
            if one.get("name") == "operator"
        ),
        "",
    )
    return [
        name_of(obj),
        version,
        *(_status(conditions, type_) for type_ in ("Available", "Progressing", "Degraded")),
        since(available.get("lastTransitionTime"), now),
        _message(conditions),
    ]


def _status(conditions: Any, type_: str) -> str:
    return str((find_condition(conditions, type_) or {}).get("status", ""))


def _message(conditions: Any) -> str:
    """Return the first line of what is not as it should be."""
    for type_, good in (("Degraded", "False"), ("Available", "True"), ("Progressing", "False")):
        condition = find_condition(conditions, type_)
        if condition is not None and condition.get("status") != good:
            return str(condition.get("message") or "").partition("\n")[0]
    return ""


_NAME_AND_AGE: Final = Printer(
    (Column("Name"), Column("Age")), lambda obj, now: [name_of(obj), age(obj, now)]
)

PRINTERS: Final[dict[str, Printer]] = {
    "Authentication": _NAME_AND_AGE,
    "Infrastructure": _NAME_AND_AGE,
    "KubeAPIServer": _NAME_AND_AGE,
    "ClusterOperator": Printer(
        (
            Column("Name"),
            Column("Version"),
            Column("Available"),
            Column("Progressing"),
            Column("Degraded"),
            Column("Since"),
            Column("Message"),
        ),
        _operator,
    ),
}
"""By kind."""
