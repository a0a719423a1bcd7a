"""What a watcher was told, and what must be true of it.

1. Revisions rise: nothing is told twice and nothing out of order.
2. What is told fits: only what is absent is added, only what is there is changed or deleted.
3. Every acknowledged write is told, with its revision and its value.
4. Watchers of the same span are told the same, writes of unknown outcome included.
5. A bookmark promises: after it nothing is told that is not newer, and no bookmark is older.

A watcher that is refused because its revision was compacted lists anew; between where it stood and
that list it is told nothing, and nothing is asked of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.history import Record

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"
BOOKMARK = "BOOKMARK"


@dataclass(frozen=True, slots=True)
class Told:
    """One event.

    Attributes:
        kind: ADDED, MODIFIED or DELETED.
        key: Of which key.
        value: Its new value; for a deletion the last one.
        revision: Of the write.
    """

    kind: str
    key: str
    value: str
    revision: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A list after a refusal.

    Attributes:
        revision: Of the list.
        revisions: Of each key in it.
    """

    revision: int
    revisions: Mapping[str, int]


@dataclass(slots=True)
class WatchLog:
    """All that one watcher was told, in order.

    Attributes:
        name: For people.
        started: Revision after which it began, with no key there.
        entries: Events, and lists between them.
        reached: The last revision it heard of, by a bookmark perhaps.
        resumed: How often it went on where it had stood.
        broken: What was told although a bookmark had promised otherwise (rule 5).
    """

    name: str
    started: int
    entries: list[Told | Listed] = field(default_factory=list)
    reached: int = 0
    resumed: int = 0
    broken: list[str] = field(default_factory=list)

    def hear(self, kind: str, revision: int) -> None:
        """Take note of the revision of an event or a bookmark, of any key."""
        if revision < self.reached or (revision == self.reached and kind != BOOKMARK):
            self.broken.append(f"{kind} at {revision}, but {self.reached} had been reached")
        self.reached = max(self.reached, revision)

    @property
    def events(self) -> list[Told]:
        """The events alone."""
        return [one for one in self.entries if isinstance(one, Told)]

    def gaps(self) -> list[tuple[int, int]]:
        """Return the spans of revisions, first excluded and last included, it was not told of."""
        spans, reached = [], self.started
        for one in self.entries:
            if isinstance(one, Listed):
                spans.append((reached, one.revision))
            reached = one.revision
        return spans


def watch_problems(logs: Sequence[WatchLog], records: Sequence[Record]) -> list[str]:
    """Return everything that is wrong with what watchers were told."""
    found = []
    for log in logs:
        found += [f"watcher {log.name}: {text}" for text in _sequence_problems(log)]
        found += [f"watcher {log.name}: {text}" for text in _missed(log, records)]
        found += [f"watcher {log.name}: {text}" for text in log.broken]
    return found + list(_differences(logs))


def _sequence_problems(log: WatchLog) -> Iterator[str]:
    reached, there = log.started, dict[str, int]()
    for one in log.entries:
        if isinstance(one, Listed):
            if one.revision < reached:
                yield f"a list at {one.revision} after {reached} was told"
            reached, there = max(reached, one.revision), dict(one.revisions)
            continue
        if one.revision <= reached:
            yield f"{one} after {reached} was told"
        reached = max(reached, one.revision)
        if (one.kind == ADDED) == (one.key in there):
            yield f"{one}, but there was {there.get(one.key, 'nothing')}"
        if one.kind == DELETED:
            there.pop(one.key, None)
        else:
            there[one.key] = one.revision


def _missed(log: WatchLog, records: Iterable[Record]) -> Iterator[str]:
    told = {one.revision: one for one in log.events}
    written = {one.value for one in records if one.value}
    after: dict[int, Told] = {}
    last: dict[str, Told] = {}
    for event in log.events:
        if event.key in last:
            after[last[event.key].revision] = event
        last[event.key] = event
        if event.value not in written:
            yield f"{event} was never written"
    gaps = log.gaps()
    for one in records:
        if not one.acknowledged:
            continue
        if one.kind == "delete":
            told_of = after.get(one.expected)
            known = one.expected in told
            if known and not gaps and (told_of is None or told_of.kind != DELETED):
                yield f"{one}: told {told_of}"
            continue
        if any(low < one.revision <= high for low, high in gaps):
            continue
        event_of = told.get(one.revision)
        kind = ADDED if one.kind == "create" else MODIFIED
        if event_of is None:
            yield f"{one} was not told"
        elif (event_of.kind, event_of.key, event_of.value) != (kind, one.key, one.value):
            yield f"{one}: told {event_of}"


def _differences(logs: Sequence[WatchLog]) -> Iterator[str]:
    """Compare what the watchers were told, outside the gaps of either."""
    for one, other in itertools.pairwise(logs):
        gaps = [*one.gaps(), *other.gaps(), (0, max(one.started, other.started))]
        mine, theirs = (
            {
                event
                for event in log.events
                if not any(low < event.revision <= high for low, high in gaps)
            }
            for log in (one, other)
        )
        for event in sorted(mine ^ theirs, key=lambda event: event.revision):
            teller = one if event in mine else other
            yield f"only watcher {teller.name} of {one.name} and {other.name} was told {event}"
