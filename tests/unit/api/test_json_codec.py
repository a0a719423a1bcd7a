"""JSON bodies: limits, and repeated keys found on the fast and on the slow path."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podpass.api.json_codec import MAX_DEPTH, MalformedBody, duplicate_keys, parse_json


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def test_the_last_allowed_depth_and_the_first_refused() -> None:
    parse_json(nested(MAX_DEPTH))
    with pytest.raises(MalformedBody, match="max depth of 100"):
        parse_json(nested(MAX_DEPTH + 1))
    with pytest.raises(MalformedBody, match="json parse error"):
        parse_json(nested(5000))


@pytest.mark.parametrize("body", [b"", b"{", b'{"password": tru}', b"\xff", b"NaN"])
def test_no_json_is_refused_without_quoting_it(body: bytes) -> None:
    with pytest.raises(MalformedBody, match=r"^json parse error: [^:]*\(byte \d+\)$") as caught:
        parse_json(body)
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        pytest.param(b'{"a":1,"b":{"c":[{"d":1}]}}', [], id="none"),
        pytest.param(b'{"a":1,"a":2}', ["a"], id="at the top"),
        pytest.param(b'{"x":{"a":1,"a":2}}', ["x.a"], id="inside"),
        pytest.param(b'{"x":[0,{"a":1,"a":2,"a":3}]}', ["x[1].a", "x[1].a"], id="in a list"),
        pytest.param(b'{"a" : 1, "a": 2}', ["a"], id="space before the colon"),
        pytest.param(b'{"a" : 1, "b": 2}', [], id="space and nothing repeated"),
        pytest.param(rb'{"a":"say \":\"","b":1}', [], id="a text that looks like a key"),
        pytest.param(rb'{"a":"\":","a":1}', ["a"], id="such a text and a repeated key"),
    ],
)
def test_duplicate_keys(body: bytes, paths: list[str]) -> None:
    assert duplicate_keys(body, parse_json(body)) == paths


def json_values() -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        ),
        max_leaves=12,
    )


@given(json_values())
def test_what_an_encoder_writes_has_no_duplicates(value: Any) -> None:
    body = orjson.dumps(value)
    assert parse_json(body) == value
    assert duplicate_keys(body, value) == []
