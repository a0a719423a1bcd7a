"""Whole tokens are told from everything else that a file may hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podpass.jose import base64url
from podpass.jose.keys import ES256, ES384, ES512, RS256, generate_signing_key
from podpass.testing.fake_clock import START
from podpass.testing.fake_issuer import LIFE, bound_claims, encoded, signed
from podpass.workload.token_content import NotAToken, read_content

TOKENS = [signed(bound_claims(), generate_signing_key(one)) for one in (RS256, ES256, ES384, ES512)]
ALGORITHMS = ["RS256", "ES256", "ES384", "ES512"]


@pytest.mark.rule("client.trim")
@pytest.mark.parametrize("token", TOKENS, ids=ALGORITHMS)
@pytest.mark.parametrize("around", ["{}", "{}\n", " {}\r\n"], ids=["bare", "a line", "spaces"])
def test_a_whole_token_is_handed_out_without_space(token: str, around: str) -> None:
    held = read_content(around.format(token).encode())
    assert (held.text, held.expires_at) == (token, START.timestamp() + LIFE)
    assert token not in repr(held)


@pytest.mark.parametrize("token", TOKENS, ids=ALGORITHMS)
def test_no_beginning_of_a_token_passes_for_it(token: str) -> None:
    for length in range(len(token)):
        with pytest.raises(NotAToken):
            read_content(token[:length].encode())


@pytest.mark.parametrize("token", TOKENS, ids=ALGORITHMS)
def test_no_end_of_a_token_passes_for_it(token: str) -> None:
    for start in range(1, len(token)):
        with pytest.raises(NotAToken):
            read_content(token[start:].encode())


@pytest.mark.rule("client.trim")
@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"", "is empty", id="nothing"),
        pytest.param(b" \n", "is empty", id="space alone"),
        pytest.param(b"\xff\xfe", "is not a token", id="bytes"),
        pytest.param(b"secret", "is not a whole token", id="a password"),
        pytest.param("\n".join(TOKENS).encode(), "is not a whole token", id="several tokens"),
        pytest.param(
            f"{encoded({})}.{encoded({})}.AAAA".encode(), "is not a whole token", id="no algorithm"
        ),
        pytest.param(
            f"{encoded({'alg': 'none'})}.{encoded({})}.".encode(),
            "is not a whole token",
            id="no signature",
        ),
    ],
)
def test_anything_else_is_no_token(content: bytes, why: str) -> None:
    with pytest.raises(NotAToken, match=f"^{why}$"):
        read_content(content)


@pytest.mark.parametrize("expiry", [None, "soon", True], ids=repr)
def test_an_expiry_that_is_no_number_is_unknown(expiry: object) -> None:
    token = f"{encoded({'alg': 'EdDSA'})}.{encoded({'exp': expiry})}.{base64url.encode(bytes(64))}"
    assert read_content(token.encode()).expires_at is None


@given(st.binary())
def test_any_bytes_raise_nothing_else(content: bytes) -> None:
    with pytest.raises(NotAToken):
        read_content(content)


@pytest.mark.parametrize(
    ("signature", "whole"),
    [pytest.param("", False, id="no byte"), pytest.param("AA", True, id="one byte")],
)
def test_a_signature_of_an_unknown_algorithm_has_at_least_a_byte(
    signature: str, *, whole: bool
) -> None:
    token = f"{encoded({'alg': 'EdDSA'})}.{encoded(bound_claims())}.{signature}"
    if whole:
        assert read_content(token.encode()).text == token
        return
    with pytest.raises(NotAToken):
        read_content(token.encode())
