"""One lane: who gets a seat now, who waits, who is refused, and who is next. Pure.

1. A lane has so many seats, and a flow at most a share of them: held seats starve nobody.
2. Who finds no seat waits behind the others of its flow. Flows take turns, one request each.
3. A queue that is full refuses. When all the lane can hold is waiting, the newest of the longest
   queue makes room: a newcomer is not refused because of somebody else's flood.
4. After `leave`, `next` is called until it returns None. Then a free seat means that nobody who
   may have it waits, and `take_seat` need not look at the other queues.

Source: Nagle, RFC 970, on fair queues; McKenney 1990, on dropping from the longest one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

T = TypeVar("T")

_LENGTH = 10
"""How many requests of a flow may wait for each seat of the lane."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes of a lane, in requests.

    Attributes:
        seats: Served at the same time.
        flow_seats: Served at the same time for one flow.
        flow_queue: Waiting in one flow.
        queue: Waiting in all flows together.
    """

    seats: int
    flow_seats: int
    flow_queue: int
    queue: int

    @classmethod
    def of_seats(cls, seats: int) -> Self:
        """Return the sizes that go with so many seats, at least one."""
        seats = max(1, seats)
        return cls(seats, max(1, seats // 2), _LENGTH * seats, 2 * _LENGTH * seats)


class _Flow(Generic[T]):
    __slots__ = ("seated", "waiting")

    def __init__(self) -> None:
        self.seated = 0
        self.waiting: deque[T] = deque()


class FairLane(Generic[T]):
    """Seats and queues of one lane.

    Attributes:
        limits: Sizes.
        seated: Requests that have a seat.
        waiting: Requests in the queues.
    """

    __slots__ = ("_flows", "_turns", "limits", "seated", "waiting")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.seated = 0
        self.waiting = 0
        self._flows: dict[str, _Flow[T]] = {}
        self._turns: deque[str] = deque()

    def take_seat(self, flow: str) -> bool:
        """Take a seat if there is one for this flow; False: it must `queue`."""
        limits = self.limits
        if self.seated >= limits.seats:
            return False
        known = self._flows.get(flow)
        if known is None:
            known = self._flows[flow] = _Flow()
        elif known.seated >= limits.flow_seats or known.waiting:
            return False
        known.seated += 1
        self.seated += 1
        return True

    def queue(self, flow: str, ticket: T) -> T | None:
        """Let a request wait that got no seat (rules 2 and 3).

        Args:
            flow: Whose it is.
            ticket: Names the request; comes back from `next`.

        Returns:
            The ticket of the request that must be refused: this one, another one, or none.
        """
        limits = self.limits
        known = self._flows.get(flow)
        length = 0 if known is None else len(known.waiting)
        if length >= limits.flow_queue:
            return ticket
        displaced: T | None = None
        if self.waiting >= limits.queue:
            longest = max(self._turns, key=lambda name: len(self._flows[name].waiting))
            if len(self._flows[longest].waiting) <= length + 1:
                return ticket
            displaced = self._flows[longest].waiting.pop()
            self.waiting -= 1
        if known is None:
            known = self._flows[flow] = _Flow()
        if not known.waiting:
            self._turns.append(flow)
        known.waiting.append(ticket)
        self.waiting += 1
        return displaced

    def leave(self, flow: str) -> None:
        """Give a seat of this flow back."""
        known = self._flows[flow]
        known.seated -= 1
        self.seated -= 1
        self._forget_if_idle(flow, known)

    def next(self) -> T | None:
        """Seat the request whose turn it is and return its ticket; None if there is none."""
        if not self.waiting or self.seated >= self.limits.seats:
            return None
        for name in self._turns:
            flow = self._flows[name]
            if flow.seated < self.limits.flow_seats:
                break
        else:
            return None
        self._turns.remove(name)
        ticket = flow.waiting.popleft()
        self.waiting -= 1
        flow.seated += 1
        self.seated += 1
        if flow.waiting:
            self._turns.append(name)
        return ticket

    def abandon(self, flow: str, ticket: T) -> bool:
        """Take a waiting request out; False if it waits no more."""
        known = self._flows.get(flow)
        if known is None or ticket not in known.waiting:
            return False
        known.waiting.remove(ticket)
        self.waiting -= 1
        if not known.waiting:
            self._turns.remove(flow)
        self._forget_if_idle(flow, known)
        return True

    def _forget_if_idle(self, name: str, flow: _Flow[T]) -> None:
        if not flow.seated and not flow.waiting:
            del self._flows[name]
