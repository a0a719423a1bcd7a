"""Compact JWS: what is signed verifies, nothing else does."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podpass.jose import base64url, jws
from podpass.jose.key_set import KeySet
from podpass.jose.keys import ES256, RS256, SigningKey, generate_signing_key

PAYLOAD = b'{"sub":"x"}'
KEY = generate_signing_key(ES256)
TOKEN = jws.sign(PAYLOAD, KEY)


def with_header(header: object, signature: str = "AA") -> str:
    return ".".join([base64url.encode(orjson.dumps(header)), base64url.encode(PAYLOAD), signature])


def verify(token: str, *keys: SigningKey) -> bytes:
    return jws.verify(jws.parse_unverified(token), KeySet(key.public for key in keys))


@pytest.mark.rule("jwt.compact")
def test_what_is_signed_verifies(rsa_key: SigningKey) -> None:
    assert verify(jws.sign(PAYLOAD, rsa_key), rsa_key) == PAYLOAD


@pytest.mark.rule("jwt.header")
def test_the_header_holds_algorithm_and_key_id_alone(rsa_key: SigningKey) -> None:
    token = jws.sign(PAYLOAD, rsa_key)
    assert jws.parse_unverified(token).header == {"alg": "RS256", "kid": rsa_key.public.key_id}
    assert base64url.decode(token.split(".")[0]).startswith(b'{"alg":"RS256","kid":"')


def test_a_kept_header_makes_the_same_token(rsa_key: SigningKey) -> None:
    kept = jws.sign(PAYLOAD, rsa_key, header=jws.encode_header(rsa_key))
    assert kept == jws.sign(PAYLOAD, rsa_key)


@pytest.mark.rule("verify.unknown-kid")
def test_a_token_of_an_unknown_key_is_refused_even_if_the_signature_would_fit() -> None:
    header = base64url.encode(orjson.dumps({"alg": "ES256", "kid": "other"}))
    token = jws.sign(PAYLOAD, KEY, header=header)
    with pytest.raises(jws.UnknownKey, match=r"^invalid signature, no keys found$"):
        verify(token, KEY)


@pytest.mark.rule("verify.no-kid")
def test_without_a_key_id_every_key_is_tried(rsa_key: SigningKey) -> None:
    header = base64url.encode(orjson.dumps({"alg": "ES256"}))
    token = jws.sign(PAYLOAD, KEY, header=header)
    assert verify(token, rsa_key, KEY) == PAYLOAD


def test_without_keys_nothing_is_verified() -> None:
    with pytest.raises(jws.UnknownKey):
        verify(TOKEN)


@pytest.mark.rule("verify.bad-signature")
def test_another_key_did_not_sign() -> None:
    header = base64url.encode(orjson.dumps({"alg": "ES256"}))
    token = jws.sign(PAYLOAD, generate_signing_key(ES256), header=header)
    with pytest.raises(
        jws.BadSignature, match=r"^invalid signature: error in cryptographic primitive$"
    ):
        verify(token, KEY)


@pytest.mark.rule("jwt.verify-allow-list")
@pytest.mark.parametrize("algorithm", ["RS384", "PS256", "HS256", "ES384", "none"])
def test_a_key_verifies_its_own_algorithm_alone(algorithm: str, rsa_key: SigningKey) -> None:
    header = base64url.encode(orjson.dumps({"alg": algorithm, "kid": rsa_key.public.key_id}))
    with pytest.raises(jws.BadSignature):
        verify(jws.sign(PAYLOAD, rsa_key, header=header), rsa_key)


@pytest.mark.parametrize(
    ("token", "why"),
    [
        pytest.param("", "a compact JWS has three parts", id="nothing"),
        pytest.param("a.b", "a compact JWS has three parts", id="two parts"),
        pytest.param("a.b.c.d", "a compact JWS has three parts", id="four parts"),
        pytest.param('{"payload":"."}.YQ.YQ', "a compact JWS has three parts", id="the JSON form"),
        pytest.param("YQ.Y.YQ", "the payload is not base64url", id="a payload of half a byte"),
        pytest.param("Y.YQ.YQ", "the header is not base64url", id="a header of half a byte"),
        pytest.param("YQ.YQ.YQ", "the header is not JSON", id="a header that is no JSON"),
        pytest.param(
            with_header([]), "the header names no algorithm", id="a header that is a list"
        ),
        pytest.param(with_header({}), "the header names no algorithm", id="a header without alg"),
        pytest.param(
            with_header({"alg": 1}), "the header names no algorithm", id="alg is a number"
        ),
        pytest.param(
            with_header({"alg": "a", "kid": 1}),
            "the header's key id is not a string",
            id="kid is a number",
        ),
        pytest.param(
            with_header({"alg": "a", "crit": []}),
            "the header has critical extensions, none is known",
            id="critical extensions",
        ),
        pytest.param(
            with_header({"alg": "a"}, "A"), "the signature is not base64url", id="half a signature"
        ),
    ],
)
def test_what_is_no_jws_is_malformed(token: str, why: str) -> None:
    with pytest.raises(jws.Malformed) as caught:
        jws.parse_unverified(token)
    assert str(caught.value) == why


def test_the_json_form_shows_no_payload_even_when_it_has_three_parts() -> None:
    with pytest.raises(jws.Malformed, match=r"^a compact JWS has three parts$"):
        jws.unverified_payload("{}.YQ.YQ")


@given(st.text(max_size=60))
def test_any_text_is_malformed_or_a_jws(text: str) -> None:
    try:
        parsed = jws.parse_unverified(text)
    except jws.Malformed:
        return
    assert isinstance(parsed.header["alg"], str)


@given(
    st.integers(0, len(TOKEN) - 1),
    st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."),
)
def test_a_token_with_one_other_character_is_refused(index: int, character: str) -> None:
    changed = TOKEN[:index] + character + TOKEN[index + 1 :]
    if changed == TOKEN:
        return
    with pytest.raises(jws.JwsError):
        verify(changed, KEY)


@given(st.integers(0, len(TOKEN) - 1))
def test_a_cut_token_is_refused(length: int) -> None:
    with pytest.raises(jws.JwsError):
        verify(TOKEN[:length], KEY)


def test_errors_and_reprs_show_no_part_of_a_token() -> None:
    parsed = jws.parse_unverified(TOKEN)
    assert PAYLOAD.decode() not in repr(parsed)
    for key in (KEY, generate_signing_key(RS256)):
        with pytest.raises(jws.JwsError) as caught:
            verify(TOKEN[:-4] + "AAAA", key)
        assert not any(part in str(caught.value) for part in TOKEN.split("."))
