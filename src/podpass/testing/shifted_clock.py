"""The machine's clock, moved ahead at will: for servers that wait for I/O as well as for time."""

from __future__ import annotations

from datetime import datetime, timedelta

from podpass.base.clock import SystemClock


class ShiftedClock(SystemClock):
    """A `base.clock.Clock` that runs, and can jump; who sleeps is not woken by a jump."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self._ahead)

    def monotonic(self) -> float:
        return super().monotonic() + self._ahead

    def jump(self, seconds: float) -> None:
        """Be that much later at once."""
        self._ahead += seconds
