"""Which rule of attacks each case of test_attacks.py shows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pytest
from _pytest.mark import ParameterSet

_CASES: Final[dict[str, tuple[str, ...]]] = {
    "alg-none": ("alg none, no signature", "alg none in other letters, with a signature"),
    "hmac-public-key": ("HMAC with the public key as the secret", "HMAC with an empty secret"),
    "alg-confusion": (
        "an algorithm off the list", "RSA with PSS padding", "an Edwards curve",
        "an allowed algorithm, not the key's", "a list of algorithms", "a null algorithm",
        "no algorithm",
    ),
    "embedded-key": tuple(
        f"a key of the forger's in {name}"
        for name in ("jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256")
    ),
    "key-id": (
        "a path as the key id", "a query as the key id", "an empty key id",
        "a number as the key id", "a list of key ids", "an endless key id",
        "a zero after the key id",
    ),
    "other-key": (
        "a key that nobody published", "a foreign signature under a trusted key id",
        "a foreign signature without a key id",
    ),
    "header-extension": (
        "a critical extension", "an unencoded payload (b64 false)", "a compressed payload",
        "b64 without crit", "a token of another type", "a number as the type", "a list as header",
        "a header in no UTF-8",
    ),
    "duplicate-members": (
        "two algorithms", "two issuers", "two audience claims", "two namespaces, deep inside",
    ),
    "splice": (
        "claims of another token", "signature of another token",
        "the same header written otherwise", "a token inside of a token",
    ),
    "psychic-signature": (
        "the signature taken away", "a signature of zeros (psychic signature)",
        "a signature cut short", "a signature with a tail", "a signature with zeros after it",
        "a signature in DER",
    ),
    "encoding": (
        "padding at the end", "stray bits in the last character", "a space before",
        "a newline after", "the scheme still before it", "the other base64 alphabet",
        "a newline inside", "dots of another script", "the JSON form of a JWS",
    ),
    "parts": (
        "nothing", "two dots", "two parts", "four parts", "five parts, as if encrypted",
        "half a token",
    ),
    "oversized": (
        "one character too many", "a depth bomb in the claims",
        "a number of nine thousand digits",
    ),
    "claim-types": (
        "null as claims", "no issuer", "issuers in a list", "no audience",
        "an empty audience list", "audiences in an object", "a number as audience", "no expiry",
        "the expiry as text", "true as the expiry", "an endless expiry", "NaN as the expiry",
        "an expiry after all calendars", "half a character in a claim",
    ),
    "other-issuer": (
        "another issuer, signed by our key", "a slash after the issuer", "an issuer in capitals",
        "a legacy token of a Secret",
    ),
    "former-issuer": ("the former issuer, signed by the key that stays",),
    "other-audience": (
        "another audience", "an audience that begins so", "the beginning of the audience",
    ),
    "other-subject": (
        "another account in the subject", "a token of a user",
        "an OpenID token without Kubernetes claims",
    ),
}  # fmt: skip
_RULES: Final = {case: f"attack.{kind}" for kind, cases in _CASES.items() for case in cases}


def classified(attacks: Iterable[ParameterSet]) -> list[ParameterSet]:
    """Return the cases with the mark of their rule; a case that has none is an error."""
    return [
        pytest.param(*one.values, id=one.id, marks=pytest.mark.rule(_RULES[str(one.id)]))
        for one in attacks
    ]
