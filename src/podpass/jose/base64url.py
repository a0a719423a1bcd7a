"""Base64url without padding, as JOSE writes it (RFC 7515, appendix C).

Decoding accepts exactly what encoding produces, so that one value has one spelling and a changed
token is never the same token.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode


def encode(data: bytes) -> str:
    """Return `data` in base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Read base64url without padding.

    Raises:
        ValueError: Padding, a foreign character or stray bits at the end.
    """
    try:
        data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("not base64url") from None
    if encode(data) != text:
        raise ValueError("not base64url")
    return data


def encode_integer(number: int, length: int = 0) -> str:
    """Return an unsigned integer as big-endian bytes in base64url.

    Args:
        number: The value, not negative.
        length: Bytes to pad to on the left; the shortest form if 0.
    """
    return encode(number.to_bytes(length or (number.bit_length() + 7) // 8 or 1, "big"))
