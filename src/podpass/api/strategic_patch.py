"""Strategic merge patches: a merge patch that knows which lists are sets and which are maps.

1. Lists marked `merge` in the schema: items of objects are matched by the merge key, scalars are
   united. Other lists are replaced.
2. `$patch: replace` replaces the object or list that carries it, `$patch: delete` removes it.
3. `$deleteFromPrimitiveList/<field>` removes scalars, `$setElementOrder/<field>` orders a merged
   list; items that the patch does not name keep their place among those that stay.
4. `$retainKeys` removes the keys that it does not name: one of a union takes over.
5. Fields that the schema does not know are merged like a merge patch.

Source: apimachinery `util/strategicpatch/patch.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from podpass.api import schema
from podpass.api.errors import StatusError, bad_request
from podpass.api.resources import Object
from podpass.api.schema import Field

DIRECTIVE: Final = "$patch"
RETAIN_KEYS: Final = "$retainKeys"
DELETE_FROM: Final = "$deleteFromPrimitiveList/"
SET_ORDER: Final = "$setElementOrder/"


def apply_strategic_patch(obj: Object, patch: Any, message: str | None) -> Object:
    """Return `obj` with the patch applied; neither is changed.

    Args:
        obj: The current object.
        patch: The patch.
        message: Message of the object in the schema, or None for one it does not know.

    Raises:
        StatusError: 400 when the patch is malformed, 422 when an item lacks its merge key.
    """
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: a strategic merge patch is an object")
    return _merge_object(obj, patch, _fields_of(message))


def _fields_of(message: str | None) -> Mapping[str, Field]:
    return schema.fields(message) if message and schema.has_message(message) else {}


def _merge_object(original: Object, patch: Object, fields: Mapping[str, Field]) -> Object:
    directive = patch.get(DIRECTIVE)
    if directive == "replace":
        return _without_directives(patch, fields)
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise bad_request(f"unknown patch type: {directive!r}")
    out = _retain(dict(original), patch)
    for key, value in patch.items():
        if key.startswith(DELETE_FROM):
            name = key.removeprefix(DELETE_FROM)
            out[name] = _subtract(out.get(name), value, key)
        elif key not in {DIRECTIVE, RETAIN_KEYS} and not key.startswith(SET_ORDER):
            if value is None:
                out.pop(key, None)
            else:
                out[key] = _merge_value(out.get(key), value, fields.get(key))
    for key, order in patch.items():
        name = key.removeprefix(SET_ORDER)
        if name != key and isinstance(out.get(name), list):
            out[name] = _reorder(out[name], original.get(name), order, key, fields.get(name))
    return out


def _merge_value(original: Any, patch: Any, field: Field | None) -> Any:
    """Merge one value; an original of another type, or none, counts as empty."""
    strategies = field.strategies if field is not None else ()
    if isinstance(patch, dict):
        inner = _inner_fields(field)
        if not isinstance(original, dict) or "replace" in strategies:
            return _without_directives(patch, inner)
        return _merge_object(original, patch, inner)
    if isinstance(patch, list):
        if field is not None and "merge" in strategies:
            return _merge_list(original if isinstance(original, list) else [], patch, field)
        return [_without_directives(item, {}) if isinstance(item, dict) else item for item in patch]
    return patch


def _inner_fields(field: Field | None) -> Mapping[str, Field]:
    if field is None or field.label == "map" or not field.is_message:
        return {}
    return _fields_of(field.type)


def _without_directives(patch: Object, fields: Mapping[str, Field]) -> Object:
    return _merge_object({}, {k: v for k, v in patch.items() if k != DIRECTIVE}, fields)


def _retain(original: Object, patch: Object) -> Object:
    if RETAIN_KEYS not in patch:
        return original
    kept = patch[RETAIN_KEYS]
    named = [key for key in patch if not key.startswith("$") and patch[key] is not None]
    if not isinstance(kept, list) or not set(named) <= set(map(str, kept)):
        raise bad_request("$retainKeys must list all keys of its patch")
    return {key: value for key, value in original.items() if key in kept}


def _subtract(original: Any, removed: Any, key: str) -> list[Any]:
    if not isinstance(removed, list):
        raise bad_request(f"{key} must be a list")
    return [item for item in original or () if item not in removed]


def _merge_list(original: list[Any], patch: list[Any], field: Field) -> list[Any]:
    if not field.merge_key:
        return original + [
            item for at, item in enumerate(patch) if item not in original and item not in patch[:at]
        ]
    if any(_is_replace(item) for item in patch):
        patch = [item for item in patch if not _is_replace(item) or len(item) > 1]
        original = []
    fields = _inner_fields(field)
    out = list(original)
    for item in patch:
        key = _merge_key_of(item, field)
        at = [index for index, one in enumerate(out) if _key_in(one, field) == key]
        directive = item.get(DIRECTIVE)
        if directive == "delete":
            out = [one for one in out if _key_in(one, field) != key]
        elif at:
            out[at[0]] = _merge_object(out[at[0]], item, fields)
        else:
            out.append(_without_directives(item, fields))
    return out


def _is_replace(item: Any) -> bool:
    return isinstance(item, dict) and item.get(DIRECTIVE) == "replace"


def _key_in(item: Any, field: Field) -> Any:
    return item.get(field.merge_key) if isinstance(item, dict) else None


def _merge_key_of(item: Any, field: Field) -> Any:
    key = _key_in(item, field)
    if key is None:
        raise StatusError(
            422,
            "Invalid",
            f"an item of the patch of {field.name} does not contain declared merge key: "
            f"{field.merge_key}",
        )
    return key


def _reorder(
    merged: list[Any], before: Any, order: Any, key: str, field: Field | None
) -> list[Any]:
    """Put `merged` in the order of the patch; what it does not name keeps its place."""
    if not isinstance(order, list):
        raise bad_request(f"{key} must be a list")

    def identify(item: Any) -> Any:
        identity = _key_in(item, field) if field is not None and field.merge_key else item
        if isinstance(identity, (dict, list)):
            raise bad_request(f"{key} must name items by one value each")
        return identity

    wanted = {identity: at for at, identity in enumerate(map(identify, order))}
    named = sorted(
        (item for item in merged if identify(item) in wanted),
        key=lambda item: wanted[identify(item)],
    )
    others = [item for item in merged if identify(item) not in wanted]
    return _interleave(named, others, _positions(before or (), identify), identify)


def _positions(items: Iterable[Any], identify: Callable[[Any], Any]) -> dict[Any, int]:
    return {identify(item): at for at, item in enumerate(items)}


def _interleave(
    named: list[Any],
    others: list[Any],
    before: Mapping[Any, int],
    identify: Callable[[Any], Any],
) -> list[Any]:
    out: list[Any] = []
    left, right = list(reversed(named)), list(reversed(others))
    while left and right:
        first, second = before.get(identify(left[-1])), before.get(identify(right[-1]))
        ahead = first is not None and second is not None and first < second
        out.append(left.pop() if ahead else right.pop())
    return out + left[::-1] + right[::-1]
