"""The keys that verify tokens, and those of them that are shown."""

from __future__ import annotations

from typing import Protocol

from podpass.jose.key_set import KeySet

STATIC_MAX_AGE = 3600
"""Seconds for which documents of keys that do not change may be kept."""


class TrustedKeys(Protocol):
    """Where verification keys come from; they may change."""

    async def for_token(self, key_id: str) -> KeySet:
        """Return the keys to verify a token with, which names `key_id` or nothing."""
        ...

    @property
    def published(self) -> KeySet:
        """The keys of the issuer's documents; another object when they must be made anew."""
        ...

    def max_age(self) -> int:
        """Return for how many seconds the documents may be kept."""
        ...


class StaticKeys:
    """Keys that never change."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys

    async def for_token(self, key_id: str) -> KeySet:  # noqa: ARG002 - the same for all
        return self._keys

    @property
    def published(self) -> KeySet:
        return self._keys

    def max_age(self) -> int:
        return STATIC_MAX_AGE
