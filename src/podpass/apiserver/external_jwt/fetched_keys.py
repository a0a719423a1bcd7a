"""The keys that a signer answers with, checked, and whether they are other ones than before.

1. One key that is wrong makes the whole answer wrong: a set is taken as a whole or not at all.
2. There is at least one key; ids have 1 to 1024 bytes; a key is RSA or one of the three curves.
3. The time of the data is a valid one, the refresh hint above 0.
4. Two keys of one id are refused: which one a token means could not be told. (Stricter than the
   reference, which tries both.)

Source: Kubernetes `pkg/serviceaccount/externaljwt/plugin`, `getTokenVerificationKeys`.
"""

from __future__ import annotations

from dataclasses import dataclass

from podpass.apiserver.external_jwt.failures import BadAnswer
from podpass.apiserver.external_jwt.header import MAX_KEY_ID_BYTES
from podpass.apiserver.external_jwt.messages import FetchKeysResponse, Timestamp, WireKey
from podpass.jose.key_set import KeySet
from podpass.jose.keys import PublicKey, UnusableKey, load_der_public_key

_SHOWN = 64
_YEAR_1, _YEAR_10000 = -62135596800, 253402300800
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class FetchedKeys:
    """An answer that can be used.

    Attributes:
        trusted: Verify tokens.
        published: Are shown in the documents of the issuer.
        data_timestamp: When they were read where they are kept, Unix time in seconds.
        refresh_seconds: When to ask again.
        answer: As it came.
    """

    trusted: KeySet
    published: KeySet
    data_timestamp: float
    refresh_seconds: int
    answer: FetchKeysResponse

    def is_excluded(self, key_id: str) -> bool:
        """Tell whether a key verifies but must not sign any more."""
        return bool(self.trusted.candidates(key_id)) and not self.published.candidates(key_id)


def check_keys(answer: FetchKeysResponse) -> FetchedKeys:
    """Return the keys of an answer.

    Raises:
        BadAnswer: The answer cannot be used (rules 1 to 4).
    """
    if answer.refresh_hint_seconds <= 0:
        raise BadAnswer(f"found invalid refresh hint ({answer.refresh_hint_seconds}s)")
    if not answer.keys:
        raise BadAnswer("found no keys")
    data_timestamp = _unix_time(answer.data_timestamp)
    keys = [_public_key(one) for one in answer.keys]
    if len({key.key_id for key in keys}) < len(keys):
        raise BadAnswer("found two keys with one id")
    shown = [
        key
        for key, wire in zip(keys, answer.keys, strict=True)
        if not wire.exclude_from_oidc_discovery
    ]
    return FetchedKeys(
        KeySet(keys), KeySet(shown), data_timestamp, answer.refresh_hint_seconds, answer
    )


def has_changed(old: FetchKeysResponse, new: FetchKeysResponse) -> bool:
    """Tell whether the documents must be made anew: keys, their order, flags, or the time."""
    return (old.keys, old.data_timestamp) != (new.keys, new.data_timestamp)


def _unix_time(stamp: Timestamp | None) -> float:
    if stamp is None:
        raise BadAnswer("invalid data timestamp: there is none")
    if not _YEAR_1 <= stamp.seconds < _YEAR_10000 or not 0 <= stamp.nanos < _SECOND:
        raise BadAnswer("invalid data timestamp: out of range")
    return stamp.seconds + stamp.nanos / _SECOND


def _public_key(wire: WireKey) -> PublicKey:
    if not 0 < len(wire.key_id.encode()) <= MAX_KEY_ID_BYTES:
        raise BadAnswer(f'found invalid public key id "{wire.key_id[:_SHOWN]}"')
    if not wire.key:
        raise BadAnswer("found empty public key")
    try:
        return load_der_public_key(wire.key, wire.key_id)
    except UnusableKey as error:
        raise BadAnswer(f"while parsing external public keys: {error}") from None
