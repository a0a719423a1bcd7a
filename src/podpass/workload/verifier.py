"""Recipients that check tokens by themselves, with the issuer's public keys.

Both faces decide with `check` and `key_cache`; here is only the I/O around them. One request to the
issuer at a time; who has usable keys goes on with them meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Self

from podpass.base.clock import Clock, SystemClock
from podpass.workload.api_server import ApiServer
from podpass.workload.check import LEEWAY, check, check_issuer, wanted_audiences
from podpass.workload.claims import read_issuer
from podpass.workload.compact_token import UnverifiedToken, parse
from podpass.workload.identity import Identity
from podpass.workload.key_cache import CacheRules, KeyCache
from podpass.workload.key_source import ClusterKeys, IssuerKeys, KeySource
from podpass.workload.refusal import IssuerUnavailable, WorkloadError


class _KeyKeeper:
    """What both faces share: cached keys, when to ask again, and the decision."""

    def __init__(
        self,
        keys: KeySource,
        *,
        audience: str | Collection[str],
        leeway: timedelta = LEEWAY,
        cache_rules: CacheRules | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            keys: Whom to trust.
            audience: Our name, or names; a token must be made for one of them.
            leeway: How far clocks may be apart.
            cache_rules: How often to ask for keys.
            clock: The machine's by default.

        Raises:
            ValueError: No audience, or an empty one.
        """
        self._source = keys
        self._audiences = wanted_audiences(audience)
        self._leeway = leeway
        self._clock = clock or SystemClock()
        self._cache = KeyCache(cache_rules or CacheRules())
        self._problem = ""
        self._lock = threading.Lock()

    @classmethod
    def for_issuer(
        cls,
        issuer: str | Sequence[str],
        *,
        audience: str | Collection[str],
        ca_file: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Return a verifier that reads the documents at the issuer's URL (`IssuerKeys`)."""
        return cls(IssuerKeys(issuer, ca_file=ca_file), audience=audience)

    @classmethod
    def in_cluster(
        cls, *, audience: str | Collection[str], issuer: str | Sequence[str] | None = None
    ) -> Self:
        """Return a verifier for tokens of the cluster that this runs in (`ClusterKeys`)."""
        return cls(ClusterKeys(ApiServer.in_cluster(), issuer=issuer), audience=audience)

    def _parsed(self, token: str) -> UnverifiedToken:
        parsed = parse(token)
        if self._source.issuers is not None:
            check_issuer(parsed, self._source.issuers)
        return parsed

    def _known(self, parsed: UnverifiedToken) -> bool:
        """Tell whether the token can be decided on without asking."""
        trust = self._cache.usable(self._clock.monotonic())
        return (
            trust is not None
            and trust.keys.knows(parsed.key_id)
            and read_issuer(parsed.claims) in trust.issuers
        )

    def _should_fetch(self, parsed: UnverifiedToken) -> bool:
        return self._cache.should_fetch(self._clock.monotonic(), known=self._known(parsed))

    def _fetch(self) -> None:
        try:
            loaded = self._source.load()
        except WorkloadError as error:
            self._problem = str(error)
            self._cache = self._cache.failed(self._clock.monotonic())
        else:
            self._cache = self._cache.succeeded(self._clock.monotonic(), *loaded)

    def _decide(self, parsed: UnverifiedToken) -> Identity:
        trust = self._cache.usable(self._clock.monotonic())
        if trust is None:
            raise IssuerUnavailable(f"no keys to check tokens with: {self._problem}")
        return check(parsed, trust, self._audiences, self._clock.now(), self._leeway)


class Verifier(_KeyKeeper):
    """Accepts tokens of one issuer for one audience; for threads."""

    def verify(self, token: str) -> Identity:
        """Return whom the token speaks for; may block for some seconds while keys are fetched.

        Args:
            token: As it came, without `Bearer`.

        Raises:
            TokenRefused: It is not accepted.
            IssuerUnavailable: There are no keys to check it with.
        """
        parsed = self._parsed(token)
        if self._should_fetch(parsed) and self._lock.acquire(blocking=not self._known(parsed)):
            try:
                if self._should_fetch(parsed):  # nobody else did meanwhile
                    self._fetch()
            finally:
                self._lock.release()
        return self._decide(parsed)


class AsyncVerifier(_KeyKeeper):
    """The same on an event loop: a check takes 0.1 ms there, keys are fetched in a thread."""

    _fetching: asyncio.Task[None] | None = None

    async def verify(self, token: str) -> Identity:
        """Return whom the token speaks for.

        Args:
            token: As it came, without `Bearer`.

        Raises:
            TokenRefused: It is not accepted.
            IssuerUnavailable: There are no keys to check it with.
        """
        parsed = self._parsed(token)
        if self._should_fetch(parsed):
            if self._fetching is None or self._fetching.done():
                self._fetching = asyncio.create_task(asyncio.to_thread(self._fetch))
            if not self._known(parsed):
                await asyncio.shield(self._fetching)
        return self._decide(parsed)
