"""Takes objects apart into the fields that can be owned, merges them, and removes fields."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from podpass.api.managed_fields.paths import FieldSet, Path, keyed_step, value_step
from podpass.api.managed_fields.shapes import KEY_DEFAULTS, Shape
from podpass.api.resources import Object

Leaves: TypeAlias = dict[Path, Any]
"""What can be owned, with its value; items of lists stand for themselves, without one."""

ITEM: Final = None


def leaves(obj: Object, shape: Shape) -> Leaves:
    """Return all that can be owned in `obj`."""
    out: Leaves = {}
    _collect(obj, shape, (), out)
    return out


def _collect(value: Any, shape: Shape, path: Path, out: Leaves) -> None:
    if shape.kind in {"struct", "map"} and isinstance(value, dict):
        if not value and path:
            out[path] = value
        for name, item in value.items():
            _collect(item, shape.child(name), (*path, f"f:{name}"), out)
        return
    steps = item_steps(value, shape)
    if steps is None:
        out[path] = value
        return
    for step, item in zip(steps, value, strict=True):
        inner = (*path, step)
        out[inner] = ITEM
        if shape.kind == "list":
            below = shape.child("")
            if below.kind == "leaf":
                out[inner] = item
            else:
                _collect(item, below, inner, out)


def item_steps(value: Any, shape: Shape) -> list[str] | None:
    """Return the step to each item, or None where items cannot be told apart."""
    if not isinstance(value, list):
        return None
    if shape.kind == "set":
        return [value_step(item) for item in value]
    if shape.kind != "list":
        return None
    steps = []
    for item in value:
        if not isinstance(item, dict):
            return None
        keys = {
            key: item.get(key, KEY_DEFAULTS.get(key))
            for key in shape.keys
            if key in item or key in KEY_DEFAULTS
        }
        if not keys:
            return None
        steps.append(keyed_step(keys))
    return steps


def has_repeated_items(value: Any, shape: Shape) -> Path | None:
    """Return the path of an item whose keys another one has too, or None."""
    if shape.kind in {"struct", "map"} and isinstance(value, dict):
        for name, item in value.items():
            found = has_repeated_items(item, shape.child(name))
            if found is not None:
                return (f"f:{name}", *found)
        return None
    steps = item_steps(value, shape) or []
    for at, step in enumerate(steps):
        if step in steps[:at]:
            return (step,)
        if shape.kind == "list":
            found = has_repeated_items(value[at], shape.child(""))
            if found is not None:
                return (step, *found)
    return None


def merged(live: Any, applied: Any, shape: Shape) -> Any:
    """Return `live` with everything that `applied` says; neither is changed."""
    if shape.kind in {"struct", "map"} and isinstance(live, dict) and isinstance(applied, dict):
        out = dict(live)
        for name, item in applied.items():
            out[name] = merged(live[name], item, shape.child(name)) if name in live else item
        return out
    have, wanted = item_steps(live, shape), item_steps(applied, shape)
    if have is None or wanted is None:
        return applied
    return _merged_items(dict(zip(have, live, strict=True)), wanted, applied, shape)


def _merged_items(live: dict[str, Any], wanted: list[str], applied: list[Any], shape: Shape) -> Any:
    """Merge two lists: in the applied order, with the others where they stood between them."""
    out: list[Any] = []
    have = list(live)
    shared = [step for step in wanted if step in live]
    left, right, next_shared = 0, 0, 0
    while left < len(have) or right < len(wanted):
        step = have[left] if left < len(have) else None
        if step is not None and step not in wanted:
            out.append(live[step])
            left += 1
        elif right < len(wanted):
            mine = wanted[right]
            if step not in {None, mine, *shared[next_shared : next_shared + 1]}:
                left += 1  # it comes where the applied order has it
                continue
            item = applied[right]
            out.append(merged(live[mine], item, shape.child("")) if mine in live else item)
            next_shared += mine in live
            left += step == mine
            right += 1
        else:
            left += 1
    return out


def without(obj: Object, paths: FieldSet, shape: Shape) -> Object:
    """Return `obj` without these fields, and without lists and maps that are empty by that."""
    for path in paths:
        # A part goes with its whole: without its keys an item could not be found any more.
        if not any(path[:end] in paths for end in range(1, len(path))):
            obj = _without(obj, path, shape)
    return obj


def _without(value: Any, path: Path, shape: Shape) -> Any:
    step, rest = path[0], path[1:]
    if step.startswith("f:"):
        name = step[2:]
        if not isinstance(value, dict) or name not in value:
            return value
        below = _without(value[name], rest, shape.child(name)) if rest else None
        if not rest or (not below and below != value[name]):
            return {key: item for key, item in value.items() if key != name}
        return value | {name: below}
    steps = item_steps(value, shape)
    if steps is None or step not in steps:
        return value
    at = steps.index(step)
    if not rest:
        return value[:at] + value[at + 1 :]
    return [*value[:at], _without(value[at], rest, shape.child("")), *value[at + 1 :]]
