"""Rules of environment variables and where they come from.

Source: Kubernetes `pkg/apis/core/validation/validation.go`, `ValidateEnv`, `ValidateEnvFrom`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from podpass.api import names
from podpass.api.field_errors import FieldError, invalid, required
from podpass.api.validation.downward_api import field_reference_errors, resource_reference_errors

_SOURCES: Final = (
    "fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef",
)  # fmt: skip
_ONE_SOURCE: Final = (
    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or "
    "`fileKeyRef`"
)
_ONE_FIELD: Final = "may not have more than one field specified at a time"


def environment_errors(container: dict[str, Any], path: str) -> list[FieldError]:
    """Return what is wrong with `env` and `envFrom` of the container at `path`."""
    return [
        *_variable_errors(container.get("env") or (), f"{path}.env"),
        *_import_errors(container.get("envFrom") or (), f"{path}.envFrom"),
    ]


def _variable_errors(variables: Sequence[dict[str, Any]], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, variable in enumerate(variables):
        at = f"{path}[{index}]"
        name = variable.get("name") or ""
        if not name:
            errors.append(required(f"{at}.name"))
        else:
            problems = names.environment_name_problems(name)
            errors += [invalid(f"{at}.name", name, one) for one in problems]
        if variable.get("valueFrom") is not None:
            errors += _value_from_errors(variable, f"{at}.valueFrom")
    return errors


def _value_from_errors(variable: dict[str, Any], path: str) -> list[FieldError]:
    source = variable["valueFrom"]
    kinds = [kind for kind in _SOURCES if source.get(kind) is not None]
    errors: list[FieldError] = []
    if source.get("fieldRef") is not None:
        errors += field_reference_errors(source["fieldRef"], f"{path}.fieldRef", in_volume=False)
    if source.get("resourceFieldRef") is not None:
        reference = source["resourceFieldRef"]
        errors += resource_reference_errors(reference, f"{path}.resourceFieldRef", in_volume=False)
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if source.get(kind) is not None:
            errors += _key_reference_errors(source[kind], f"{path}.{kind}")
    if not kinds:
        errors.append(invalid(path, "", _ONE_SOURCE))
    elif variable.get("value"):
        errors.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif len(kinds) > 1:
        errors.append(invalid(path, "", _ONE_FIELD))
    return errors


def _key_reference_errors(reference: dict[str, Any], path: str) -> list[FieldError]:
    errors = [] if reference.get("name") else [required(f"{path}.name")]
    key = reference.get("key") or ""
    if not key:
        return [*errors, required(f"{path}.key")]
    return errors + [invalid(f"{path}.key", key, one) for one in names.config_key_problems(key)]


def _import_errors(sources: Sequence[dict[str, Any]], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, source in enumerate(sources):
        at = f"{path}[{index}]"
        prefix = source.get("prefix") or ""
        if prefix:
            problems = names.environment_name_problems(prefix)
            errors += [invalid(f"{at}.prefix", prefix, one) for one in problems]
        kinds = [kind for kind in ("configMapRef", "secretRef") if source.get(kind) is not None]
        errors += [required(f"{at}.{kind}.name") for kind in kinds if not source[kind].get("name")]
        if not kinds:
            text = "must specify one of: `configMapRef` or `secretRef`"
            errors.append(invalid(at, "", text))
        elif len(kinds) > 1:
            errors.append(invalid(at, "", _ONE_FIELD))
    return errors
