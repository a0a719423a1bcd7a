"""Compact JWS: sign, parse without trust, verify.

1. Three base64url parts; the header is an object with a string `alg`, its `kid` a string if there
   is one; `crit` is refused.
2. The header that is written holds exactly `alg` and `kid`, no `typ`.
3. With a `kid` only that key is tried; without one every key is.
4. A key verifies only its own algorithm, whatever the header says.

Errors: `JwsError` <- `Malformed` (no JWS), `UnknownKey` (3), `BadSignature` (4).
Source: RFC 7515; Kubernetes `pkg/serviceaccount`, `jwtTokenAuthenticator`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from podpass.jose import base64url
from podpass.jose.key_set import KeySet
from podpass.jose.keys import SigningKey

_PARTS = 3


class JwsError(Exception):
    """A token that is not to be trusted; the message shows no part of it."""


class Malformed(JwsError):
    """Not a compact JWS."""


class UnknownKey(JwsError):
    """No trusted key has the id that the token names."""


class BadSignature(JwsError):
    """No candidate key made this signature."""


@dataclass(frozen=True, slots=True, repr=False)
class UnverifiedJws:
    """A token taken apart; nothing in it is to be believed yet.

    Attributes:
        header: The protected header.
        payload: The decoded middle part.
        signing_input: What was signed.
        signature: The decoded last part.
    """

    header: dict[str, Any]
    payload: bytes
    signing_input: bytes
    signature: bytes

    @property
    def key_id(self) -> str:
        """The header's `kid`, empty if there is none."""
        return str(self.header.get("kid", ""))


def encode_header(key: SigningKey) -> str:
    """Return the first part of every token of this key (rule 2)."""
    return base64url.encode(
        orjson.dumps({"alg": key.public.algorithm.name, "kid": key.public.key_id})
    )


def sign(payload: bytes, key: SigningKey, *, header: str = "") -> str:
    """Return `payload` as a compact JWS.

    Args:
        payload: The claims, encoded.
        key: Who signs.
        header: `encode_header(key)`, if the caller keeps it.
    """
    unsigned = signing_input(payload, header or encode_header(key))
    return assemble(unsigned, key.sign(unsigned.encode()))


def signing_input(payload: bytes, header: str) -> str:
    """Return what is signed: the first two parts of a token.

    Args:
        payload: The claims, encoded.
        header: `encode_header` of the key.
    """
    return f"{header}.{base64url.encode(payload)}"


def assemble(signing_input: str, signature: bytes) -> str:
    """Return the token of what was signed and its signature."""
    return f"{signing_input}.{base64url.encode(signature)}"


def unverified_payload(token: str) -> bytes:
    """Return the decoded middle part of a token, for a look before any check.

    Raises:
        Malformed: Not three parts, or the middle one is no base64url.
    """
    parts = token.split(".")
    if len(parts) != _PARTS or token.startswith("{"):
        raise Malformed("a compact JWS has three parts")
    return _decode(parts[1], "payload")


def _decode(part: str, what: str) -> bytes:
    try:
        return base64url.decode(part)
    except ValueError:
        raise Malformed(f"the {what} is not base64url") from None


def parse_unverified(token: str) -> UnverifiedJws:
    """Take a token apart without believing it (rule 1).

    Raises:
        Malformed: The token is not a compact JWS.
    """
    payload = unverified_payload(token)
    signing_input, _, signature = token.rpartition(".")
    try:
        header = orjson.loads(_decode(signing_input.partition(".")[0], "header"))
    except orjson.JSONDecodeError:
        raise Malformed("the header is not JSON") from None
    if not isinstance(header, dict) or not isinstance(header.get("alg"), str):
        raise Malformed("the header names no algorithm")
    if not isinstance(header.get("kid", ""), str):
        raise Malformed("the header's key id is not a string")
    if "crit" in header:
        raise Malformed("the header has critical extensions, none is known")
    return UnverifiedJws(
        header, payload, signing_input.encode("ascii"), _decode(signature, "signature")
    )


def verify(jws: UnverifiedJws, keys: KeySet) -> bytes:
    """Return the payload if a trusted key signed it (rules 3 and 4).

    Raises:
        UnknownKey: No key has the id that the token names, or there is no key at all.
        BadSignature: None of the candidate keys made the signature.
    """
    candidates = keys.candidates(jws.key_id)
    if not candidates:
        raise UnknownKey("invalid signature, no keys found")
    for key in candidates:
        if key.algorithm.name == jws.header["alg"] and key.verify(jws.signing_input, jws.signature):
            return jws.payload
    raise BadSignature("invalid signature: error in cryptographic primitive")
