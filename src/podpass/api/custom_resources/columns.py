"""The table of a custom kind: its name, and the printer columns of its definition or its age.

Source: kubernetes.io "Custom Resource Definition", section "Additional printer columns".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from podpass.api.custom_resources import json_path
from podpass.api.meta import name_of, parse_time
from podpass.api.resources import Object
from podpass.api.tables.columns import Column, Printer, human_duration

_AGE: Final[Object] = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


@dataclass(frozen=True, slots=True)
class DefinedColumn(Column):
    """A column with the facts that its definition gives."""

    format: str = ""
    description: str = ""
    priority: int = 0

    def to_json(self) -> Object:
        """Return the wire form."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


def printer(columns: Sequence[Object]) -> Printer:
    """Return what shows the kind.

    Args:
        columns: `additionalPrinterColumns` of a version; empty for the age alone.
    """
    chosen = columns or (_AGE,)
    head = [
        DefinedColumn(
            one["name"],
            one["type"],
            format=one.get("format") or "",
            description=one.get("description") or "",
            priority=one.get("priority") or 0,
        )
        for one in chosen
    ]

    def cells(obj: Object, now: datetime) -> list[Any]:
        found = [_cell(one["type"], json_path.first(obj, one["jsonPath"]), now) for one in chosen]
        return [name_of(obj), *found]

    return Printer((Column("Name"), *head), cells)


def _cell(type_: str, value: Any, now: datetime) -> Any:
    if value is None:
        return None
    if type_ == "string":
        if isinstance(value, str):
            return value
        return orjson.dumps(value).decode()
    if type_ == "date":
        return _age(value, now)
    if type_ == "boolean":
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if type_ == "integer" else float(value)


def _age(value: Any, now: datetime) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        return human_duration(now - parse_time(value))
    except (ValueError, OverflowError):
        return "<invalid>"
