"""Lookups of one key at one time are one lookup, and outlive whoever asked first.

Source: apiserver `authentication/token/cache/cached_token_authenticator.go`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

LIMIT_SECONDS = 30.0
"""After this a lookup has failed, whoever still waits for it."""

T = TypeVar("T")


class SharedLookups(Generic[T]):
    """Lookups under way, by key."""

    def __init__(self) -> None:
        self._under_way: dict[bytes, asyncio.Task[T]] = {}

    def joins(self, key: bytes) -> bool:
        """Tell whether a lookup of `key` is under way."""
        return key in self._under_way

    async def get(self, key: bytes, fetch: Callable[[], Awaitable[T]]) -> T:
        """Return what the lookup under way finds, or start one.

        Args:
            key: What is looked up.
            fetch: Looks it up; called if nobody else is at it.

        Raises:
            TimeoutError: It took longer than LIMIT_SECONDS.
            Exception: What `fetch` raises, for all who wait.
        """
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(_limited(fetch), name="token lookup")
            self._under_way[key] = task
            task.add_done_callback(lambda ended: self._end(key, ended))
        return await asyncio.shield(task)

    def _end(self, key: bytes, task: asyncio.Task[T]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # seen, even if all who waited have gone


async def _limited(fetch: Callable[[], Awaitable[T]]) -> T:
    async with asyncio.timeout(LIMIT_SECONDS):
        return await fetch()
