"""JSON bodies: parsed fast, with the paths of keys that are given twice.

The parser keeps the last of two equal keys, as Kubernetes does; a strict client wants to know.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson

MAX_DEPTH: Final = 100
"""How deeply lists and maps may nest."""

_SPACED_COLON: Final = re.compile(rb'"[ \t\r\n]+:')


class MalformedBody(ValueError):
    """The bytes are not a document of the announced format, or nest too deeply."""


def parse_json(body: bytes) -> Any:
    """Return the JSON value of `body`.

    Raises:
        MalformedBody: It is not JSON or nests deeper than MAX_DEPTH; the text quotes nothing of it.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        what = error.msg.partition(":")[0]
        raise MalformedBody(f"json parse error: {what} (byte {error.pos})") from None
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:  # most cannot nest that deeply
        check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """Refuse what nests deeper than MAX_DEPTH.

    Raises:
        MalformedBody: It does.
    """
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return
    raise MalformedBody(f"exceeded max depth of {MAX_DEPTH}")


def duplicate_keys(body: bytes, value: Any) -> list[str]:
    """Return the paths of keys that are given twice, e.g. `spec.containers[0].name`.

    Args:
        body: The bytes.
        value: What `parse_json` made of them.
    """
    # Nothing was lost where the value is written as it was read, as most clients write it.
    if orjson.dumps(value) == body.rstrip():
        return []
    # Every `":` ends a key unless a quote in a text is escaped or a space stands before the colon:
    # counting tells nearly always that all keys are there, without a second parse.
    if (
        b'\\":' not in body
        and not _SPACED_COLON.search(body)
        and body.count(b'":') == _count_keys(value)
    ):
        return []
    found: list[str] = []
    _collect(json.loads(body, object_pairs_hook=_Pairs), "", found)
    return found


class _Pairs(list[tuple[str, Any]]):
    """An object with all its keys, repeated ones too."""


def _count_keys(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_count_keys, value.values()))
    if isinstance(value, list):
        return sum(map(_count_keys, value))
    return 0


def _collect(value: Any, path: str, found: list[str]) -> None:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, item in value:
            inner = f"{path}.{key}" if path else key
            if key in seen:
                found.append(inner)
            seen.add(key)
            _collect(item, inner, found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _collect(item, f"{path}[{index}]", found)
