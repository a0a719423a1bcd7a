"""Which keys are tried, and what is shown of them."""

from __future__ import annotations

import orjson
import pytest

from podpass.jose.key_set import KeySet
from podpass.jose.keys import SigningKey


def test_a_key_given_twice_counts_once(rsa_key: SigningKey, elliptic_key: SigningKey) -> None:
    keys = KeySet([rsa_key.public, elliptic_key.public, rsa_key.public])
    assert len(keys) == 2
    assert list(keys) == [rsa_key.public, elliptic_key.public]


@pytest.mark.rule("verify.unknown-kid")
def test_an_id_finds_its_key_alone(rsa_key: SigningKey, elliptic_key: SigningKey) -> None:
    keys = KeySet([rsa_key.public, elliptic_key.public])
    assert keys.candidates(elliptic_key.public.key_id) == [elliptic_key.public]
    assert keys.candidates("unknown") == []


@pytest.mark.rule("verify.no-kid")
def test_without_an_id_all_keys_are_tried_in_order(
    rsa_key: SigningKey, elliptic_key: SigningKey
) -> None:
    keys = KeySet([elliptic_key.public, rsa_key.public])
    assert keys.candidates("") == [elliptic_key.public, rsa_key.public]


@pytest.mark.rule("discovery.all-keys")
def test_the_jwks_shows_all_keys(rsa_key: SigningKey, elliptic_key: SigningKey) -> None:
    keys = KeySet([rsa_key.public, elliptic_key.public])
    shown = orjson.loads(keys.to_jwks())
    assert [key["kid"] for key in shown["keys"]] == [
        rsa_key.public.key_id,
        elliptic_key.public.key_id,
    ]
    assert not any("d" in key for key in shown["keys"])
    assert keys.algorithm_names() == ["ES256", "RS256"]
