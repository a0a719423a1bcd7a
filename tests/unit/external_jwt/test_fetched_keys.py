"""Which answers of a signer are keys, and which are the same as before."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from podpass.apiserver.external_jwt.failures import BadAnswer
from podpass.apiserver.external_jwt.fetched_keys import check_keys, has_changed
from podpass.apiserver.external_jwt.messages import FetchKeysResponse, Timestamp, WireKey
from podpass.jose.keys import ES384, ES512, generate_signing_key
from podpass.testing.reference_signer import wire_key

from .conftest import KEY, OTHER, STAMP, answer


def der_of(private: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def test_one_key() -> None:
    keys = check_keys(answer())
    assert [key.key_id for key in keys.trusted] == [KEY.public.key_id]
    assert [key.key_id for key in keys.published] == [KEY.public.key_id]
    assert keys.data_timestamp == 1_760_000_000.5
    assert keys.refresh_seconds == 60


def test_many_keys_keep_their_order_and_the_ids_of_the_signer() -> None:
    given = [
        wire_key(generate_signing_key(ES384).public, key_id="z"),
        wire_key(generate_signing_key(ES512).public, key_id="a"),
        wire_key(KEY.public, key_id="k" * 1024),
    ]
    keys = check_keys(answer(*given))
    assert [key.key_id for key in keys.trusted] == ["z", "a", "k" * 1024]
    assert keys.trusted.algorithm_names() == ["ES256", "ES384", "ES512"]
    assert b'"kid":"a"' in keys.published.to_jwks()


@pytest.mark.rule("discovery.excluded-keys")
def test_an_excluded_key_is_trusted_and_not_shown() -> None:
    keys = check_keys(
        answer(wire_key(KEY.public), wire_key(OTHER.public, key_id="old", excluded=True))
    )
    assert [key.key_id for key in keys.trusted] == [KEY.public.key_id, "old"]
    assert [key.key_id for key in keys.published] == [KEY.public.key_id]
    assert keys.is_excluded("old")
    assert not keys.is_excluded(KEY.public.key_id)
    assert not keys.is_excluded("unknown")


@pytest.mark.rule("signer.fetch-keys")
@pytest.mark.parametrize(
    ("given", "why"),
    [
        pytest.param(replace(answer(), keys=()), "found no keys", id="no keys"),
        pytest.param(
            answer(WireKey(key=KEY.public.to_der())),
            'found invalid public key id ""',
            id="an empty key id",
        ),
        pytest.param(
            answer(wire_key(KEY.public, key_id="k" * 1025)),
            f'found invalid public key id "{"k" * 64}"',
            id="a key id of 1025 bytes",
        ),
        pytest.param(answer(WireKey(key_id="k")), "found empty public key", id="an empty key"),
        pytest.param(
            answer(WireKey(key_id="k", key=b"junk")),
            "while parsing external public keys: data is not a DER public key",
            id="junk",
        ),
        pytest.param(
            answer(WireKey(key_id="k", key=KEY.public.to_pem())),
            "while parsing external public keys: data is not a DER public key",
            id="PEM",
        ),
        pytest.param(
            answer(WireKey(key_id="k", key=der_of(ed25519.Ed25519PrivateKey.generate()))),
            "while parsing external public keys: keys of type Ed25519PublicKey cannot be used, "
            "take RSA or EC",
            id="Ed25519",
        ),
        pytest.param(
            answer(WireKey(key_id="k", key=der_of(ec.generate_private_key(ec.SECP256K1())))),
            "while parsing external public keys: unknown private key curve, must be 256, 384, "
            "or 521",
            id="another curve",
        ),
        pytest.param(
            answer(wire_key(KEY.public), WireKey(key_id="k", key=b"junk")),
            "while parsing external public keys: data is not a DER public key",
            id="one bad key beside a good one",
        ),
        pytest.param(
            answer(wire_key(KEY.public, key_id="k"), wire_key(OTHER.public, key_id="k")),
            "found two keys with one id",
            id="two keys of one id",
        ),
        pytest.param(answer(stamp=None), "invalid data timestamp: there is none", id="no time"),
        pytest.param(
            answer(stamp=Timestamp(-62135596801)),
            "invalid data timestamp: out of range",
            id="before the year 1",
        ),
        pytest.param(
            answer(stamp=Timestamp(253402300800)),
            "invalid data timestamp: out of range",
            id="the year 10000",
        ),
        pytest.param(
            answer(stamp=Timestamp(0, -1)),
            "invalid data timestamp: out of range",
            id="negative nanoseconds",
        ),
        pytest.param(
            answer(stamp=Timestamp(0, 1_000_000_000)),
            "invalid data timestamp: out of range",
            id="a second of nanoseconds",
        ),
        pytest.param(answer(hint=0), "found invalid refresh hint (0s)", id="no hint"),
        pytest.param(answer(hint=-1), "found invalid refresh hint (-1s)", id="a negative hint"),
    ],
)
def test_an_answer_is_refused_as_a_whole(given: FetchKeysResponse, why: str) -> None:
    with pytest.raises(BadAnswer) as caught:
        check_keys(given)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    "stamp",
    [
        pytest.param(Timestamp(-62135596800), id="the first second of the year 1"),
        pytest.param(Timestamp(253402300799, 999_999_999), id="the last one of the year 9999"),
    ],
)
def test_times_at_the_edges_are_valid(stamp: Timestamp) -> None:
    assert check_keys(answer(stamp=stamp)).data_timestamp == stamp.seconds + stamp.nanos / 1e9


BEFORE = answer(wire_key(KEY.public, key_id="a"), wire_key(OTHER.public, key_id="b"))
A, B = BEFORE.keys


@pytest.mark.rule("signer.fetch-keys", "discovery.render-once")
@pytest.mark.parametrize(
    ("after", "changed"),
    [
        pytest.param(answer(A, B), False, id="the same once more is no change"),
        pytest.param(answer(A, B, hint=7), False, id="another hint is no change"),
        pytest.param(answer(A, B, stamp=Timestamp(1)), True, id="another time is a change"),
        pytest.param(answer(A), True, id="a key less is a change"),
        pytest.param(answer(A, B, wire_key(KEY.public)), True, id="a key more is a change"),
        pytest.param(answer(B, A), True, id="another order is a change"),
        pytest.param(answer(A, replace(B, key_id="c")), True, id="another id is a change"),
        pytest.param(
            answer(A, replace(B, exclude_from_oidc_discovery=True)),
            True,
            id="another exclusion is a change",
        ),
        pytest.param(
            answer(A, replace(B, key=A.key)), True, id="another key under the same id is a change"
        ),
    ],
)
def test_what_counts_as_a_change(after: FetchKeysResponse, changed: bool) -> None:
    assert BEFORE.data_timestamp == STAMP
    assert has_changed(BEFORE, after) is changed
