"""Rules of security contexts.

Source: Kubernetes `pkg/apis/core/validation/validation.go`, `ValidateSecurityContext`.
"""

from __future__ import annotations

from typing import Any, Final

from podpass.api.field_errors import FieldError, invalid, not_supported

MAX_ID: Final = (1 << 31) - 1
_RANGE: Final = f"must be between 0 and {MAX_ID}, inclusive"
_CHANGE_POLICIES: Final = frozenset({"Always", "OnRootMismatch"})


def pod_security_context_errors(context: dict[str, Any], path: str) -> list[FieldError]:
    """Return what is wrong with the security context of a pod."""
    errors = _id_errors(context, path, ("fsGroup", "runAsUser", "runAsGroup"))
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        if not 0 <= group <= MAX_ID:
            errors.append(invalid(f"{path}.supplementalGroups[{index}]", group, _RANGE))
    policy = context.get("fsGroupChangePolicy")
    if policy is not None and policy not in _CHANGE_POLICIES:
        errors.append(not_supported(f"{path}.fsGroupChangePolicy", policy, _CHANGE_POLICIES))
    return errors


def security_context_errors(context: dict[str, Any], path: str) -> list[FieldError]:
    """Return what is wrong with the security context of a container."""
    errors = _id_errors(context, path, ("runAsUser", "runAsGroup"))
    if context.get("allowPrivilegeEscalation") is False:
        refused = "cannot set `allowPrivilegeEscalation` to false and"
        if context.get("privileged"):
            errors.append(invalid(path, context, f"{refused} `privileged` to true"))
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
            text = f"{refused} `capabilities.Add` CAP_SYS_ADMIN"
            errors.append(invalid(path, context, text))
    return errors


def _id_errors(context: dict[str, Any], path: str, keys: tuple[str, ...]) -> list[FieldError]:
    return [
        invalid(f"{path}.{key}", context[key], _RANGE)
        for key in keys
        if context.get(key) is not None and not 0 <= context[key] <= MAX_ID
    ]
