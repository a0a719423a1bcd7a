"""Waiting for a call or a moment, whichever comes first."""

from __future__ import annotations

import asyncio

from podpass.base.clock import Clock


class Wakeup:
    """A bell that stays rung until someone has waited for it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake who waits, or who will wait next."""
        self._event.set()

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait for a ring, for at most `seconds`; tell whether it rang."""
        if not self._event.is_set():
            if seconds is None:
                await self._event.wait()
            elif seconds > 0:
                await self._wait_for(seconds)
        rang = self._event.is_set()
        self._event.clear()
        return rang

    async def _wait_for(self, seconds: float) -> None:
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        ring = asyncio.ensure_future(self._event.wait())
        try:
            await asyncio.wait((sleep, ring), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            ring.cancel()
