"""`kubelet.wakeup`: a bell or a moment, whichever comes first."""

from __future__ import annotations

import asyncio

import pytest

from podpass.kubelet.wakeup import Wakeup
from podpass.testing.fake_clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def bell(clock: FakeClock) -> Wakeup:
    return Wakeup(clock)


@pytest.mark.parametrize("seconds", [None, 0, 10], ids=["no limit", "no time", "ten seconds"])
async def test_a_ring_before_is_not_lost(bell: Wakeup, seconds: float | None) -> None:
    bell.ring()
    assert await bell.wait(seconds)
    assert not await bell.wait(0), "it was heard"


async def test_a_ring_ends_the_wait(bell: Wakeup, clock: FakeClock) -> None:
    for seconds in (None, 10.0):
        waiting = asyncio.create_task(bell.wait(seconds))
        await clock.advance(1)
        assert not waiting.done()
        bell.ring()
        assert await waiting


async def test_time_ends_the_wait(bell: Wakeup, clock: FakeClock) -> None:
    waiting = asyncio.create_task(bell.wait(10))
    await clock.advance(9.9)
    assert not waiting.done()
    await clock.advance(0.1)
    assert await waiting is False


async def test_a_wait_that_is_given_up_leaves_nothing_behind(
    bell: Wakeup, clock: FakeClock
) -> None:
    waiting = asyncio.create_task(bell.wait(10))
    await clock.advance(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await clock.advance(0)
    assert clock.sleeping == []
