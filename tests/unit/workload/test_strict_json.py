"""JSON objects with one meaning."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podpass.workload.strict_json import NotStrictJSON, read_object


@pytest.mark.parametrize(
    ("data", "why"),
    [
        pytest.param(b"", "is not JSON", id="nothing"),
        pytest.param(b"{", "is not JSON", id="half an object"),
        pytest.param(b'{"a":1} x', "is not JSON", id="something after it"),
        pytest.param(b'\xef\xbb\xbf{"a":1}', "is not JSON", id="a byte order mark"),
        pytest.param('{"a":"é"}'.encode("latin-1"), "is not JSON", id="no UTF-8"),
        pytest.param(b'{"a":NaN}', "is not JSON", id="not a number"),
        pytest.param(b'{"a":-Infinity}', "is not JSON", id="infinity"),
        pytest.param(b'{"a":' + b"[" * 9999, "is not JSON", id="a depth bomb"),
        pytest.param(b"[1]", "is not an object", id="a list"),
        pytest.param(b'{"a":1,"a":1}', "has a member twice", id="a member twice"),
        pytest.param(b'{"a":1,"\\u0061":2}', "has a member twice", id="a member twice, escaped"),
        pytest.param(b'{"a":{"b":1,"b":2}}', "has a member twice", id="a member twice, inside"),
    ],
)
def test_what_is_not_strict_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(NotStrictJSON, match=f"^{why}$"):
        read_object(data)


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans())))
def test_an_object_is_read_as_it_was_written(value: dict[str, object]) -> None:
    assert read_object(json.dumps(value).encode()) == value


@given(st.binary())
def test_any_bytes_raise_nothing_else(data: bytes) -> None:
    with contextlib.suppress(NotStrictJSON):
        assert isinstance(read_object(data), dict)
