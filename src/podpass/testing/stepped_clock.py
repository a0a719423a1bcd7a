"""The machine's clock, set forward and back: as an administrator or NTP does it."""

from __future__ import annotations

from datetime import datetime, timedelta

from podpass.base.clock import SystemClock


class SteppedClock(SystemClock):
    """A `base.clock.Clock` whose wall time can be set; spans go on as the kernel's do."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self._ahead

    def step(self, span: timedelta) -> None:
        """Set the clock forward, or back by a negative span."""
        self._ahead += span
