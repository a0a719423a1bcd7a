"""The keys that are trusted, in order, and their JWKS document.

Source: RFC 7517, section 5; Kubernetes `pkg/serviceaccount`, `StaticPublicKeysGetter`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import orjson

from podpass.jose.keys import KeyID, PublicKey


class KeySet:
    """Verification keys; a key that is given twice counts once."""

    __slots__ = ("_by_id",)

    def __init__(self, keys: Iterable[PublicKey]) -> None:
        self._by_id: dict[KeyID, PublicKey] = {}
        for key in keys:
            self._by_id.setdefault(key.key_id, key)

    def __iter__(self) -> Iterator[PublicKey]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def candidates(self, key_id: str) -> list[PublicKey]:
        """Return the keys to try: the one of this id, or all where a token names none."""
        if not key_id:
            return list(self)
        key = self._by_id.get(KeyID(key_id))
        return [] if key is None else [key]

    def algorithm_names(self) -> list[str]:
        """Return the distinct algorithms, sorted."""
        return sorted({key.algorithm.name for key in self})

    def to_jwks(self) -> bytes:
        """Return the JWKS document with all keys."""
        return orjson.dumps({"keys": [key.to_jwk() for key in self]})
