"""What a token file may hold: one whole token, or nothing that anybody should be given.

Writers that do not replace files in one step let readers see a file that is empty, or stops
somewhere. A prefix of a token is told from the token by its parts, and by the length of the
signature that goes with its algorithm. Surrounding white space is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from podpass.jose import base64url
from podpass.workload.strict_json import NotStrictJSON, read_object

_SIGNATURE_SIZES = {"ES256": (64,), "ES384": (96,), "ES512": (132,)}
_RSA_SIZES = tuple(bits // 8 for bits in (2048, 3072, 4096, 8192))
_PARTS = 3


class NotAToken(ValueError):
    """The content is empty, torn, or something else; the message shows none of it."""


@dataclass(frozen=True, slots=True, repr=False)
class HeldToken:
    """A token that its holder may show.

    Attributes:
        text: The token.
        expires_at: `exp` in seconds since 1970; None where it is not a number.
    """

    text: str
    expires_at: float | None


def read_content(content: bytes) -> HeldToken:
    """Return the token that a file holds.

    Raises:
        NotAToken: It does not hold one whole token.
    """
    try:
        text = content.decode("ascii").strip()
    except UnicodeDecodeError:
        raise NotAToken("is not a token") from None
    if not text:
        raise NotAToken("is empty")
    parts = text.split(".")
    if len(parts) != _PARTS:
        raise NotAToken("is not a whole token")
    try:
        header, claims = read_object(base64url.decode(parts[0])), base64url.decode(parts[1])
        expires_at = read_object(claims).get("exp")
        signature = base64url.decode(parts[2])
    except (NotStrictJSON, ValueError):
        raise NotAToken("is not a whole token") from None
    if not _is_whole(header.get("alg"), len(signature)):
        raise NotAToken("is not a whole token")
    return HeldToken(text, expires_at if _is_number(expires_at) else None)


def _is_whole(algorithm: object, size: int) -> bool:
    if not isinstance(algorithm, str):
        return False
    if algorithm.startswith("RS"):
        return size in _RSA_SIZES
    return size in _SIGNATURE_SIZES.get(algorithm, (size,)) and size > 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
