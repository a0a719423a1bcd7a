"""Rules of tolerations of pods and taints of nodes.

Source: Kubernetes `pkg/apis/core/validation/validation.go`, `ValidateTolerations`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from podpass.api import names
from podpass.api.field_errors import FieldError, duplicate, invalid, not_supported, required

EFFECTS: Final = frozenset({"NoExecute", "NoSchedule", "PreferNoSchedule"})
OPERATORS: Final = frozenset({"Equal", "Exists"})


def toleration_errors(tolerations: Sequence[dict[str, Any]], path: str) -> list[FieldError]:
    """Return what is wrong with the tolerations of a pod."""
    errors: list[FieldError] = []
    for index, one in enumerate(tolerations):
        at = f"{path}[{index}]"
        key, effect = one.get("key") or "", one.get("effect") or ""
        operator = one.get("operator") or "Equal"
        if key:
            errors += [
                invalid(f"{at}.key", key, text) for text in names.qualified_name_problems(key)
            ]
        elif operator != "Exists":
            text = (
                "operator must be Exists when `key` is empty, which means "
                '"match all values and all keys"'
            )
            errors.append(invalid(f"{at}.operator", one.get("operator") or "", text))
        if one.get("tolerationSeconds") is not None and effect != "NoExecute":
            text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            errors.append(invalid(f"{at}.effect", effect, text))
        if operator not in OPERATORS:
            errors.append(not_supported(f"{at}.operator", operator, OPERATORS))
        elif operator == "Exists" and one.get("value"):
            text = "value must be empty when `operator` is 'Exists'"
            errors.append(invalid(f"{at}.operator", one, text))
        elif operator == "Equal":
            value = one.get("value") or ""
            problems = names.label_value_problems(value)
            errors += [invalid(f"{at}.operator", value, text) for text in problems]
        if effect and effect not in EFFECTS:
            errors.append(not_supported(f"{at}.effect", effect, EFFECTS))
    return errors


def taint_errors(taints: Sequence[dict[str, Any]], path: str) -> list[FieldError]:
    """Return what is wrong with the taints of a node."""
    errors: list[FieldError] = []
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(taints):
        at = f"{path}[{index}]"
        key, value = taint.get("key") or "", taint.get("value") or ""
        effect = taint.get("effect") or ""
        errors += [invalid(f"{at}.key", key, text) for text in names.qualified_name_problems(key)]
        errors += [
            invalid(f"{at}.value", value, text) for text in names.label_value_problems(value)
        ]
        if not effect:
            errors.append(required(f"{at}.effect"))
        elif effect not in EFFECTS:
            errors.append(not_supported(f"{at}.effect", effect, EFFECTS))
        if (key, effect) in seen:
            errors.append(duplicate(at, taint))
        seen.add((key, effect))
    return errors
