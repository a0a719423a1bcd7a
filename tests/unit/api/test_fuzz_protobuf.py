"""Any bytes are a protobuf object or a bad request, good bytes with some changed above all."""

from __future__ import annotations

import orjson
import pytest
from api.hostile_values import POD, refusable
from hypothesis import example, given, settings
from hypothesis import strategies as st

from podpass.api import codec
from podpass.api.errors import StatusError
from podpass.api.structure import conform
from tests.examples import examples

GOOD = codec.encode_protobuf(
    {"apiVersion": "v1", "kind": "Pod"} | conform(POD, "k8s.io.api.core.v1.Pod")
)


def read(body: bytes) -> None:
    try:
        decoded = codec.decode_body(
            body, codec.PROTOBUF, field_validation="Strict", default_gvk=("v1", "Pod")
        )
    except StatusError as error:
        refusable(error)
    else:
        orjson.dumps(decoded.object)


def test_the_good_bytes_are_good() -> None:
    decoded = codec.decode_body(
        GOOD, codec.PROTOBUF, field_validation="Strict", default_gvk=("v1", "Pod")
    )
    assert decoded.object["spec"]["containers"][0]["image"] == "nginx"


@given(st.binary(max_size=80))
@settings(max_examples=examples(150))
@example(b"\x0a\x00" * 40)
def test_any_bytes_behind_the_magic_number(data: bytes) -> None:
    read(b"k8s\x00" + data)


@given(st.lists(st.tuples(st.integers(4, len(GOOD) - 1), st.integers(0, 255)), max_size=4))
@settings(max_examples=examples(250))
def test_good_bytes_with_some_changed(changes: list[tuple[int, int]]) -> None:
    body = bytearray(GOOD)
    for at, byte in changes:
        body[at] = byte
    read(bytes(body))


@given(st.integers(0, len(GOOD)), st.integers(0, len(GOOD)))
@settings(max_examples=examples(150))
def test_good_bytes_with_a_part_cut_out(start: int, end: int) -> None:
    read(GOOD[:start] + GOOD[end:])


@pytest.mark.parametrize("times", [2, 50])
def test_a_message_given_many_times(times: int) -> None:
    read(GOOD + GOOD[4:] * times)
