"""Recipients that ask the API server about each token, so that a deletion counts at once.

The price is a request each time. The API server itself may remember a good token for 10 s. The
caller's account needs `create` on `tokenreviews`, as the ClusterRole `system:auth-delegator`
grants it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Self

from podpass.workload.api_server import ApiServer
from podpass.workload.check import wanted_audiences
from podpass.workload.compact_token import parse
from podpass.workload.identity import Identity
from podpass.workload.token_review import PATH, read_answer, review_body, reviewed_identity


class _Reviewer:
    """What both faces share."""

    def __init__(self, api_server: ApiServer, *, audience: str | Collection[str]) -> None:
        """Prepare; nothing is asked yet.

        Args:
            api_server: Usually `ApiServer.in_cluster()`.
            audience: Our name, or names; a token must be made for one of them.

        Raises:
            ValueError: No audience, or an empty one.
        """
        self._api_server = api_server
        self._audiences = wanted_audiences(audience)

    @classmethod
    def in_cluster(cls, *, audience: str | Collection[str]) -> Self:
        """Return a verifier that asks the cluster that this runs in."""
        return cls(ApiServer.in_cluster(), audience=audience)

    def _review(self, token: str) -> Identity:
        parsed = parse(token)
        answer = self._api_server.request("POST", PATH, review_body(token, self._audiences))
        return reviewed_identity(parsed, read_answer(answer.status, answer.body), self._audiences)


class TokenReviewVerifier(_Reviewer):
    """Accepts what the API server accepts for one audience; for threads."""

    def verify(self, token: str) -> Identity:
        """Return whom the token speaks for.

        Args:
            token: As it came, without `Bearer`.

        Raises:
            TokenRefused: It is not accepted.
            IssuerUnavailable: The API server does not answer, or may not be asked.
            TokenUnreadable: There is no token of our own to ask with.
        """
        return self._review(token)


class AsyncTokenReviewVerifier(_Reviewer):
    """The same for asyncio; the request is made in a thread."""

    async def verify(self, token: str) -> Identity:
        """Return whom the token speaks for.

        Args:
            token: As it came, without `Bearer`.

        Raises:
            TokenRefused: It is not accepted.
            IssuerUnavailable: The API server does not answer, or may not be asked.
            TokenUnreadable: There is no token of our own to ask with.
        """
        return await asyncio.to_thread(self._review, token)
