"""Paths into objects and schemas, and the words of JSON types."""

from __future__ import annotations

from typing import Any


def child(path: str, name: str) -> str:
    """Return the path of a field: `spec.foo`, or `foo` at the root."""
    return f"{path}.{name}" if path else name


def item(path: str, index: int) -> str:
    """Return the path of a list's item."""
    return f"{path}[{index}]"


def type_name(value: Any) -> str:
    """Return the JSON type of a value, as OpenAPI names it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def equal(left: Any, right: Any) -> bool:
    """Tell whether two JSON values are the same; `true` is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right)
