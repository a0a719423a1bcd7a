"""Sets of fields: as paths to work with, as `fieldsV1` to store, as text for people.

A path is a tuple of steps as `fieldsV1` writes them: `f:NAME` of a struct or map, `k:{KEYS}` of an
item with keys, `v:VALUE` of an item of a set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

import orjson

from podpass.api.resources import Object

Path: TypeAlias = tuple[str, ...]
FieldSet: TypeAlias = frozenset[Path]

SELF: Final = "."
"""In `fieldsV1`: the value itself, beside parts of it."""

_STEPS: Final = ("f:", "k:", "v:", "i:")
_MAX_DEPTH: Final = 100


def to_fields(paths: Iterable[Path]) -> Object:
    """Return a set as `fieldsV1`."""
    out: Object = {}
    for path in sorted(paths):  # a path comes before its parts
        at = out
        for step in path[:-1]:
            below = at.setdefault(step, {})
            at = below
        at[path[-1]] = {}
    members = set(paths)
    _mark(out, (), members)
    return out


def _mark(node: Object, path: Path, members: set[Path]) -> None:
    for step, below in list(node.items()):
        inner = (*path, step)
        _mark(below, inner, members)
        if below and inner in members:
            node[step] = {SELF: {}} | below


def from_fields(fields: Any) -> FieldSet:
    """Read `fieldsV1`.

    Raises:
        ValueError: It is none.
    """
    return frozenset(_paths(fields, ()))


def _paths(node: Any, path: Path) -> Iterator[Path]:
    if not isinstance(node, dict) or len(path) > _MAX_DEPTH:
        raise ValueError("fieldsV1 must be a tree of objects")
    if path and (not node or SELF in node):
        yield path
    for step, below in node.items():
        if step == SELF:
            continue
        if not step.startswith(_STEPS):
            raise ValueError("a step of fieldsV1 starts with f:, k:, v: or i:")
        yield from _paths(below, (*path, step))


def shown(path: Path) -> str:
    """Return a path for people, e.g. `.spec.containers[name="main"].image`."""
    return "".join(_shown_step(step) for step in path)


def _shown_step(step: str) -> str:
    kind, _, rest = step.partition(":")
    if kind == "f":
        return f".{rest}"
    if kind == "k":
        keys = orjson.loads(rest)
        pairs = (f"{name}={orjson.dumps(value).decode()}" for name, value in keys.items())
        return f"[{','.join(pairs)}]"
    return f"[={rest}]" if kind == "v" else f"[{rest}]"


def keyed_step(keys: Object) -> str:
    """Return the step to the item of a list that has these keys."""
    return f"k:{orjson.dumps(keys, option=orjson.OPT_SORT_KEYS).decode()}"


def value_step(value: Any) -> str:
    """Return the step to an item of a set."""
    return f"v:{orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()}"
