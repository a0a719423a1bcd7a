"""What clients did to keys of a store, and what must be true of it.

1. The operations on each key are linearizable as those on a register with compare-and-set.
2. A revision belongs to one value and a value to one revision.
3. No revision goes backwards: who asks after an answer was given is told no older revision, and a
   write gets a higher one than everything that was known when it was asked for.

Every written value is unique. Times are those of one monotonic clock.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.chaos.linearizability import (
    ABSENT,
    NEVER,
    Effect,
    Is,
    IsNot,
    Operation,
    Swap,
    check_register,
)

Kind = Literal["get", "create", "update", "delete", "revision"]
Outcome = Literal["found", "done", "missing", "conflict", "unknown"]


@dataclass(slots=True)
class Record:
    """One request of one client.

    Attributes:
        kind: What was asked for; `revision` is the newest one of the store.
        key: Of which key.
        called: When.
        value: What was to be written.
        expected: Revision that was to be replaced; 0 for a creation.
        ended: When the answer came.
        outcome: `found` carries revision and value; `conflict` means not the expected revision.
        revision: Of the value found or written, or of the store.
        seen: The value found.
    """

    kind: Kind
    key: str
    called: float
    value: str = ""
    expected: int = ABSENT
    ended: float = NEVER
    outcome: Outcome = "unknown"
    revision: int = ABSENT
    seen: str = ""

    def __str__(self) -> str:
        asked = f"{self.kind} {self.key} at {self.expected}"
        told = f"{self.outcome} {self.revision}" if self.revision else self.outcome
        return f"{asked} [{self.called:.3f}, {self.ended:.3f}]: {told}"

    @property
    def acknowledged(self) -> bool:
        """Whether it is a write that the store said it has done."""
        return self.kind in ("create", "update", "delete") and self.outcome == "done"


def problems(records: Sequence[Record]) -> list[str]:
    """Return everything that cannot be true of a good store; empty is good."""
    return [
        *_identity_problems(records),
        *_order_problems(records),
        *_register_problems(records),
    ]


def _values_seen(records: Iterable[Record]) -> Iterator[tuple[str, str, int]]:
    """Yield key, value and revision of everything that was found or acknowledged."""
    for one in records:
        if one.outcome == "found" and one.kind == "get":
            yield one.key, one.seen, one.revision
        elif one.outcome == "done" and one.kind in ("create", "update"):
            yield one.key, one.value, one.revision


def _identity_problems(records: Sequence[Record]) -> Iterator[str]:
    values: dict[int, tuple[str, str]] = {}
    revisions: dict[str, int] = {}
    written = {one.value for one in records if one.value}
    for key, value, revision in _values_seen(records):
        if values.setdefault(revision, (key, value)) != (key, value):
            yield f"revision {revision} is {values[revision]} and {(key, value)}"
        if revisions.setdefault(value, revision) != revision:
            yield f"{key}={value} is at revision {revisions[value]} and {revision}"
        if value not in written:
            yield f"{key}={value} was never written"


def _order_problems(records: Sequence[Record]) -> Iterator[str]:
    known = sorted(
        (one.ended, one.revision) for one in records if one.revision and one.ended != NEVER
    )
    times = [moment for moment, _ in known]
    highest = 0
    newest = []
    for _, revision in known:
        highest = max(highest, revision)
        newest.append(highest)
    for one in records:
        before = bisect.bisect_left(times, one.called)
        if not before or not one.revision:
            continue
        floor = newest[before - 1]
        if one.outcome == "done" and one.kind != "delete" and one.revision <= floor:
            yield f"{one}, but {floor} was known before"
        if one.kind == "revision" and one.revision < floor:
            yield f"{one}, but {floor} was known before"


def _register_problems(records: Sequence[Record]) -> Iterator[str]:
    for key, operations in registers(records).items():
        verdict = check_register(operations)
        if not verdict.linearizable:
            last = verdict.stuck.what if verdict.stuck else ""
            yield f"{key}: {len(operations)} operations are not linearizable, see {last}"


def registers(records: Sequence[Record]) -> dict[str, list[Operation]]:
    """Return the operations on each key as those on a register of revisions."""
    revisions = {value: revision for _, value, revision in _values_seen(records)}
    made: dict[str, list[Operation]] = defaultdict(list)
    for number, one in enumerate(records):
        effect = _effect(one, revisions, unseen=-1 - number)
        if effect is not None:
            made[one.key].append(Operation(one.called, one.ended, effect, str(one)))
    return made


def _effect(one: Record, revisions: dict[str, int], *, unseen: int) -> Effect | None:
    """Return what a record says of its register; None if nothing.

    Args:
        one: The record.
        revisions: Revision of each value that somebody saw.
        unseen: What to call the revision of a value that nobody saw.
    """
    if one.kind == "revision" or (one.kind == "get" and one.outcome == "unknown"):
        return None
    if one.outcome == "found":
        return Is(one.revision)
    if one.outcome == "missing":
        return Is(ABSENT)
    if one.outcome == "conflict":
        return IsNot(one.expected)
    new = ABSENT if one.kind == "delete" else one.revision
    if one.outcome == "done":
        return Swap(one.expected, new)
    if one.kind == "delete":
        return Swap(one.expected, ABSENT)
    if one.kind == "update" and one.value not in revisions:
        return None  # nobody saw it, so nobody replaced it: it may as well come last
    return Swap(one.expected, revisions.get(one.value, unseen))
