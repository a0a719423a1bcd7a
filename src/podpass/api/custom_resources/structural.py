"""Is a schema structural, and of a form that Kubernetes takes?

1. Every node says its type, but for `x-kubernetes-int-or-string` and preserved ones.
2. `allOf`, `anyOf`, `oneOf` and `not` only narrow down what the structure around them names.
3. `metadata` belongs to the system: only name and generateName can be narrowed down.
4. Defaults fit their schema.

Source: kubernetes.io "Custom Resource Definition", section "Specifying a structural schema";
apiextensions-apiserver `schema/validation.go`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from podpass.api.custom_resources import patterns
from podpass.api.custom_resources.instance_rules import violations
from podpass.api.custom_resources.pruning import prune
from podpass.api.custom_resources.schema_paths import equal
from podpass.api.field_errors import FieldError, forbidden, invalid, not_supported, required
from podpass.api.resources import Object

_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
_JUNCTORS: Final = ("allOf", "anyOf", "oneOf")
_NOT_SUPPORTED: Final = (
    "$ref", "additionalItems", "definitions", "dependencies", "id", "patternProperties",
)  # fmt: skip
_NOT_IN_JUNCTORS: Final = (
    "additionalProperties", "default", "description", "nullable", "title", "type",
    "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string", "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type", "x-kubernetes-map-type", "x-kubernetes-preserve-unknown-fields",
)  # fmt: skip
_METADATA: Final = frozenset({"name", "generateName"})
_PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED: Final = "x-kubernetes-embedded-resource"
_INT_OR_STRING: Final = "x-kubernetes-int-or-string"
_LIST_TYPE: Final = "x-kubernetes-list-type"
_LIST_KEYS: Final = "x-kubernetes-list-map-keys"
_MAP_TYPE: Final = "x-kubernetes-map-type"


def schema_errors(schema: Object, path: str) -> list[FieldError]:
    """Return what is wrong with the schema of a version.

    Args:
        schema: Its `openAPIV3Schema`.
        path: Where that stands.
    """
    errors = list(_root(schema, path))
    errors += _node(schema, path, root=True)
    return errors or list(_defaults(schema, path))


def _root(schema: Object, path: str) -> Iterator[FieldError]:
    if not schema.get("type"):
        yield required(f"{path}.type", "must not be empty at the root")
    elif schema["type"] != "object":
        yield invalid(f"{path}.type", schema["type"], "must be object at the root")
    if schema.get("nullable"):
        yield forbidden(f"{path}.nullable", "nullable cannot be true at the root")
    if isinstance(schema.get("additionalProperties"), dict):
        yield forbidden(f"{path}.additionalProperties", "must not be used at the root")
    if "default" in schema:
        yield forbidden(f"{path}.default", "must not be set at the root")


def _node(schema: Object, path: str, *, root: bool = False, what: str = "") -> Iterator[FieldError]:
    yield from _allowed(schema, path)
    yield from _typed(schema, path, root=root, what=what)
    yield from _extensions(schema, path)
    if root or schema.get(_EMBEDDED):
        yield from _metadata(schema, path, embedded=not root)
    for name, inner in (schema.get("properties") or {}).items():
        where = f"{path}.properties[{name}]"
        if root and name == "metadata":
            continue
        yield from _node(inner, where, what="object fields")
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict):
        yield from _node(additional, f"{path}.additionalProperties", what="object fields")
    if additional not in (None, True) and schema.get("properties"):
        text = "additionalProperties and properties are mutual exclusive"
        yield forbidden(f"{path}.additionalProperties", text)
    if schema.get("items") is not None:
        yield from _node(schema["items"], f"{path}.items", what="array items")
    for where, inner in _alternatives(schema, path):
        if not schema.get(_INT_OR_STRING):
            yield from _inside_junctor(inner, schema, where, path)


def _allowed(schema: Object, path: str) -> Iterator[FieldError]:
    for name in _NOT_SUPPORTED:
        if schema.get(name):
            yield forbidden(f"{path}.{name}", f"{name} is not supported")
    if schema.get("uniqueItems"):
        text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{path}.uniqueItems", text)
    if schema.get("additionalProperties") is False:
        text = "additionalProperties cannot be set to false"
        yield forbidden(f"{path}.additionalProperties", text)
    if schema.get("pattern"):
        try:
            patterns.check(schema["pattern"])
        except patterns.BadPattern as error:
            text = f"must be a valid regular expression, but isn't: {error}"
            yield invalid(f"{path}.pattern", schema["pattern"], text)


def _typed(schema: Object, path: str, *, root: bool, what: str) -> Iterator[FieldError]:
    where, found = f"{path}.type", schema.get("type")
    if found == "null":
        yield forbidden(where, "type cannot be set to null, use nullable as an alternative")
    elif found and found not in _TYPES:
        yield not_supported(where, found, _TYPES)
    if schema.get(_INT_OR_STRING):
        if found:
            yield invalid(where, found, f"must be empty if {_INT_OR_STRING} is true")
        return
    if not found and not root and not schema.get(_PRESERVE):
        yield required(where, f"must not be empty for specified {what}")
    if found == "array" and not schema.get("items"):
        yield required(f"{path}.items", "must be specified")
    if schema.get(_EMBEDDED):
        if found != "object":
            text = f"must be object if {_EMBEDDED} is true"
            yield invalid(where, found, text) if found else required(where, text)
        if not schema.get(_PRESERVE) and not schema.get("properties"):
            text = f"must not be empty if {_EMBEDDED} is true without {_PRESERVE}"
            yield required(f"{path}.properties", text)


def _extensions(schema: Object, path: str) -> Iterator[FieldError]:
    if _PRESERVE in schema and schema[_PRESERVE] is False:
        yield invalid(f"{path}.{_PRESERVE}", value=False, detail="must be true or undefined")
    list_type, keys = schema.get(_LIST_TYPE), schema.get(_LIST_KEYS) or ()
    if list_type:
        if list_type not in {"atomic", "map", "set"}:
            yield not_supported(f"{path}.{_LIST_TYPE}", list_type, ("atomic", "set", "map"))
        if schema.get("type") != "array":
            text = f"must be array if {_LIST_TYPE} is specified"
            yield invalid(f"{path}.type", schema.get("type") or "", text)
    if keys and list_type != "map":
        text = f"must be map if {_LIST_KEYS} is non-empty"
        yield (
            invalid(f"{path}.{_LIST_TYPE}", list_type, text)
            if list_type
            else required(f"{path}.{_LIST_TYPE}", text)
        )
    if list_type == "map":
        yield from _map_list(schema, keys, path)
    map_type = schema.get(_MAP_TYPE)
    if map_type:
        if map_type not in {"atomic", "granular"}:
            yield not_supported(f"{path}.{_MAP_TYPE}", map_type, ("atomic", "granular"))
        if schema.get("type") != "object":
            text = f"must be object if {_MAP_TYPE} is specified"
            yield invalid(f"{path}.type", schema.get("type") or "", text)


def _map_list(schema: Object, keys: Any, path: str) -> Iterator[FieldError]:
    if not keys:
        yield required(f"{path}.{_LIST_KEYS}", f"must not be empty if {_LIST_TYPE} is map")
    items = schema.get("items") or {}
    if schema.get("items") is not None and items.get("type") != "object":
        text = f"must be object if parent array's {_LIST_TYPE} is map"
        yield invalid(f"{path}.items.type", items.get("type") or "", text)
    known = items.get("properties") or {}
    for index, key in enumerate(keys):
        where = f"{path}.{_LIST_KEYS}[{index}]"
        if key not in known:
            yield invalid(where, key, "must exist as a property of items")
        elif known[key].get("type") in {"array", "object"}:
            text = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            yield invalid(f"{path}.items.properties[{key}].type", known[key]["type"], text)
        elif key not in (items.get("required") or ()) and "default" not in known[key]:
            text = "this property is in x-kubernetes-list-map-keys, so it must have a default or be"
            yield required(f"{path}.items.properties[{key}].default", f"{text} a required property")


def _metadata(schema: Object, path: str, *, embedded: bool) -> Iterator[FieldError]:
    properties = schema.get("properties") or {}
    for name, wanted in (("apiVersion", "string"), ("kind", "string"), ("metadata", "object")):
        inner = properties.get(name)
        if inner is not None and inner.get("type") != wanted:
            where = f"{path}.properties[{name}].type"
            yield invalid(where, inner.get("type") or "", f"must be {wanted}")
    if embedded:
        return
    inner = properties.get("metadata") or {}
    extra = inner.keys() - {"type", "properties", "description"}
    if extra or (inner.get("properties") or {}).keys() - _METADATA:
        yield forbidden(
            f"{path}.properties[metadata]",
            "must not specify anything other than name and generateName, but metadata is "
            "implicitly specified",
        )


def _alternatives(schema: Object, path: str) -> Iterator[tuple[str, Object]]:
    for name in _JUNCTORS:
        for index, inner in enumerate(schema.get(name) or ()):
            yield f"{path}.{name}[{index}]", inner
    if "not" in schema:
        yield f"{path}.not", schema["not"]


def _inside_junctor(
    schema: Object, outer: Object, path: str, outer_path: str
) -> Iterator[FieldError]:
    yield from _allowed(schema, path)
    for name in _NOT_IN_JUNCTORS:
        if schema.get(name) not in (None, False, ""):
            yield forbidden(f"{path}.{name}", "must be empty to be structural")
    known = outer.get("properties") or {}
    for name, inner in (schema.get("properties") or {}).items():
        where = f"{path}.properties[{name}]"
        if name not in known and not isinstance(outer.get("additionalProperties"), dict):
            text = f"because it is defined in {where}"
            yield required(f"{outer_path}.properties[{name}]", text)
            continue
        around = known.get(name) or outer["additionalProperties"]
        yield from _inside_junctor(inner, around, where, f"{outer_path}.properties[{name}]")
    if schema.get("items") is not None:
        where = f"{path}.items"
        if not outer.get("items"):
            yield required(f"{outer_path}.items", f"because it is defined in {where}")
        else:
            yield from _inside_junctor(
                schema["items"], outer["items"], where, f"{outer_path}.items"
            )
    for where, inner in _alternatives(schema, path):
        yield from _inside_junctor(inner, outer, where, outer_path)


def _defaults(schema: Object, path: str) -> Iterator[FieldError]:
    if "default" in schema:
        where, value = f"{path}.default", schema["default"]
        for one in violations(value, schema, "default"):
            yield FieldError(one.reason, path + "." + one.path, one.body)
        unknown: list[str] = []
        kept = prune(value, schema, unknown, "default")
        if not equal(kept, value):
            yield invalid(where, value, f"must not have unknown fields: {', '.join(unknown)}")
    for name, inner in (schema.get("properties") or {}).items():
        yield from _defaults(inner, f"{path}.properties[{name}]")
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield from _defaults(schema[name], f"{path}.{name}")


def has_rules(schema: Object) -> bool:
    """Tell whether the schema has `x-kubernetes-validations` anywhere."""
    if schema.get("x-kubernetes-validations"):
        return True
    parts = [*(schema.get("properties") or {}).values(), schema.get("items")]
    parts.append(schema.get("additionalProperties"))
    return any(has_rules(one) for one in parts if isinstance(one, dict))
