"""The three patches: JSON (RFC 6902), merge (RFC 7386) and Kubernetes' strategic merge.

None of them changes its arguments; the result shares unchanged parts with the original.
Strategic patches are in `strategic_patch`.

A patch of a wrong form is 400; one that does not fit the object is 422.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Final

from podpass.api.errors import StatusError, bad_request, too_large
from podpass.api.resources import Object
from podpass.api.strategic_patch import apply_strategic_patch

__all__ = ("apply_json_patch", "apply_merge_patch", "apply_strategic_patch")

MAX_OPERATIONS: Final = 10_000
"""How many operations a JSON patch may have."""

_REJECTED: Final = "the server rejected our request due to an error in our request"


def apply_merge_patch(obj: Any, patch: Any) -> Any:
    """Return `obj` with the merge patch applied: null removes, maps merge, the rest replaces."""
    if not isinstance(patch, dict):
        return patch
    out = dict(obj) if isinstance(obj, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = apply_merge_patch(out.get(key), value)
    return out


def apply_json_patch(obj: Object, operations: Any) -> Object:
    """Return `obj` with the operations applied in order; all or none.

    Raises:
        StatusError: 400 when `operations` is no list of operations, 413 for too many, 422 when
            one cannot be applied or a test fails.
    """
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: a JSON patch is a list of operations")
    if len(operations) > MAX_OPERATIONS:
        raise too_large(
            f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, "
            f"got {len(operations)}"
        )
    document: Any = copy.deepcopy(obj)
    for index, operation in enumerate(operations):
        if not isinstance(operation, dict) or not isinstance(operation.get("op"), str):
            raise bad_request(f"error decoding patch: operation {index} has no op")
        try:
            document = _OPERATIONS.get(operation["op"], _unknown)(document, operation)
        except _DoesNotFit as error:
            raise StatusError(
                422,
                "Invalid",
                f"{_REJECTED}: operation {index} ({operation['op']}): {error}",
            ) from error
    if not isinstance(document, dict):
        raise bad_request("error decoding patch: the result is no object")
    return document


class _DoesNotFit(Exception):
    """An operation cannot be applied to this document."""


def _add(document: Any, operation: Object) -> Any:
    return _put(document, _pointer(operation, "path"), copy.deepcopy(_value_of(operation)))


def _remove(document: Any, operation: Object) -> Any:
    return _take(document, _pointer(operation, "path"))[0]


def _replace(document: Any, operation: Object) -> Any:
    path = _pointer(operation, "path")
    if not path:
        return copy.deepcopy(_value_of(operation))
    parent = _find(document, path[:-1])
    _child(parent, path[-1])
    parent[_place(parent, path[-1])] = copy.deepcopy(_value_of(operation))
    return document


def _move(document: Any, operation: Object) -> Any:
    source, target = _pointer(operation, "from"), _pointer(operation, "path")
    if target[: len(source)] == source and target != source:
        raise _DoesNotFit("a value cannot be moved into itself")
    document, value = _take(document, source)
    return _put(document, target, value)


def _copy(document: Any, operation: Object) -> Any:
    value = copy.deepcopy(_find(document, _pointer(operation, "from")))
    return _put(document, _pointer(operation, "path"), value)


def _test(document: Any, operation: Object) -> Any:
    path = _pointer(operation, "path")
    try:
        found = _find(document, path)
    except _DoesNotFit:
        found = None  # as in Kubernetes, a missing value equals null
    if not _same(found, operation.get("value")):
        raise _DoesNotFit(f"testing value {operation['path']} failed")
    return document


def _unknown(_document: Any, operation: Object) -> Any:
    raise _DoesNotFit(f"unexpected kind: {operation['op']}")


_OPERATIONS: Final[dict[str, Callable[[Any, Object], Any]]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)


def _value_of(operation: Object) -> Any:
    if "value" not in operation:
        raise _DoesNotFit("it has no value")
    return operation["value"]


def _pointer(operation: Object, key: str) -> list[str]:
    text = operation.get(key)
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise _DoesNotFit(f"its {key} is no JSON pointer")
    return [step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:]]


def _find(document: Any, path: Sequence[str]) -> Any:
    for step in path:
        document = _child(document, step)
    return document


def _child(parent: Any, step: str) -> Any:
    try:
        return parent[_place(parent, step)]
    except (KeyError, IndexError):
        raise _DoesNotFit(f"there is no value at {step!r}") from None


def _place(parent: Any, step: str) -> Any:
    """Return the key or index that `step` means in `parent`."""
    if isinstance(parent, dict):
        return step
    if isinstance(parent, list) and step.isdecimal() and (step == "0" or step[0] != "0"):
        return int(step)
    raise _DoesNotFit(f"there is no value at {step!r}")


def _put(document: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    parent = _find(document, path[:-1])
    if not isinstance(parent, list):
        parent[_place(parent, path[-1])] = value
        return document
    index = len(parent) if path[-1] == "-" else _place(parent, path[-1])
    if index > len(parent):
        raise _DoesNotFit(f"index {index} is beyond the end of the list")
    parent.insert(index, value)
    return document


def _take(document: Any, path: Sequence[str]) -> tuple[Any, Any]:
    if not path:
        raise _DoesNotFit("the whole document cannot be removed")
    parent = _find(document, path[:-1])
    value = _child(parent, path[-1])
    del parent[_place(parent, path[-1])]
    return document, value
