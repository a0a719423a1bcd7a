"""JWKS documents: good keys are found, all others are passed over."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podpass.jose import base64url
from podpass.jose.keys import ES256, ES384, generate_signing_key
from podpass.workload.refusal import IssuerUnavailable
from podpass.workload.trusted_keys import MAXIMUM_KEYS, read_jwks

RSA = generate_signing_key().public
P256 = generate_signing_key(ES256).public
P384 = generate_signing_key(ES384).public
POINT = {name: P256.to_jwk()[name] for name in ("x", "y")}
FILLER = {"kty": "oct"}


def document(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


def test_a_key_is_found_under_the_id_that_the_document_gives_it() -> None:
    keys = read_jwks(document(P256.to_jwk() | {"kid": "2026-11"}, RSA.to_jwk()))
    assert keys.key_ids == ["2026-11", RSA.key_id]
    assert [key.key_id for key in keys.candidates("2026-11", "ES256")] == [P256.key_id]
    assert keys.candidates("2026-11", "RS256") == []
    assert keys.candidates(P256.key_id, "ES256") == []
    assert keys.knows("2026-11")
    assert not keys.knows(P256.key_id)


def test_without_an_id_all_keys_of_the_algorithm_are_tried() -> None:
    keys = read_jwks(document(RSA.to_jwk(), P256.to_jwk(), P384.to_jwk()))
    assert [key.key_id for key in keys.candidates("", "ES384")] == [P384.key_id]
    assert keys.knows("")


def test_two_keys_may_share_an_id() -> None:
    keys = read_jwks(document(RSA.to_jwk() | {"kid": "k"}, P256.to_jwk() | {"kid": "k"}))
    assert len(keys) == 2
    assert [key.key_id for key in keys.candidates("k", "RS256")] == [RSA.key_id]


def test_a_key_without_an_id_answers_to_no_name() -> None:
    entry = {name: value for name, value in P256.to_jwk().items() if name != "kid"}
    keys = read_jwks(document(entry))
    assert keys.key_ids == [""]
    assert keys.knows("")
    assert not keys.knows(P256.key_id)
    assert keys.candidates(P256.key_id, "ES256") == []
    assert [key.key_id for key in keys.candidates("", "ES256")] == [P256.key_id]


def test_a_document_may_leave_out_what_the_key_itself_says() -> None:
    entry = {"kty": "EC", "crv": "P-256", **POINT}
    assert len(read_jwks(document(entry)).candidates("", "ES256")) == 1


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param("text", id="no object"),
        pytest.param({}, id="nothing in it"),
        pytest.param({"kty": "oct", "k": "AAAA"}, id="a shared secret"),
        pytest.param({"kty": "OKP", "crv": "Ed25519", "x": "AA"}, id="an Edwards curve"),
        pytest.param(P256.to_jwk() | {"d": "AA"}, id="a private part"),
        pytest.param(P256.to_jwk() | {"use": "enc"}, id="a key for encryption"),
        pytest.param(P256.to_jwk() | {"alg": "ES384"}, id="an algorithm that does not fit"),
        pytest.param(RSA.to_jwk() | {"alg": "RS512"}, id="an algorithm off the list"),
        pytest.param(P256.to_jwk() | {"kid": 7}, id="a number as id"),
        pytest.param(P256.to_jwk() | {"crv": "P-224"}, id="an unknown curve"),
        pytest.param(P256.to_jwk() | {"crv": ["P-256"]}, id="a list of curves"),
        pytest.param(P256.to_jwk() | {"x": P256.to_jwk()["y"]}, id="a point off the curve"),
        pytest.param(P256.to_jwk() | {"x": None}, id="a coordinate missing"),
        pytest.param(P256.to_jwk() | {"x": "="}, id="a coordinate in no base64url"),
        pytest.param(RSA.to_jwk() | {"e": "AQ"}, id="the exponent 1"),
        pytest.param(
            RSA.to_jwk() | {"n": base64url.encode_integer((1 << 2046) + 1)}, id="2047 bits"
        ),
        pytest.param(
            RSA.to_jwk() | {"n": base64url.encode_integer((1 << 16384) + 1)}, id="16385 bits"
        ),
    ],
)
def test_a_key_that_cannot_be_used_is_passed_over(entry: Any) -> None:
    assert read_jwks(document(entry, P384.to_jwk())).key_ids == [P384.key_id]


@pytest.mark.parametrize("bits", [2048, 16384])
def test_the_smallest_and_the_largest_rsa_key_are_used(bits: int) -> None:
    entry = RSA.to_jwk() | {"n": base64url.encode_integer((1 << bits - 1) + 1)}
    assert len(read_jwks(document(entry))) == 1


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"<html>", "is not JSON", id="a page"),
        pytest.param(b"{}", "no list", id="no list of keys"),
        pytest.param(document(), "no usable key", id="an empty list"),
        pytest.param(document(FILLER), "no usable key", id="no usable key"),
        pytest.param(
            document(*[FILLER] * MAXIMUM_KEYS, P256.to_jwk()), "up to 100 keys", id="101 keys"
        ),
    ],
)
def test_a_document_without_a_use_is_an_error(data: bytes, why: str) -> None:
    with pytest.raises(IssuerUnavailable, match=why):
        read_jwks(data)


def test_a_document_may_have_100_keys() -> None:
    assert len(read_jwks(document(*[FILLER] * (MAXIMUM_KEYS - 1), P256.to_jwk()))) == 1


VALUES = st.none() | st.integers() | st.text(max_size=8) | st.lists(st.text(max_size=3), max_size=2)


@given(
    st.sampled_from([RSA, P256]),
    st.dictionaries(
        st.sampled_from(["kty", "kid", "use", "alg", "crv", "n", "e", "x", "y"]), VALUES
    ),
)
def test_nonsense_in_a_key_raises_nothing_else(key: Any, changes: dict[str, Any]) -> None:
    assert len(read_jwks(document(key.to_jwk() | changes, P384.to_jwk()))) in (1, 2)
