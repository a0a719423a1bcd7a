"""What a signer may put before the claims."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from podpass.apiserver.external_jwt.failures import BadAnswer
from podpass.apiserver.external_jwt.header import check_header
from podpass.jose import base64url

GOOD = {"alg": "ES256", "kid": "k", "typ": "JWT"}


def header(members: Any) -> str:
    return base64url.encode(orjson.dumps(members))


@pytest.mark.rule("signer.header")
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "ES384", "ES512"])
def test_the_four_algorithms_are_allowed(algorithm: str) -> None:
    assert check_header(header(GOOD | {"alg": algorithm})) == "k"


@pytest.mark.rule("signer.header")
@pytest.mark.parametrize(
    "key_id",
    [pytest.param("k" * 1024, id="1024 letters"), pytest.param("ä" * 512, id="512 umlauts")],
)
def test_a_key_id_may_have_1024_bytes(key_id: str) -> None:
    assert check_header(header(GOOD | {"kid": key_id})) == key_id


@pytest.mark.rule("signer.header")
@pytest.mark.parametrize(
    ("members", "why"),
    [
        pytest.param(GOOD | {"typ": "ABC"}, "bad type", id="another type"),
        pytest.param(GOOD | {"typ": "jwt"}, "bad type", id="a type in small letters"),
        pytest.param({"alg": "ES256", "kid": "k"}, "bad type", id="no type"),
        pytest.param(GOOD | {"typ": None}, "bad type", id="a null type"),
        pytest.param({"alg": "ES256", "typ": "JWT"}, "key id missing", id="no key id"),
        pytest.param(GOOD | {"kid": ""}, "key id missing", id="an empty key id"),
        pytest.param(GOOD | {"kid": "k" * 1025}, "key id longer than 1 kb", id="1025 bytes"),
        pytest.param(GOOD | {"kid": "ä" * 513}, "key id longer than 1 kb", id="513 umlauts"),
        pytest.param(GOOD | {"alg": "ABC"}, 'bad signing algorithm "ABC"', id="any algorithm"),
        pytest.param(GOOD | {"alg": "none"}, 'bad signing algorithm "none"', id="none"),
        pytest.param(GOOD | {"alg": "HS256"}, 'bad signing algorithm "HS256"', id="HMAC"),
        pytest.param(GOOD | {"alg": "PS256"}, 'bad signing algorithm "PS256"', id="RSA-PSS"),
        pytest.param({"kid": "k", "typ": "JWT"}, 'bad signing algorithm ""', id="no algorithm"),
        pytest.param(
            GOOD | {"jku": "https://e"},
            'while parsing header JSON: json: unknown field "jku"',
            id="a further member",
        ),
        pytest.param(
            GOOD | {"kid": 7}, "while parsing header JSON: kid is not a string", id="a number"
        ),
        pytest.param(["JWT"], "while parsing header JSON: not an object", id="a list"),
    ],
)
def test_a_header_is_refused(members: Any, why: str) -> None:
    with pytest.raises(BadAnswer) as caught:
        check_header(header(members))
    assert str(caught.value) == why


@pytest.mark.rule("signer.header")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("***", "while unwrapping header: not base64url", id="no base64url"),
        pytest.param("e30=", "while unwrapping header: not base64url", id="padding"),
        pytest.param("e30.", "while unwrapping header: not base64url", id="a dot"),
        pytest.param("", "while parsing header JSON: not JSON", id="nothing"),
        pytest.param("e3", "while unwrapping header: not base64url", id="stray bits"),
        pytest.param("eyI", "while parsing header JSON: not JSON", id="half an object"),
    ],
)
def test_what_is_no_header_is_refused(text: str, why: str) -> None:
    with pytest.raises(BadAnswer) as caught:
        check_header(text)
    assert str(caught.value) == why
