"""Time as a part: active code is given a Clock, pure code is given `now`.

Times are aware UTC datetimes; waits are in seconds.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What active code may know of time."""

    def now(self) -> datetime:
        """Wall clock time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards, for spans and deadlines."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds`; zero or less only yields to other tasks."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - the one place

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))
