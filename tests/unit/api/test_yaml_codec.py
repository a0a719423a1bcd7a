"""YAML as kubectl 1.37 reads it; the expected values were printed by kubectl."""

from typing import Any

import pytest

from podpass.api import yaml_codec
from podpass.api.json_codec import MalformedBody
from podpass.api.yaml_codec import parse_yaml, parse_yaml_documents


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("0400", 256, id="octal as in Go and C"),
        pytest.param("0o400", 256, id="octal as in YAML 1.2"),
        pytest.param("0777", 511, id="file mode"),
        pytest.param("08", 8, id="no octal digit makes it decimal"),
        pytest.param("0x1F", 31, id="hexadecimal"),
        pytest.param("0b11", 3, id="binary"),
        pytest.param("-0o17", -15, id="negative octal"),
        pytest.param("+5", 5, id="plus sign"),
        pytest.param("1e3", 1000, id="exponent"),
        pytest.param("1_000", 1000, id="underscore"),
        pytest.param("1.0", 1, id="whole float"),
        pytest.param(".5", 0.5, id="float without a digit in front"),
        pytest.param("1.", 1, id="float without a digit behind"),
        pytest.param("1e-7", 1e-7, id="small float"),
        pytest.param("1e400", "1e400", id="float beyond range is text"),
        pytest.param("1e21", 1e21, id="large float"),
        pytest.param("9223372036854775807", 2**63 - 1, id="largest integer"),
        pytest.param("9223372036854775808", float(2**63), id="one more is a float"),
        pytest.param("12:30", "12:30", id="time of day is text"),
        pytest.param("2024-01-01", "2024-01-01", id="date is text"),
        pytest.param("1.2.3", "1.2.3", id="version is text"),
        pytest.param("0x", "0x", id="prefix alone is text"),
        pytest.param("y", True, id="y"),
        pytest.param("Yes", True, id="Yes"),
        pytest.param("on", True, id="on"),
        pytest.param("N", False, id="N"),
        pytest.param("off", False, id="off"),
        pytest.param("tRUE", "tRUE", id="odd capitals are text"),
        pytest.param("~", None, id="tilde"),
        pytest.param("", None, id="nothing"),
        pytest.param('"0400"', "0400", id="quoted number"),
        pytest.param("'y'", "y", id="quoted y"),
        pytest.param("|-\n  12", "12", id="block text"),
        pytest.param("!!str 0400", "0400", id="tagged as text"),
        pytest.param('!!int "5"', 5, id="tagged as integer"),
        pytest.param('!!float "2"', 2, id="tagged as float"),
        pytest.param('!!bool "yes"', True, id="tagged as boolean"),
        pytest.param("!!binary YQ==", "a", id="binary is decoded"),
        pytest.param("!foo x", "x", id="foreign tag"),
        pytest.param("!!timestamp 2024-01-01", "2024-01-01", id="tagged as time"),
        pytest.param("[1, y]", [1, True], id="list"),
        pytest.param("{1: a, y: b, 1.5: c}", {"1": "a", "true": "b", "1.5": "c"}, id="keys"),
        pytest.param("{n: b}", {"false": "b"}, id="false as key"),
        pytest.param("{<<: {a: 1, b: 2}, a: 3}", {"a": 3, "b": 2}, id="merge"),
        pytest.param("{<<: [{a: 1}, {a: 2, b: 2}]}", {"a": 1, "b": 2}, id="merge of several"),
        pytest.param("{'<<': 3}", {"<<": 3}, id="quoted merge key is a key"),
    ],
)
def test_what_a_value_means(text: str, value: Any) -> None:
    assert parse_yaml(f"foo: {text}\n") == {"foo": value}


def test_types_are_exact() -> None:
    assert type(parse_yaml("foo: 1.0")["foo"]) is int
    assert type(parse_yaml("foo: 1.5")["foo"]) is float


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param("foo: .inf", "line 1: .inf has no form in JSON", id="infinite"),
        pytest.param("foo: .nan", "no form in JSON", id="not a number"),
        pytest.param("foo: !!int x", "cannot decode `x` as !!int", id="tag that does not fit"),
        pytest.param('foo: !!binary "a"', "as !!binary", id="binary that is none"),
        pytest.param("? [a]\n: b", "unsupported map key", id="list as key"),
        pytest.param("{~: b}", "unsupported map key", id="null as key"),
        pytest.param("a: b: c", "line 1", id="no yaml"),
        pytest.param("a: *x", "unknown anchor 'x'", id="unknown alias"),
        pytest.param("{<<: 3}", "map merge requires", id="merge of a number"),
        pytest.param("a: &x [*x]", "contains itself", id="endless"),
        pytest.param("a: 1\n---\nb: 2\n", "single document", id="two documents"),
        pytest.param(b"\xff\xfe\xfd", "yaml: ", id="no text"),
        pytest.param("[" * 200 + "]" * 200, "max depth", id="deep"),
        pytest.param("[" * 50_000, "yaml: ", id="very deep"),
    ],
)
def test_what_is_refused(document: bytes | str, message: str) -> None:
    with pytest.raises(MalformedBody, match=message):
        parse_yaml(document)


def test_aliases_repeat_a_part() -> None:
    assert parse_yaml("a: &x {k: 1}\nb: *x\n") == {"a": {"k": 1}, "b": {"k": 1}}


def test_aliases_cannot_blow_a_document_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_codec, "MAX_ALIASED", 250)
    doubling = "\n".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 6))
    assert len(parse_yaml(f"a0: &a0 [x]\n{doubling}")) == 6
    doubling = "\n".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 30))
    with pytest.raises(MalformedBody, match="excessive aliasing"):
        parse_yaml(f"a0: &a0 [x]\n{doubling}")


def test_repeated_keys_are_reported_and_the_last_counts() -> None:
    found: list[tuple[str, int]] = []
    value = parse_yaml("a: 1\nb: 2\na: 3\n", lambda key, line: found.append((key, line)))
    assert value == {"a": 3, "b": 2}
    assert found == [("a", 3)]
    assert parse_yaml("a: 1\na: 2\n") == {"a": 2}


def test_documents_of_a_stream() -> None:
    assert parse_yaml_documents("a: 1\n---\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]
    assert parse_yaml(b"") is None
    assert parse_yaml('{"a": [1]}') == {"a": [1]}
