"""Check a value against a structural schema, with Kubernetes' field errors.

1. A nullable null is fine and ends the check; another null is of the wrong type.
2. Of `anyOf` and `oneOf` that fail, the complaints of the first alternative are shown as well.
3. `x-kubernetes-validations` are not evaluated here nor anywhere.

Source: kubernetes.io "Custom Resource Definition", section "Validation"; kube-openapi
`pkg/validation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from podpass.api.custom_resources import formats, patterns
from podpass.api.custom_resources.schema_paths import child, equal, item, type_name
from podpass.api.field_errors import FieldError, invalid, required, shown
from podpass.api.resources import Object

_INTEGER_RANGES: Final = {"int32": 1 << 31, "int64": 1 << 63}
_INT_OR_STRING: Final = ({"type": "integer"}, {"type": "string"})


def violations(value: Any, schema: Object, path: str = "") -> list[FieldError]:
    """Return what is wrong with a value.

    Args:
        value: JSON, pruned and with defaults.
        schema: Its structural schema.
        path: Where the value stands, e.g. `spec.foo`; empty for a whole object.
    """
    if value is None and schema.get("nullable"):
        return []
    return list(_all(value, schema, path))


def _all(value: Any, schema: Object, path: str) -> Iterator[FieldError]:
    yield from _type(value, schema, path)
    yield from _junctors(value, schema, path)
    yield from _enumerated(value, schema, path)
    if isinstance(value, str):
        yield from _text(value, schema, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number(value, schema, path)
    elif isinstance(value, list):
        yield from _list(value, schema, path)
    elif isinstance(value, dict):
        yield from _map(value, schema, path)


def _wrong(path: str, value: Any, text: str) -> FieldError:
    return invalid(path or "<nil>", value, f"{path} in body {text}")


def _wrong_type(path: str, shown_value: str, wanted: str) -> FieldError:
    body = f"Invalid value: {shown(shown_value)}: {path} in body must be of type {wanted}: "
    return FieldError("FieldValueTypeInvalid", path or "<nil>", body + shown(shown_value))


def _type(value: Any, schema: Object, path: str) -> Iterator[FieldError]:
    wanted = schema.get("type")
    found = type_name(value)
    if value is None and (wanted or schema.get("x-kubernetes-int-or-string")):
        yield _wrong_type(path, "null", wanted or "integer,string")
    elif wanted and found != wanted:
        whole = isinstance(value, float) and value.is_integer()
        if not ((wanted == "number" and found == "integer") or (wanted == "integer" and whole)):
            yield _wrong_type(path, found, wanted)
    elif schema.get("x-kubernetes-int-or-string"):
        yield from _any_of(value, _INT_OR_STRING, path)


def _junctors(value: Any, schema: Object, path: str) -> Iterator[FieldError]:
    if schema.get("anyOf") and not schema.get("x-kubernetes-int-or-string"):
        yield from _any_of(value, schema["anyOf"], path)
    if schema.get("oneOf"):
        outcomes = [violations(value, one, path) for one in schema["oneOf"]]
        valid = sum(not one for one in outcomes)
        if valid != 1:
            why = f"Found {valid} valid alternatives" if valid else "Found none valid"
            text = f"must validate one and only one schema (oneOf). {why}"
            yield _junctor(path, text)
            if not valid:
                yield from outcomes[0]
    if schema.get("allOf"):
        wrong = [one for inner in schema["allOf"] for one in violations(value, inner, path)]
        if wrong:
            yield _junctor(path, "must validate all the schemas (allOf)")
            yield from wrong
    if "not" in schema and not violations(value, schema["not"], path):
        yield _junctor(path, "must not validate the schema (not)")


def _any_of(value: Any, alternatives: Any, path: str) -> Iterator[FieldError]:
    outcomes = [violations(value, one, path) for one in alternatives]
    if all(outcomes):
        yield _junctor(path, "must validate at least one schema (anyOf)")
        yield from outcomes[0]


def _junctor(path: str, text: str) -> FieldError:
    return invalid(path or "<nil>", "", f'"{path}" {text}')


def _enumerated(value: Any, schema: Object, path: str) -> Iterator[FieldError]:
    allowed = schema.get("enum")
    if allowed and not any(equal(value, one) for one in allowed):
        values = ", ".join(_quoted(one) for one in allowed)
        body = f"Unsupported value: {shown(value)}: supported values: {values}"
        yield FieldError("FieldValueNotSupported", path or "<nil>", body)


def _quoted(value: Any) -> str:
    return shown(value if isinstance(value, str) else shown(value))


def _text(value: str, schema: Object, path: str) -> Iterator[FieldError]:
    longest, shortest = schema.get("maxLength"), schema.get("minLength")
    if longest is not None and len(value) > longest:
        body = f"Too long: may not be more than {longest} bytes"
        yield FieldError("FieldValueTooLong", path, body)
    if shortest is not None and len(value) < shortest:
        yield _wrong(path, value, f"should be at least {shortest} chars long")
    pattern = schema.get("pattern")
    if pattern and not patterns.found_in(pattern, value):
        yield _wrong(path, value, f"should match '{pattern}'")
    name = schema.get("format")
    if name and not formats.has_format(value, name):
        yield _wrong_type(path, value, name)


def _number(value: float, schema: Object, path: str) -> Iterator[FieldError]:
    largest, smallest = schema.get("maximum"), schema.get("minimum")
    if largest is not None:
        if schema.get("exclusiveMaximum"):
            if value >= largest:
                yield _wrong(path, value, f"should be less than {shown(largest)}")
        elif value > largest:
            yield _wrong(path, value, f"should be less than or equal to {shown(largest)}")
    if smallest is not None:
        if schema.get("exclusiveMinimum"):
            if value <= smallest:
                yield _wrong(path, value, f"should be greater than {shown(smallest)}")
        elif value < smallest:
            yield _wrong(path, value, f"should be greater than or equal to {shown(smallest)}")
    step = schema.get("multipleOf")
    if step and value % step:
        yield _wrong(path, value, f"should be a multiple of {shown(step)}")
    limit = _INTEGER_RANGES.get(schema.get("format") or "")
    if limit and not -limit <= value < limit:
        yield _wrong(path, value, f"must be of type {schema['format']}: {shown(value)}")


def _list(value: list[Any], schema: Object, path: str) -> Iterator[FieldError]:
    most, fewest = schema.get("maxItems"), schema.get("minItems")
    if most is not None and len(value) > most:
        yield _too_many(path, len(value), most)
    if fewest is not None and len(value) < fewest:
        yield _wrong(path, len(value), f"should have at least {fewest} items")
    inner = schema.get("items")
    if inner:
        for index, one in enumerate(value):
            yield from violations(one, inner, item(path, index))
    yield from _repeated(value, schema, path)


def _too_many(path: str, found: int, most: int) -> FieldError:
    items = "item" if most == 1 else "items"
    body = f"Too many: {found}: must have at most {most} {items}"
    return FieldError("FieldValueTooMany", path, body)


def _repeated(value: list[Any], schema: Object, path: str) -> Iterator[FieldError]:
    kind = schema.get("x-kubernetes-list-type")
    if kind not in {"map", "set"}:
        return
    seen: set[str] = set()
    for index, one in enumerate(value):
        identity = one
        if kind == "map":
            if not isinstance(one, dict):
                continue
            keys = schema.get("x-kubernetes-list-map-keys") or ()
            identity = {key: one[key] for key in keys if key in one}
        text = shown(_sorted(identity))
        if text in seen:
            body = f"Duplicate value: {shown(identity)}"
            yield FieldError("FieldValueDuplicate", item(path, index), body)
        seen.add(text)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value


def _map(value: Object, schema: Object, path: str) -> Iterator[FieldError]:
    most, fewest = schema.get("maxProperties"), schema.get("minProperties")
    if most is not None and len(value) > most:
        yield _too_many(path or "<nil>", len(value), most)
    if fewest is not None and len(value) < fewest:
        yield _wrong(path, len(value), f"should have at least {fewest} properties")
    if schema.get("x-kubernetes-embedded-resource"):
        for name in ("apiVersion", "kind"):
            if not value.get(name):
                yield required(child(path, name), "must not be empty")
    for name in schema.get("required") or ():
        if name not in value:
            yield required(child(path, name))
    properties = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    for name, one in value.items():
        if name in properties:
            yield from violations(one, properties[name], child(path, name))
        elif isinstance(additional, dict):
            yield from violations(one, additional, child(path, name))
