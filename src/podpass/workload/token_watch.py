"""Waits until something may have changed in the directory of a token.

The directory is watched and not the file: a projected volume replaces the link `..data`, and a
watch on what lies behind it sees nothing after the first time. watchfiles, if it is installed,
wakes up at once; with and without it, every wait ends after `interval` seconds, since events can
be lost.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from podpass.base.clock import Clock

_MILLISECONDS = 1000


def changes(directory: Path, stop: threading.Event, interval: float) -> Iterator[None]:
    """Yield at once, then whenever it is time to look, until `stop` is set.

    Args:
        directory: Where the token is.
        stop: Ends it.
        interval: Seconds after which to look in any case.
    """
    try:
        from watchfiles import watch  # noqa: PLC0415 - optional
    except ImportError:
        yield
        while not stop.wait(interval):
            yield
        return
    while not stop.is_set():
        yield
        try:
            for _ in watch(
                directory,
                watch_filter=None,
                debounce=50,
                step=5,
                rust_timeout=round(interval * _MILLISECONDS),
                yield_on_timeout=True,
                stop_event=stop,
                recursive=False,
                raise_interrupt=True,
            ):
                yield
        except OSError:  # no such directory yet, or it went away
            stop.wait(interval)


async def changes_async(directory: Path, clock: Clock, interval: float) -> AsyncIterator[None]:
    """Yield at once, then whenever it is time to look.

    Args:
        directory: Where the token is.
        clock: Waits.
        interval: Seconds after which to look in any case.
    """
    try:
        from watchfiles import awatch  # noqa: PLC0415 - optional
    except ImportError:
        while True:
            yield
            await clock.sleep(interval)
    while True:
        yield
        try:
            async for _ in awatch(
                directory,
                watch_filter=None,
                debounce=50,
                step=5,
                rust_timeout=round(interval * _MILLISECONDS),
                yield_on_timeout=True,
                recursive=False,
            ):
                yield
        except OSError:
            await clock.sleep(interval)
