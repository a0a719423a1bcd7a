"""The signer's keys, kept here and fetched again in time.

1. The first fetch has START_TIMEOUT; without it there is no server. Later ones have FETCH_TIMEOUT.
2. The signer's hint says when to fetch again. After a failure the old keys stay, and it is tried
   again each RETRY seconds.
3. A key id that is not known fetches at once: the signer may have a new key. Fetches are shared:
   who comes while one is under way waits for that one.
4. Unknown key ids cost an attacker nothing, so they fetch only SPACING seconds after the last
   fetch, RETRY seconds if that failed. Whoever comes earlier is judged with the keys that are
   there. (Stricter than the reference, which fetches for every one.)

Spans are in seconds. Source: Kubernetes `pkg/serviceaccount/externaljwt/plugin`, `keyCache`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from podpass.apiserver.external_jwt.failures import CallFailed, SignerUnusable
from podpass.apiserver.external_jwt.fetched_keys import FetchedKeys, check_keys, has_changed
from podpass.apiserver.external_jwt.messages import FetchKeysResponse
from podpass.apiserver.metrics import ExternalJwtMetrics
from podpass.base.clock import Clock
from podpass.jose.key_set import KeySet

START_TIMEOUT = 60.0
FETCH_TIMEOUT = 10.0
RETRY = 10.0
SPACING = 1.0
NOT_A_CALL = "unknown-non-grpc"
"""Label of an attempt that failed here and not in the call."""

FetchKeys = Callable[[float], Awaitable[FetchKeysResponse]]
"""Asks the signer; is given the seconds that it may take."""

_log = logging.getLogger("external-jwt")


class KeyCache:
    """Keys of an external signer; a `TrustedKeys`."""

    def __init__(self, fetch: FetchKeys, clock: Clock, metrics: ExternalJwtMetrics) -> None:
        self._fetch = fetch
        self._clock = clock
        self._metrics = metrics
        self._keys: FetchedKeys | None = None
        self._under_way: asyncio.Task[None] | None = None
        self._refresh_due = 0.0
        self._lookup_due = 0.0
        self._published = KeySet([])

    async def fill(self) -> None:
        """Fetch the keys for the first time (rule 1).

        Raises:
            SignerUnusable: The signer did not answer in time, or with something unusable.
        """
        try:
            await self._shared_fetch(START_TIMEOUT)
        except SignerUnusable as error:
            error.add_context("while fetching token verification keys")
            error.add_context("while initially filling key cache")
            raise

    async def run(self) -> None:
        """Fetch again and again (rule 2)."""
        while True:
            await self._clock.sleep(self._refresh_due - self._clock.monotonic())
            if self._clock.monotonic() < self._refresh_due:
                continue  # rule 3 was faster
            try:
                await self._shared_fetch(FETCH_TIMEOUT)
            except SignerUnusable as error:
                self._refresh_due = self._clock.monotonic() + RETRY
                _log.error("cannot fetch keys, the old ones go on being trusted: %s", error)

    async def for_token(self, key_id: str) -> KeySet:
        """Return the keys to verify a token with, which names `key_id` or nothing."""
        keys = self._current().trusted
        if not key_id or keys.candidates(key_id) or self._clock.monotonic() < self._lookup_due:
            return keys
        try:
            await self._shared_fetch(FETCH_TIMEOUT)  # 3
        except SignerUnusable as error:
            _log.error("cannot fetch keys for an unknown key id: %s", error)
        return self._current().trusted

    def close(self) -> None:
        """End a fetch that is under way."""
        if self._under_way is not None:
            self._under_way.cancel()

    def is_excluded(self, key_id: str) -> bool:
        """Tell whether a key verifies but must not sign any more."""
        return self._current().is_excluded(key_id)

    @property
    def published(self) -> KeySet:
        """The keys of the documents; another object only when the documents must be made anew."""
        return self._published

    def max_age(self) -> int:
        """Return for how many seconds the documents may be kept: until the next fetch."""
        return max(0, int(self._refresh_due - self._clock.monotonic()))

    def _current(self) -> FetchedKeys:
        if self._keys is None:
            raise SignerUnusable("no keys have been fetched yet")
        return self._keys

    async def _shared_fetch(self, timeout: float) -> None:
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(self._fetch_once(timeout), name="fetch keys")
            self._under_way.add_done_callback(_retrieve_error)
        # Who is cancelled while waiting takes the fetch from nobody else.
        await asyncio.shield(self._under_way)

    async def _fetch_once(self, timeout: float) -> None:
        try:
            keys = check_keys(await self._fetch(timeout))
        except SignerUnusable as error:
            self._metrics.fetches.inc(code_of(error))
            self._lookup_due = self._clock.monotonic() + RETRY  # 4
            raise
        self._metrics.fetches.inc("OK")
        self._metrics.fetched.set(self._clock.now().timestamp())
        self._metrics.data.set(keys.data_timestamp)
        if self._keys is None or has_changed(self._keys.answer, keys.answer):
            self._published = keys.published
        self._keys = keys
        now = self._clock.monotonic()
        self._refresh_due = now + keys.refresh_seconds
        self._lookup_due = now + SPACING  # 4


def _retrieve_error(task: asyncio.Task[None]) -> None:
    """Keep asyncio from reporting an error that whoever waited already has."""
    if not task.cancelled():
        task.exception()


def code_of(error: SignerUnusable) -> str:
    """Return the `code` label for a failure."""
    return error.code if isinstance(error, CallFailed) else NOT_A_CALL
