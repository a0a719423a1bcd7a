"""Rules of probes and lifecycle hooks.

Source: Kubernetes `pkg/apis/core/validation/validation.go`, `validateProbe`, `validateHandler`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from podpass.api import names
from podpass.api.field_errors import FieldError, forbidden, invalid, not_supported, required

_NOT_NEGATIVE: Final = "must be greater than or equal to 0"
_COUNTS: Final = (
    "initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold",
    "failureThreshold",
)  # fmt: skip
_SCHEMES: Final = frozenset({"HTTP", "HTTPS"})


def probe_errors(probe: dict[str, Any], path: str, kind: str) -> list[FieldError]:
    """Return what is wrong with a probe; `kind` is its field, e.g. `livenessProbe`."""
    errors = _handler_errors(probe, path)
    errors += [
        invalid(f"{path}.{key}", probe[key], _NOT_NEGATIVE)
        for key in _COUNTS
        if (probe.get(key) or 0) < 0
    ]
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None and grace <= 0:
        text = "must be greater than 0"
        errors.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, text))
    if kind == "readinessProbe":
        if grace is not None:
            text = "must not be set for readinessProbes"
            errors.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, text))
    elif probe.get("successThreshold", 1) != 1:
        errors.append(invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1"))
    return errors


def hook_errors(lifecycle: dict[str, Any], path: str) -> list[FieldError]:
    """Return what is wrong with the hooks of a container."""
    errors: list[FieldError] = []
    for key in ("postStart", "preStop"):
        if lifecycle.get(key) is not None:
            errors += _handler_errors(lifecycle[key], f"{path}.{key}")
    return errors


def _handler_errors(handler: dict[str, Any], path: str) -> list[FieldError]:
    kinds = [kind for kind in _HANDLERS if handler.get(kind) is not None]
    if not kinds:
        return [required(path, "must specify a handler type")]
    errors = _HANDLERS[kinds[0]](handler[kinds[0]], f"{path}.{kinds[0]}")
    text = "may not specify more than 1 handler type"
    return errors + [forbidden(f"{path}.{kind}", text) for kind in kinds[1:]]


def _exec(action: dict[str, Any], path: str) -> list[FieldError]:
    return [] if action.get("command") else [required(f"{path}.command")]


def _http_get(action: dict[str, Any], path: str) -> list[FieldError]:
    errors = [] if action.get("path") else [required(f"{path}.path")]
    errors += _port_errors(action.get("port"), f"{path}.port")
    scheme = action.get("scheme") or ""
    if scheme not in _SCHEMES:
        errors.append(not_supported(f"{path}.scheme", scheme, _SCHEMES))
    errors += [
        required(f"{path}.httpHeaders")
        for header in action.get("httpHeaders") or ()
        if not header.get("name")
    ]
    return errors


def _tcp_socket(action: dict[str, Any], path: str) -> list[FieldError]:
    return _port_errors(action.get("port"), f"{path}.port")


def _grpc(action: dict[str, Any], path: str) -> list[FieldError]:
    return _port_errors(action.get("port"), f"{path}.port")


def _sleep(action: dict[str, Any], path: str) -> list[FieldError]:
    seconds = action.get("seconds", 0)
    return [invalid(f"{path}.seconds", seconds, _NOT_NEGATIVE)] if seconds < 0 else []


def _port_errors(port: Any, path: str) -> list[FieldError]:
    if isinstance(port, str):
        return [invalid(path, port, one) for one in names.port_name_problems(port)]
    return [invalid(path, port or 0, one) for one in names.port_number_problems(port or 0)]


_HANDLERS: Final[Mapping[str, Callable[[dict[str, Any], str], list[FieldError]]]] = {
    "exec": _exec,
    "httpGet": _http_get,
    "tcpSocket": _tcp_socket,
    "grpc": _grpc,
    "sleep": _sleep,
}
