"""Fill in the defaults of a structural schema.

1. A field that is absent gets its default, whole; then what is below is filled in as well.
2. A null where the schema does not allow it counts as absent, if there is a default.

Source: kubernetes.io "Custom Resource Definition", sections "Defaulting" and "Nullable".
"""

from __future__ import annotations

import copy
from typing import Any

from podpass.api.resources import Object


def fill_in(value: Any, schema: Object) -> None:
    """Fill in the defaults below `value`, in place."""
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        for key, inner in properties.items():
            if "default" in inner and (
                key not in value or (value[key] is None and not inner.get("nullable"))
            ):
                value[key] = copy.deepcopy(inner["default"])
            if key in value:
                fill_in(value[key], inner)
        additional = schema.get("additionalProperties")
        if isinstance(additional, dict):
            for key, one in value.items():
                if key not in properties:
                    fill_in(one, additional)
    elif isinstance(value, list):
        inner = schema.get("items")
        if inner:
            for one in value:
                fill_in(one, inner)


def has_defaults(schema: Object) -> bool:
    """Tell whether the schema has a default anywhere."""
    if "default" in schema:
        return True
    parts = [*(schema.get("properties") or {}).values(), schema.get("items")]
    parts.append(schema.get("additionalProperties"))
    return any(has_defaults(one) for one in parts if isinstance(one, dict))
