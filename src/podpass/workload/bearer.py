"""The `Authorization` header of a request, and the answer to a token that is not accepted.

1. One header, the scheme in any case, one space, one token; nothing of it is ever sent back.
2. 401 `invalid_token` with fixed words for a refusal, 401 without an error where no token came, 503
   where nothing can be said of the token.

Source: RFC 6750, sections 2.1 and 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from podpass.workload.refusal import Reason, TokenRefused, WorkloadError

_UNAUTHORIZED = 401
_UNAVAILABLE = 503
_PHRASES = {401: "Unauthorized", 503: "Service Unavailable"}


class NoToken(WorkloadError):
    """The request shows no bearer token."""


@dataclass(frozen=True, slots=True)
class Denial:
    """An HTTP answer.

    Attributes:
        status: 401 or 503.
        headers: Names and values.
        body: One line of text.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def line(self) -> str:
        """Status code and phrase, as WSGI wants them."""
        return f"{self.status} {_PHRASES[self.status]}"


def bearer_token(headers: Sequence[str]) -> str:
    """Return the token of a request (rule 1).

    Args:
        headers: The values of all `Authorization` headers.

    Raises:
        NoToken: There is no bearer token.
        TokenRefused: There is more than one header, or more than a token.
    """
    if len(headers) > 1:
        raise TokenRefused(Reason.MALFORMED, "more than one Authorization header")
    scheme, _, token = (headers[0] if headers else "").partition(" ")
    if scheme.lower() != "bearer":
        raise NoToken("a bearer token is needed")
    if not token or " " in token:
        raise TokenRefused(Reason.MALFORMED, "the Authorization header does not hold one token")
    return token


def denial(error: WorkloadError) -> Denial:
    """Return the answer for a request that is not let in (rule 2)."""
    if isinstance(error, NoToken):
        return _answer(_UNAUTHORIZED, "a bearer token is needed", ("WWW-Authenticate", "Bearer"))
    if isinstance(error, TokenRefused):
        challenge = f'Bearer error="invalid_token", error_description="{error}"'
        return _answer(_UNAUTHORIZED, str(error), ("WWW-Authenticate", challenge))
    return _answer(_UNAVAILABLE, "the token cannot be checked at the moment", ("Retry-After", "5"))


def _answer(status: int, words: str, header: tuple[str, str]) -> Denial:
    body = f"{words}\n".encode()
    return Denial(
        status,
        (
            header,
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
        ),
        body,
    )
