"""One value, one spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podpass.jose import base64url


@given(st.binary())
def test_what_is_encoded_is_decoded(data: bytes) -> None:
    assert base64url.decode(base64url.encode(data)) == data


def test_padding_alone_is_taken_off() -> None:
    assert base64url.encode(b"\0\0\x17") == "AAAX"


@given(st.text(max_size=12))
def test_whatever_is_accepted_is_the_one_spelling(text: str) -> None:
    try:
        data = base64url.decode(text)
    except ValueError:
        return
    assert base64url.encode(data) == text


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("YQ==", id="padding"),
        pytest.param("Y", id="a single character"),
        pytest.param("YR", id="stray bits at the end"),
        pytest.param("Y Q", id="a space"),
        pytest.param("YQ\n", id="a line break"),
        pytest.param("+/8", id="the other alphabet"),
        pytest.param("é", id="not ASCII"),
    ],
)
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not base64url$"):
        base64url.decode(text)


@pytest.mark.parametrize(
    ("number", "length", "text"),
    [
        pytest.param(0, 0, "AA", id="zero is one byte"),
        pytest.param(255, 0, "_w", id="one byte"),
        pytest.param(256, 0, "AQA", id="two bytes"),
        pytest.param(1, 4, "AAAAAQ", id="padded on the left"),
    ],
)
def test_integers_are_big_endian(number: int, length: int, text: str) -> None:
    assert base64url.encode_integer(number, length) == text
