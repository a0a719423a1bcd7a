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

from podpass.api.json_codec import MalformedBody, check_depth

MAX_ALIASED: Final = 100_000
"""How many nodes aliases may repeat in all."""

_PREFIX: Final = "tag:yaml.org,2002:"
_PLAIN: Final = "plain"
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
    documents = list(_compose(document))
    if len(documents) > 1:
        raise MalformedBody("yaml: expected a single document in the stream, found another")
    if not documents:
        return None
    return _Builder(on_duplicate).build(documents[0])


def parse_yaml_documents(document: bytes | str) -> list[Any]:
    """Return the JSON values of all documents of a stream, without empty ones.

    Raises:
        MalformedBody: As for `parse_yaml`.
    """
    values = [_Builder(None).build(node) for node in _compose(document)]
    return [value for value in values if value is not None]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The parser, told to leave the meaning of plain scalars to this module."""

    def resolve(self, kind: type[yaml.Node], _value: Any, implicit: Any) -> str:
        if kind is yaml.ScalarNode:
            return _PLAIN if implicit[0] else _PREFIX + "str"
        return _PREFIX + ("seq" if kind is yaml.SequenceNode else "map")


def _compose(document: bytes | str) -> Iterator[yaml.Node]:
    try:
        yield from yaml.compose_all(document, _Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not UTF-8 text"
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise MalformedBody(f"yaml: {where}{problem}") from None
    except RecursionError:
        raise MalformedBody("yaml: exceeded max depth") from None


class _Builder:
    def __init__(self, on_duplicate: Callable[[str, int], None] | None) -> None:
        self._on_duplicate = on_duplicate
        self._open: set[int] = set()
        self._seen: set[int] = set()
        self._aliased = 0

    def build(self, root: yaml.Node) -> Any:
        try:
            value = self._value(root)
        except RecursionError:
            raise MalformedBody("yaml: exceeded max depth") from None
        check_depth(value)
        return value

    def _value(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        identity = id(node)
        if identity in self._open:
            raise MalformedBody(f"yaml: anchor {node.start_mark.line + 1} contains itself")
        if identity in self._seen:
            self._aliased += 1
        self._seen.add(identity)
        if self._aliased > MAX_ALIASED:
            raise MalformedBody("yaml: document contains excessive aliasing")
        self._open.add(identity)
        value = (
            [self._value(item) for item in node.value]
            if isinstance(node, yaml.SequenceNode)
            else self._mapping(node)
        )
        self._open.remove(identity)
        return value

    def _mapping(self, node: yaml.Node) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if _is_merge(key_node):
                out |= self._merge(value_node)
                continue
            key = _key(key_node)
            if key in out and self._on_duplicate:
                self._on_duplicate(key, key_node.start_mark.line + 1)
            out[key] = self._value(value_node)
        return out

    def _merge(self, node: yaml.Node) -> dict[str, Any]:
        value = self._value(node)
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, dict) for part in parts):
            raise MalformedBody("yaml: map merge requires map or sequence of maps as the value")
        out: dict[str, Any] = {}
        for part in reversed(parts):
            out |= part
        return out


def _is_merge(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == "<<" and node.tag == _PLAIN


def _key(node: yaml.Node) -> str:
    value = _scalar(node) if isinstance(node, yaml.ScalarNode) else None
    if value is None:
        raise MalformedBody(f"yaml: line {node.start_mark.line + 1}: unsupported map key")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    if node.tag == _PLAIN:
        return _plain(text, node)
    wanted = node.tag.removeprefix(_PREFIX)
    if wanted == "binary":
        try:
            return base64.b64decode("".join(text.split()), validate=True).decode()
        except ValueError:
            raise _undecodable(text, node) from None
    if wanted not in _TYPED:
        return text
    value = _plain(text, node)
    if type(value) not in _TYPED[wanted]:
        raise _undecodable(text, node)
    return value


def _undecodable(text: str, node: yaml.ScalarNode) -> MalformedBody:
    tag = node.tag.replace(_PREFIX, "!!")
    return MalformedBody(f"yaml: line {node.start_mark.line + 1}: cannot decode `{text}` as {tag}")


def _plain(text: str, node: yaml.ScalarNode) -> Any:
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if text in _INFINITE:
        line = node.start_mark.line + 1
        raise MalformedBody(f"yaml: line {line}: {text} has no form in JSON")
    compact = text.replace("_", "") if text[0] in "+-.0123456789" else text
    integer = _INTEGER.match(compact)
    if integer is not None:
        base, digits = next((name, found) for name, found in integer.groupdict().items() if found)
        value = int(digits, _BASES[base]) * (-1 if integer.group(1) == "-" else 1)
        return value if -(1 << 63) <= value < 1 << 63 else float(value)
    if _FLOAT.match(compact):
        number = float(compact)
        if math.isinf(number):
            return text
        return int(number) if number.is_integer() and abs(number) < 1e21 else number  # noqa: PLR2004 - Go shows larger ones with an exponent
    return text
