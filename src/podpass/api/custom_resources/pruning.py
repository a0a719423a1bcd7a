"""Drop the fields that a structural schema does not know, and say which.

1. `x-kubernetes-preserve-unknown-fields` keeps what is unknown at its node, not below known fields.
2. `x-kubernetes-embedded-resource` knows apiVersion, kind and metadata by itself; so does the root.
3. Below `additionalProperties` every key is known.

Source: kubernetes.io "Custom Resource Definition", section "Field pruning".
"""

from __future__ import annotations

from typing import Any, Final

from podpass.api.custom_resources.schema_paths import child, item
from podpass.api.resources import Object

TYPE_FIELDS: Final = frozenset({"apiVersion", "kind", "metadata"})


def prune(value: Any, schema: Object, unknown: list[str], path: str = "") -> Any:
    """Return a copy of `value` without unknown fields.

    Args:
        value: JSON; at the root a whole object.
        schema: Structural schema of the value.
        unknown: Paths of what was dropped are added here.
        path: Where the value stands; empty for a root.
    """
    if isinstance(value, dict):
        return _map(value, schema, unknown, path)
    if isinstance(value, list):
        inner = schema.get("items") or {"x-kubernetes-preserve-unknown-fields": True}
        return [prune(one, inner, unknown, item(path, at)) for at, one in enumerate(value)]
    return value


def _map(value: Object, schema: Object, unknown: list[str], path: str) -> Object:
    properties = schema.get("properties") or {}
    additional = schema.get("additionalProperties")
    preserve = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    typed = not path or bool(schema.get("x-kubernetes-embedded-resource"))
    out: Object = {}
    for key, one in value.items():
        where = child(path, key)
        if typed and key in TYPE_FIELDS:
            out[key] = one
        elif key in properties:
            out[key] = prune(one, properties[key], unknown, where)
        elif isinstance(additional, dict):
            out[key] = prune(one, additional, unknown, where)
        elif additional is True or preserve:
            out[key] = one
        else:
            unknown.append(where)
    return out
