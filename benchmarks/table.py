"""The table of budgets, for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """One budget and what was measured.

    Attributes:
        name: What was measured.
        unit: e.g. `/s`.
        budget: What is promised, in the unit; None for what is only counted.
        measured: In the unit.
        at_least: Whether more is better.
        limit: What the machine can do at best, if the budget is a share of it.
        details: What else was measured.
        note: The details that people want to see.
    """

    name: str
    unit: str
    budget: float | None
    measured: float
    at_least: bool = False
    limit: float | None = None
    details: dict[str, Any] = field(default_factory=dict)
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Measured to limit, or to the budget where there is no limit."""
        whole = self.limit or self.budget
        return self.measured / whole if whole else None

    @property
    def met(self) -> bool:
        """Whether the budget is kept."""
        if self.budget is None:
            return True
        return self.measured >= self.budget if self.at_least else self.measured <= self.budget

    def as_json(self) -> dict[str, Any]:
        """Return everything."""
        return {**asdict(self), "ratio": self.ratio, "met": self.met}


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit == "s":
        return f"{value:,.2f} s"
    return f"{value:,.0f}{unit}" if unit == "/s" else f"{value:,.0f} {unit}"


def _verdict(row: Row) -> tuple[str, str]:
    if row.ratio is None:
        return "", ""
    whole = "the limit" if row.limit else "the budget"
    return f"{row.ratio:.0%} of {whole}", "kept" if row.met else "MISSED"


def render(rows: Sequence[Row]) -> str:
    """Return the table as text."""
    head = ("", "budget", "measured", "ratio", "")
    cells = [
        (row.name, _number(row.budget, row.unit), _number(row.measured, row.unit), *_verdict(row))
        for row in rows
    ]
    widths = [max(len(cell[column]) for cell in (head, *cells)) for column in range(len(head))]

    def line(cell: tuple[str, ...]) -> str:
        name, budget, measured, ratio, verdict = cell
        return (
            f"{name:<{widths[0]}}  {budget:>{widths[1]}}  {measured:>{widths[2]}}  "
            f"{ratio:<{widths[3]}}  {verdict}"
        ).rstrip()

    lines = [line(head)]
    for row, cell in zip(rows, cells, strict=True):
        lines.append(line(cell))
        lines += [f"    {part}" for part in row.note.split("\n") if part]
    return "\n".join(lines)
