"""Columns of a table, and how ages are written.

Source: apimachinery `util/duration`, Kubernetes `pkg/printers`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from podpass.api.meta import parse_time
from podpass.api.resources import Object

UNKNOWN = "<unknown>"
NONE = "<none>"

Cells: TypeAlias = Callable[[Object, datetime], list[Any]]


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: Title; kubectl shows it in capitals.
        type: `string`, `integer` or `date`.
        wide: Shown only with `-o wide`.
    """

    name: str
    type: str = "string"
    wide: bool = False

    def to_json(self) -> Object:
        """Return the wire form."""
        return {
            "name": self.name,
            "type": self.type,
            "format": "name" if self.name == "Name" else "",
            "description": "",
            "priority": int(self.wide),
        }


@dataclass(frozen=True, slots=True)
class Printer:
    """How a kind is shown: its columns, and the cells of an object in their order."""

    columns: Sequence[Column]
    cells: Cells


def human_duration(span: timedelta) -> str:
    """Return a span in its two largest fitting units: `45s`, `3m5s`, `2d3h`, `5y`."""
    seconds = int(span.total_seconds())
    if seconds < -1:
        return "<invalid>"
    seconds = max(0, seconds)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 2 * 60:
        return f"{seconds}s"
    if minutes < 10:  # noqa: PLR2004 - the steps of the table
        return _pair(minutes, "m", seconds % 60, "s")
    if minutes < 3 * 60:
        return f"{minutes}m"
    if hours < 8:  # noqa: PLR2004
        return _pair(hours, "h", minutes % 60, "m")
    if hours < 2 * 24:
        return f"{hours}h"
    if days < 8:  # noqa: PLR2004
        return _pair(days, "d", hours % 24, "h")
    if days < 2 * 365:
        return f"{days}d"
    if days < 8 * 365:
        return _pair(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _pair(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large}{unit}{small}{small_unit}" if small else f"{large}{unit}"


def since(timestamp: str | None, now: datetime) -> str:
    """Return how long ago an RFC 3339 time was, `<unknown>` when there is none."""
    if not timestamp:
        return UNKNOWN
    try:
        return human_duration(now - parse_time(timestamp))
    except ValueError:
        return UNKNOWN


def age(obj: Object, now: datetime) -> str:
    """Return how long ago the object was created."""
    return since(obj.get("metadata", {}).get("creationTimestamp"), now)
