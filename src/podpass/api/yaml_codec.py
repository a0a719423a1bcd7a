"""YAML as kubectl and the API server read it: 1.1 booleans, Go numbers, no dates.

PyYAML parses; what a plain scalar means is decided here, because the two disagree:

1. `y`, `yes`, `on` and their negations are booleans.
2. Numbers are Go's: `0400` and `0o400` are 256, `1e3` is 1000, `1_000` is 1000.
3. Dates and `12:30` are text. Keys that are no text become text.
4. Aliases may repeat a part, but not blow the document up.

Source: sigs.k8s.io/yaml, its goyaml.v2 `resolve.go`; tried with kubectl.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import yaml

from podpass.api.json_codec import MAX_DEPTH, MalformedBody, check_depth

MAX_ALIASED: Final = 100_000
"""How many nodes aliases may repeat in all."""

_PREFIX: Final = "tag:yaml.org,2002:"
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TRUE: Final = frozenset({"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
_FALSE: Final = frozenset(
    {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"}
)
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_INFINITE: Final = {
    sign + text: math.inf * (-1 if sign == "-" else 1)
    for sign in ("", "+", "-")
    for text in (".inf", ".Inf", ".INF")
} | dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan)
_INTEGER: Final = re.compile(
    r"([-+]?)(?:0[xX](?P<x>[0-9a-fA-F]+)|0[bB](?P<b>[01]+)|0[oO]?(?P<o>[0-7]+)|(?P<d>0|[1-9]\d*))\Z",
    re.ASCII,
)
_FLOAT: Final = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?\Z", re.ASCII)
_TYPED: Final[dict[str, tuple[type, ...]]] = {
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "null": (type(None),),
}
_MAX_DIGITS: Final = 255
"""Beyond any number that a float holds in base 16; longer ones are text."""
_BASES: Final = {"x": 16, "b": 2, "o": 8, "d": 10}


def parse_yaml(
    document: bytes | str, on_duplicate: Callable[[str, int], None] | None = None
) -> Any:
    """Return the JSON value of one YAML document; JSON is YAML too.

    Args:
        document: UTF-8 bytes or text with one document.
        on_duplicate: Called with key and line of a key that is given twice; the last one counts.

    Raises:
        MalformedBody: It is not YAML, holds a value that JSON cannot show, or nests too deeply.
    """
    documents = _documents(document, on_duplicate)
    if len(documents) > 1:
        raise MalformedBody("yaml: expected a single document in the stream, found another")
    return documents[0] if documents else None


def parse_yaml_documents(document: bytes | str) -> list[Any]:
    """Return the JSON values of all documents of a stream, without empty ones.

    Raises:
        MalformedBody: As for `parse_yaml`.
    """
    return [value for value in _documents(document, None) if value is not None]


def _documents(document: bytes | str, on_duplicate: Callable[[str, int], None] | None) -> list[Any]:
    # Events and not PyYAML's nodes: its C composer overflows the stack on deep documents.
    try:
        return list(_Builder(yaml.parse(document, _LOADER), on_duplicate).documents())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not UTF-8 text"
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise MalformedBody(f"yaml: {where}{problem}") from None


class _Builder:
    def __init__(
        self, events: Iterator[yaml.Event], on_duplicate: Callable[[str, int], None] | None
    ) -> None:
        self._events = events
        self._on_duplicate = on_duplicate
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open: set[str] = set()
        self._nodes = 0
        self._aliased = 0

    def documents(self) -> Iterator[Any]:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors.clear()
                value = self._value(next(self._events), 0)
                check_depth(value)
                yield value

    def _value(self, event: yaml.Event, depth: int) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if depth > MAX_DEPTH:
            raise MalformedBody(f"yaml: exceeded max depth of {MAX_DEPTH}")
        before = self._nodes
        self._nodes += 1
        anchor: str | None = getattr(event, "anchor", None)
        if anchor is not None:
            self._open.add(anchor)
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(depth)
        else:
            value = self._mapping(depth)
        if anchor is not None:
            self._open.discard(anchor)
            self._anchors[anchor] = value, self._nodes - before
        return value

    def _alias(self, event: yaml.AliasEvent) -> Any:
        if event.anchor in self._open:
            raise MalformedBody(f"yaml: anchor '{event.anchor}' value contains itself")
        if event.anchor not in self._anchors:
            raise MalformedBody(f"yaml: unknown anchor '{event.anchor}' referenced")
        value, nodes = self._anchors[event.anchor]
        self._nodes += nodes
        self._aliased += nodes
        if self._aliased > MAX_ALIASED:
            raise MalformedBody("yaml: document contains excessive aliasing")
        return value

    def _sequence(self, depth: int) -> list[Any]:
        out = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            out.append(self._value(event, depth + 1))
        return out

    def _mapping(self, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if _is_merge(event):
                out |= _merged(self._value(next(self._events), depth + 1))
                continue
            key = _key_text(self._value(event, depth + 1), event)
            if key in out and self._on_duplicate:
                self._on_duplicate(key, _line(event))
            out[key] = self._value(next(self._events), depth + 1)
        return out


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 0


def _merged(value: Any) -> dict[str, Any]:
    parts = value if isinstance(value, list) else [value]
    out: dict[str, Any] = {}
    for part in reversed(parts):
        if not isinstance(part, dict):
            raise MalformedBody("yaml: map merge requires map or sequence of maps as the value")
        out |= part
    return out


def _is_merge(event: yaml.Event) -> bool:
    return isinstance(event, yaml.ScalarEvent) and event.value == "<<" and _is_plain(event)


def _is_plain(event: yaml.ScalarEvent) -> bool:
    return event.tag is None and bool(event.implicit[0])


def _key_text(value: Any, event: yaml.Event) -> str:
    if value is None or isinstance(value, (dict, list)):
        raise MalformedBody(f"yaml: line {_line(event)}: unsupported map key")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _scalar(event: yaml.ScalarEvent) -> Any:
    text = str(event.value)
    if _is_plain(event):
        return _plain(text, event)
    wanted = (event.tag or "").removeprefix(_PREFIX)
    if wanted == "binary":
        try:
            return base64.b64decode("".join(text.split()), validate=True).decode()
        except ValueError:
            raise _undecodable(text, event) from None
    if wanted not in _TYPED:
        return text
    value = _plain(text, event)
    if type(value) not in _TYPED[wanted]:
        raise _undecodable(text, event)
    return value


def _undecodable(text: str, event: yaml.ScalarEvent) -> MalformedBody:
    tag = (event.tag or "").replace(_PREFIX, "!!")
    return MalformedBody(f"yaml: line {_line(event)}: cannot decode `{text}` as {tag}")


def _plain(text: str, event: yaml.ScalarEvent) -> Any:
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if text in _INFINITE:
        line = _line(event)
        raise MalformedBody(f"yaml: line {line}: {text} has no form in JSON")
    compact = text.replace("_", "") if text[0] in "+-.0123456789" else text
    integer = _INTEGER.match(compact)
    if integer is not None:
        base, digits = next((name, found) for name, found in integer.groupdict().items() if found)
        if len(digits) > _MAX_DIGITS:
            return text
        value = int(digits, _BASES[base]) * (-1 if integer.group(1) == "-" else 1)
        return value if -(1 << 63) <= value < 1 << 63 else float(value)
    if _FLOAT.match(compact):
        number = float(compact)
        if math.isinf(number):
            return text
        return int(number) if number.is_integer() and abs(number) < 1e21 else number  # noqa: PLR2004 - Go shows larger ones with an exponent
    return text
