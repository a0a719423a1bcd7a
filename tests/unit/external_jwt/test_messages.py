"""Protobuf messages of the signer's protocol, byte by byte and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podpass.apiserver.external_jwt import messages
from podpass.apiserver.external_jwt.failures import BadAnswer
from podpass.apiserver.external_jwt.messages import (
    FetchKeysResponse,
    SignResponse,
    Timestamp,
    WireKey,
)

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)
# The bytes are those that the protobuf library writes.
KEYS = FetchKeysResponse(
    keys=(
        WireKey(key_id="k1", key=b"\x01\x02"),
        WireKey(key_id="k2", key=b"\x03", exclude_from_oidc_discovery=True),
    ),
    data_timestamp=Timestamp(300, 7),
    refresh_hint_seconds=60,
)
KEYS_ON_THE_WIRE = bytes.fromhex("0a080a026b31120201020a090a026b321201031801120508ac021007183c")


def test_the_keys_are_written_as_protobuf_does() -> None:
    assert messages.encode_fetch_keys_response(KEYS) == KEYS_ON_THE_WIRE
    assert messages.decode_fetch_keys_response(KEYS_ON_THE_WIRE) == KEYS


def test_a_request_and_its_answer_are_written_as_protobuf_does() -> None:
    assert messages.encode_sign_request("e30") == bytes.fromhex("0a03653330")
    assert messages.decode_sign_request(bytes.fromhex("0a03653330")) == "e30"
    response = SignResponse(header="h", signature="s")
    assert messages.encode_sign_response(response) == bytes.fromhex("0a0168120173")
    assert messages.decode_sign_response(bytes.fromhex("0a0168120173")) == response


def test_metadata_is_written_as_protobuf_does() -> None:
    assert messages.encode_metadata_response(600) == bytes.fromhex("08d804")
    assert messages.decode_metadata_response(bytes.fromhex("08d804")) == 600
    assert messages.decode_metadata_response(b"") == 0


def test_a_time_of_zero_is_not_the_same_as_none() -> None:
    zero = FetchKeysResponse(data_timestamp=Timestamp())
    assert messages.decode_fetch_keys_response(messages.encode_fetch_keys_response(zero)) == zero
    assert messages.decode_fetch_keys_response(b"").data_timestamp is None


@given(
    st.lists(
        st.builds(
            WireKey,
            key_id=st.text(),
            key=st.binary(),
            exclude_from_oidc_discovery=st.booleans(),
        )
    ),
    st.none() | st.builds(Timestamp, INT64, st.integers(-(1 << 31), (1 << 31) - 1)),
    INT64,
)
def test_what_is_written_is_read(keys: list[WireKey], stamp: Timestamp | None, hint: int) -> None:
    response = FetchKeysResponse(keys=tuple(keys), data_timestamp=stamp, refresh_hint_seconds=hint)
    encoded = messages.encode_fetch_keys_response(response)
    assert messages.decode_fetch_keys_response(encoded) == response


def test_fields_of_later_versions_are_passed_over() -> None:
    later = bytes.fromhex("08d804 5205 68656c6c6f 5801".replace(" ", ""))
    assert messages.decode_metadata_response(later) == 600


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param("0a05", "unexpected EOF", id="bytes that end too soon"),
        pytest.param("0b", "illegal wireType 3", id="a group"),
        pytest.param("0a01ff", "invalid UTF-8", id="text that is no text"),
        pytest.param("0801", "wrong wire type", id="a number instead of text"),
    ],
)
def test_what_is_no_answer_is_refused(data: str, why: str) -> None:
    with pytest.raises(BadAnswer, match=why):
        messages.decode_sign_response(bytes.fromhex(data))


def test_text_instead_of_a_number_is_refused() -> None:
    with pytest.raises(BadAnswer, match="wrong wire type"):
        messages.decode_metadata_response(bytes.fromhex("0a0161"))


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for decode in (
        messages.decode_sign_request,
        messages.decode_sign_response,
        messages.decode_fetch_keys_response,
        messages.decode_metadata_response,
    ):
        try:
            decode(data)
        except BadAnswer:
            continue
