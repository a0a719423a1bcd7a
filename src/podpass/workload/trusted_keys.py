"""The keys of an issuer as its JWKS document lists them.

1. A key is found by the `kid` that the document gives it; `kid` chooses a key and means nothing
   else.
2. A key verifies only the algorithm that its type and curve imply; a document that says otherwise
   (`alg`, `use`), shows a private part, or has an RSA modulus under 2048 or over 16384 bits, loses
   that key.
3. What cannot be used is passed over; a document with nothing to use is an error.

Source: RFC 7517, sections 4 and 5; RFC 7518, sections 3.3 and 6.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from podpass.jose import base64url
from podpass.jose.keys import ALGORITHMS, PublicKey
from podpass.workload.refusal import IssuerUnavailable
from podpass.workload.strict_json import NotStrictJSON, read_object

MAXIMUM_KEYS = 100
MINIMUM_RSA_BITS = 2048
MAXIMUM_RSA_BITS = 16384

_CURVES = {one.curve_name: one.curve for one in ALGORITHMS.values() if one.curve is not None}
_PRIVATE_PARTS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class TrustedKeys:
    """Verification keys under the ids that their issuer gives them."""

    __slots__ = ("_by_id",)

    def __init__(self, keys: Iterable[tuple[str, PublicKey]]) -> None:
        """Take pairs of id and key; the id is empty where the document has none."""
        self._by_id: dict[str, list[PublicKey]] = {}
        for key_id, key in keys:
            self._by_id.setdefault(key_id, []).append(key)

    def __len__(self) -> int:
        return sum(map(len, self._by_id.values()))

    @property
    def key_ids(self) -> list[str]:
        """The ids in the order of the document."""
        return list(self._by_id)

    def candidates(self, key_id: str, algorithm: str) -> list[PublicKey]:
        """Return the keys to try (rules 1 and 2); all of the algorithm where a token names none."""
        named = [self._by_id.get(key_id, [])] if key_id else self._by_id.values()
        return [key for keys in named for key in keys if key.algorithm.name == algorithm]

    def knows(self, key_id: str) -> bool:
        """Tell whether the document has a key of this id; true where a token names none."""
        return not key_id or key_id in self._by_id


def read_jwks(document: bytes) -> TrustedKeys:
    """Return the usable keys of a JWKS document.

    Raises:
        IssuerUnavailable: It is no JWKS document, has too many keys, or none that can be used.
    """
    try:
        entries = read_object(document).get("keys")
    except NotStrictJSON as error:
        raise IssuerUnavailable(f"the key document {error}") from None
    if not isinstance(entries, list) or len(entries) > MAXIMUM_KEYS:
        raise IssuerUnavailable(f"the key document has no list of up to {MAXIMUM_KEYS} keys")
    keys = TrustedKeys(pair for entry in entries if (pair := _read(entry)) is not None)
    if not len(keys):
        raise IssuerUnavailable("the key document has no usable key")
    return keys


def _read(entry: Any) -> tuple[str, PublicKey] | None:
    if not isinstance(entry, dict) or not _PRIVATE_PARTS.isdisjoint(entry):
        return None
    key_id = entry.get("kid", "")
    if not isinstance(key_id, str) or entry.get("use", "sig") != "sig":
        return None
    try:
        key = PublicKey(_numbers(entry))
    except ValueError:  # UnusableKey, a point off the curve, not base64url
        return None
    if entry.get("alg", key.algorithm.name) != key.algorithm.name:
        return None
    return key_id, key


def _numbers(entry: dict[str, Any]) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
    """Return the key of `cryptography`; ValueError if it cannot be used."""
    if entry.get("kty") == "RSA":
        modulus = _integer(entry, "n")
        if not MINIMUM_RSA_BITS <= modulus.bit_length() <= MAXIMUM_RSA_BITS:
            raise ValueError("too short, or so long that a check takes seconds")
        return rsa.RSAPublicNumbers(_integer(entry, "e"), modulus).public_key()
    curve = _CURVES.get(str(entry.get("crv")))
    if entry.get("kty") != "EC" or curve is None:
        raise ValueError("neither RSA nor a known curve")
    return ec.EllipticCurvePublicNumbers(
        _integer(entry, "x"), _integer(entry, "y"), curve
    ).public_key()


def _integer(entry: dict[str, Any], name: str) -> int:
    value = entry.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")  # noqa: TRY004 - wrong is the document
    return int.from_bytes(base64url.decode(value), "big")
