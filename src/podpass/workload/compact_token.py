"""A token in compact form, taken apart without being believed.

1. At most MAXIMUM_TOKEN characters, three parts in canonical base64url, header and claims strict
   JSON.
2. `alg` is one of RS256, ES256, ES384, ES512.
3. The header has no other members than `alg`, `kid` and `typ`, as KEP-740 asks of signers. What
   would bring its own key along (`jwk`, `jku`, `x5u`, `x5c`, thumbprints) and `crit` are named
   apart.

Source: RFC 7515; RFC 8725, sections 2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from podpass.jose import base64url
from podpass.workload.refusal import Reason, TokenRefused
from podpass.workload.strict_json import NotStrictJSON, read_object

MAXIMUM_TOKEN = 16 * 1024
"""Characters; a bound token has about 1000."""
MAXIMUM_KEY_ID = 1024
"""Characters, as KEP-740 allows."""
ALGORITHM_NAMES = frozenset({"RS256", "ES256", "ES384", "ES512"})

_PARTS = 3
_KNOWN = frozenset({"alg", "kid", "typ"})
_KEY_MEMBERS = frozenset({"jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256"})


@dataclass(frozen=True, slots=True, repr=False)
class UnverifiedToken:
    """What a token says of itself.

    Attributes:
        header: The first part.
        claims: The second part.
        signing_input: What was signed.
        signature: The third part.
    """

    header: dict[str, Any]
    claims: dict[str, Any]
    signing_input: bytes
    signature: bytes

    @property
    def algorithm(self) -> str:
        """`alg`, empty if it is no text."""
        return _text(self.header.get("alg"))

    @property
    def key_id(self) -> str:
        """`kid`, empty if there is none or it is no text."""
        return _text(self.header.get("kid"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def take_apart(token: str) -> UnverifiedToken:
    """Return the parts of a token (rule 1), for a look at what nobody should believe.

    Raises:
        TokenRefused: It cannot be taken apart; MALFORMED or TOO_LARGE.
    """
    if not isinstance(token, str):
        raise _malformed("the token is not a text")
    if len(token) > MAXIMUM_TOKEN:
        raise TokenRefused(Reason.TOO_LARGE, f"the token has more than {MAXIMUM_TOKEN} characters")
    parts = token.split(".")
    if len(parts) != _PARTS:
        raise _malformed("a token has three parts with dots between them")
    header, claims, signature = (
        _decoded(part, what)
        for part, what in zip(parts, ("header", "claims", "signature"), strict=True)
    )
    return UnverifiedToken(
        _object(header, "header"),
        _object(claims, "claims"),
        token.rpartition(".")[0].encode(),
        signature,
    )


def parse(token: str) -> UnverifiedToken:
    """Return the parts of a token that may be verified (rules 1 to 3).

    Raises:
        TokenRefused: MALFORMED, TOO_LARGE, ALGORITHM, EMBEDDED_KEY or CRITICAL_EXTENSION.
    """
    parts = take_apart(token)
    check_header(parts)
    return parts


def check_header(token: UnverifiedToken) -> None:
    """Make sure that the header is harmless (rules 2 and 3).

    Raises:
        TokenRefused: It is not.
    """
    header = token.header
    if token.algorithm not in ALGORITHM_NAMES:
        raise TokenRefused(Reason.ALGORITHM, "the token is not signed with an allowed algorithm")
    if not _KEY_MEMBERS.isdisjoint(header):
        raise TokenRefused(Reason.EMBEDDED_KEY, "the token brings a key of its own")
    if "crit" in header:
        raise TokenRefused(
            Reason.CRITICAL_EXTENSION, "the token has critical extensions, none is known"
        )
    if not header.keys() <= _KNOWN:
        raise _malformed("the header has members other than alg, kid and typ")
    if "kid" in header and not 0 < len(token.key_id) <= MAXIMUM_KEY_ID:
        raise _malformed(f"the key id is not a text of 1 to {MAXIMUM_KEY_ID} characters")
    if "typ" in header and _text(header["typ"]).upper() != "JWT":
        raise _malformed("the token is of another type than JWT")


def _decoded(part: str, what: str) -> bytes:
    try:
        return base64url.decode(part)
    except ValueError:
        raise _malformed(f"the {what} part is not canonical base64url") from None


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        return read_object(data)
    except NotStrictJSON as error:
        raise _malformed(f"the {what} part {error}") from None


def _malformed(message: str) -> TokenRefused:
    return TokenRefused(Reason.MALFORMED, message)
