"""What API servers can take: so many TokenRequests a second, so many waiting, or nothing at all.

Requests are answered in order. One that finds the queue full is refused with 429; one that would
wait longer than its client is given up, while the servers still do the work; during an outage
nobody is reached. Times are seconds since the start of the simulation.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Outcome(Enum):
    """What becomes of a request."""

    ANSWERED = "answered"
    REFUSED = "refused"
    TIMED_OUT = "timed out"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the API servers can do together.

    Attributes:
        rate: TokenRequests a second.
        queue: Requests that may wait; the next one gets 429.
        timeout: Seconds for which a client waits.
    """

    rate: float
    queue: int
    timeout: float = 10.0


class ApiServers:
    """All API servers of a cluster as one queue."""

    def __init__(self, capacity: Capacity, outage: tuple[float, float] | None = None) -> None:
        """Prepare.

        Args:
            capacity: What they can do.
            outage: From when to when none is reached.
        """
        self._span = 1 / capacity.rate
        self._longest_queue = capacity.queue * self._span
        self._timeout = capacity.timeout
        self._away_from, self._away_until = outage or (float("inf"), float("inf"))
        self._busy_until = 0.0

    def ask(self, now: float) -> tuple[Outcome, float]:
        """Return what becomes of a request sent now, and when its sender knows.

        Calls must be in the order of time.
        """
        if self._away_from <= now < self._away_until:
            self._busy_until = self._away_until
            return Outcome.UNREACHABLE, now
        ahead = max(0.0, self._busy_until - now)
        if ahead > self._longest_queue:
            return Outcome.REFUSED, now
        self._busy_until = now + ahead + self._span
        if ahead + self._span > self._timeout:
            return Outcome.TIMED_OUT, now + self._timeout
        return Outcome.ANSWERED, self._busy_until
