"""Every request's way to its handler: a seat at once, a place in a queue, or 429.

1. A seat is kept until the handler is done, but never for less than a turn of the event loop.
   Handlers that wait for nothing never overlap; the turn bounds how many of them run between two
   looks at the network, and with it how long a more urgent request waits.
2. Who begins a watch, an exec or the like gives the seat back then, not when it ends.
3. Nobody waits longer than WAIT_SECONDS.

Who gets a seat is decided by `fair_lane`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeAlias, TypeVar

from podpass.api.meta import UserInfo
from podpass.apiserver.overload.fair_lane import FairLane, Limits
from podpass.apiserver.overload.flow_metrics import FlowMetrics
from podpass.apiserver.overload.flow_schemas import FLOW_SCHEMAS, SHARES, LaneName, flow_schema
from podpass.apiserver.overload.refusals import Reason, RefusalPace, too_busy
from podpass.apiserver.request_info import RequestInfo
from podpass.base.clock import Clock

WAIT_SECONDS: Final = 5.0
"""Half of what our own clients give a request."""

_STREAMS: Final = frozenset({"attach", "exec", "log", "portforward", "proxy"})

R = TypeVar("R")


class Ticket:
    """A request in a queue.

    Attributes:
        flow: Whose it is.
        lane: Where it waits.
        deadline: When it is refused, in seconds of the clock.
        called: None once there is a seat; otherwise why there will be none.
    """

    __slots__ = ("called", "deadline", "flow", "lane")

    def __init__(self, lane: _Lane, flow: str, deadline: float) -> None:
        self.lane = lane
        self.flow = flow
        self.deadline = deadline
        self.called: asyncio.Future[Reason | None] = asyncio.get_running_loop().create_future()


_Lane: TypeAlias = FairLane[Ticket]


class Admission(Protocol):
    """Lets requests through to their handlers."""

    async def run(self, user: UserInfo, info: RequestInfo, serve: Callable[[], Awaitable[R]]) -> R:
        """Return what `serve` returns, called when it is the request's turn.

        Raises:
            StatusError: 429, there are too many requests.
        """


def is_long_running(info: RequestInfo) -> bool:
    """Tell whether a request may last as long as its client wants (`BasicLongRunningRequest`)."""
    return info.verb == "watch" or info.subresource in _STREAMS


class Gate:
    """Priority and fairness.

    Args:
        seats: Requests that are served at the same time, in all lanes.
        metrics: What is counted.
        clock: Time.
        wait_seconds: Rule 3.
    """

    def __init__(
        self,
        *,
        seats: int,
        metrics: FlowMetrics,
        clock: Clock,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        total = sum(SHARES.values())
        # In order of urgency.
        self._lanes: dict[LaneName, _Lane] = {
            name: FairLane(Limits.of_seats(-(-seats * share // total)))
            for name, share in SHARES.items()
        }
        for name, lane in self._lanes.items():
            metrics.seats(name, lane.limits.seats)
        self._metrics = metrics
        self._clock = clock
        self._wait_seconds = wait_seconds
        self._pace = RefusalPace()
        self._left: list[tuple[_Lane, str]] = []
        self._by_age: deque[Ticket] = deque()
        self._expiry: asyncio.TimerHandle | None = None

    async def run(self, user: UserInfo, info: RequestInfo, serve: Callable[[], Awaitable[R]]) -> R:
        """Return what `serve` returns, called when it is the request's turn.

        Raises:
            StatusError: 429, the queue is full, or it was not its turn within WAIT_SECONDS.
        """
        schema = flow_schema(user, info)
        counts = self._metrics.counts[schema]
        lane = self._lanes.get(FLOW_SCHEMAS[schema])
        flow = user.name
        if lane is not None and not lane.take_seat(flow):
            await self._wait(lane, schema, flow)
        counts.dispatched += 1
        counts.executing += 1
        try:
            if lane is not None and is_long_running(info):
                self._leave(lane, flow)
                lane = None
            return await serve()
        finally:
            counts.executing -= 1
            if lane is not None:
                self._leave(lane, flow)

    def _leave(self, lane: _Lane, flow: str) -> None:
        """Give a seat back at the end of this turn (rule 1)."""
        if not self._left:
            asyncio.get_running_loop().call_soon(self._turn)
        self._left.append((lane, flow))

    def _turn(self) -> None:
        left, self._left = self._left, []
        for lane, flow in left:
            lane.leave(flow)
        for lane in self._lanes.values():
            while (ticket := lane.next()) is not None:
                if ticket.called.done():  # its client has just gone
                    lane.leave(ticket.flow)
                else:
                    ticket.called.set_result(None)

    async def _wait(self, lane: _Lane, schema: str, flow: str) -> None:
        """Return with a seat.

        Raises:
            StatusError: 429.
        """
        started = self._clock.monotonic()
        ticket = Ticket(lane, flow, started + self._wait_seconds)
        refused = lane.queue(flow, ticket)
        if refused is not None:
            refused.called.set_result("queue-full")
        if refused is not ticket:
            self._expire_later(ticket)
        counts = self._metrics.counts[schema]
        counts.waiting += 1
        called = ticket.called
        try:
            reason = await called
        except asyncio.CancelledError:
            if not lane.abandon(flow, ticket) and not called.cancelled() and not called.result():
                self._leave(lane, flow)
            raise
        finally:
            counts.waiting -= 1
        now = self._clock.monotonic()
        self._metrics.waited(schema, now - started, executed=reason is None)
        if reason is not None:
            self._metrics.rejected(schema, reason)
            await self._clock.sleep(self._pace.delay(now))
            raise too_busy()

    def _expire_later(self, ticket: Ticket) -> None:
        """Watch the deadline of a ticket: all wait equally long, so one timer is enough."""
        tickets = self._by_age
        while tickets and tickets[0].called.done():
            tickets.popleft()
        tickets.append(ticket)
        if self._expiry is None:
            self._expire_at(ticket.deadline)

    def _expire_at(self, deadline: float) -> None:
        seconds = max(0.0, deadline - self._clock.monotonic())
        self._expiry = asyncio.get_running_loop().call_later(seconds, self._expire)

    def _expire(self) -> None:
        tickets, now = self._by_age, self._clock.monotonic()
        self._expiry = None
        while tickets and (tickets[0].called.done() or tickets[0].deadline <= now):
            ticket = tickets.popleft()
            if ticket.lane.abandon(ticket.flow, ticket) and not ticket.called.done():
                ticket.called.set_result("time-out")
        if tickets:
            self._expire_at(tickets[0].deadline)
