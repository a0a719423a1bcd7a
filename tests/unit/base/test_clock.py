"""`base.clock`: the machine's clock is aware and in UTC."""

from __future__ import annotations

from datetime import timedelta

from podpass.base.clock import SystemClock


async def test_the_system_clock_tells_utc_and_sleeps() -> None:
    clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    before = clock.monotonic()
    await clock.sleep(-1)
    await clock.sleep(0.01)
    assert clock.monotonic() - before >= 0.01
