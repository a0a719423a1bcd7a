"""A clock that stands still until a test moves it on."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, tzinfo=UTC)
_TURNS = 50
"""Turns of the event loop after which tasks that need no I/O have come to rest."""


class FakeClock:
    """A `base.clock.Clock` whose time passes only in `advance`."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    def step(self, seconds: float) -> None:
        """Set the wall clock forward, or back; spans and sleepers do not notice."""
        self._start += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self._count += 1
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, self._count, future))
        await future

    @property
    def sleeping(self) -> list[float]:
        """Seconds that the tasks asleep have still to wait, shortest first."""
        return sorted(due - self._elapsed for due, _, future in self._sleepers if not future.done())

    async def advance(self, seconds: float) -> None:
        """Let time pass; sleepers wake in order, and their tasks run before time goes on."""
        end = self._elapsed + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, future = heapq.heappop(self._sleepers)
            if future.done():
                continue
            self._elapsed = max(self._elapsed, due)
            future.set_result(None)
            await settle()
        self._elapsed = end


async def settle() -> None:
    """Let all tasks run that are not waiting for time or I/O."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object], *, seconds: float = 20.0) -> None:
    """Wait for a condition that depends on I/O.

    Args:
        condition: Called again and again.
        seconds: Real time after which the test has failed.

    Raises:
        AssertionError: The condition did not come true in time.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError("the condition did not come true in time")
        await asyncio.sleep(0.001)
