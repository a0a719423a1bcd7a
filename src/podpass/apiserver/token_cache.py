"""Successful authentications, remembered for ten seconds; failures never are.

The key is a BLAKE2 digest under a random key of this process over token and audiences, in order and
with their lengths, so that the cache holds no token. Source: apiserver
`authentication/token/cache/cached_token_authenticator.go`.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from podpass.base.clock import Clock

SUCCESS_SECONDS = 10.0
MAXIMUM_ENTRIES = 4096

T = TypeVar("T")


@dataclass(slots=True)
class _Entry(Generic[T]):
    value: T
    expires: float


class TokenCache(Generic[T]):
    """Maps (token, audiences) to an outcome."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._entries: dict[bytes, _Entry[T]] = {}

    def key(self, token: str, audiences: Sequence[str]) -> bytes:
        """Return the key of a token for these audiences."""
        parts = [token, *audiences]
        message = "".join(f"{len(part)}:{part}" for part in parts)
        data = f"{len(parts)}:{message}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(data, key=self._secret, digest_size=32).digest()

    def get(self, key: bytes) -> T | None:
        """Return the outcome if it is fresh."""
        entry = self._entries.get(key)
        if entry is None or entry.expires <= self._clock.monotonic():
            return None
        return entry.value

    def put(self, key: bytes, value: T) -> None:
        """Remember a success; the oldest entries make room."""
        now = self._clock.monotonic()
        self._entries.pop(key, None)
        self._entries[key] = _Entry(value, now + SUCCESS_SECONDS)
        if len(self._entries) <= MAXIMUM_ENTRIES and not self._oldest_is_stale(now):
            return
        for old in list(self._entries):  # in order of age
            if len(self._entries) <= MAXIMUM_ENTRIES and self._entries[old].expires > now:
                break
            del self._entries[old]

    def _oldest_is_stale(self, now: float) -> bool:
        return next(iter(self._entries.values())).expires <= now
