"""A client in a pod asks who it is, again and again, until its first token has long expired.

The API server names the token of each request, so what the client really sent is known.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable

from report import say

LIFE_SECONDS = int(os.environ.get("TOKEN_LIFE_SECONDS", "600"))
"""Of the pod's tokens."""
CACHE_SECONDS = int(os.environ.get("TOKEN_CACHE_SECONDS", "0"))
"""How long a client goes on with a token that it has read; 0 for what it does by itself.

Most read the file again once a minute, which only tokens that live for minutes can wait for.
"""
LATE_SECONDS = 0 if CACHE_SECONDS else 75
"""For clients that read the file again only after a 401.

A token is taken for a minute more, because clocks differ, and for 10 s more when it was just
checked.
"""
CREDENTIAL = "authentication.kubernetes.io/credential-id"
_PAUSE_SECONDS = 0.5


async def follow(client: str, ask: Callable[[], Awaitable[str]]) -> None:
    """Ask until the first token is no longer taken, and say how many requests went wrong.

    Args:
        client: Its name.
        ask: Sends a request and returns the id of the token that it was sent with.
    """
    started = time.monotonic()
    seen: list[str] = []
    failures: list[str] = []
    requests = 0
    while True:
        age = time.monotonic() - started
        if age > 1.1 * LIFE_SECONDS and (len(seen) > 1 or age > LIFE_SECONDS + LATE_SECONDS):
            break
        requests += 1
        try:
            token = await ask()
        except Exception as error:  # noqa: BLE001 - whatever the client raises
            failures.append(f"{age:.1f} s: {error!r}"[:500])
        else:
            if token not in seen:
                seen.append(token)
        await asyncio.sleep(_PAUSE_SECONDS)
    say(client=client, requests=requests, tokens=len(seen), failures=failures)
