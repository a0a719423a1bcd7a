"""Rules of OpenShift's kinds: what the CRDs of 4.18 say, and the plugin ValidateAuthentication.

`serviceAccountIssuer` has no rule: any string is stored, the operator judges it.
"""

from __future__ import annotations

import re
from typing import Any, Final

from podpass.api.field_errors import FieldError, invalid, not_supported, required
from podpass.api.meta import name_of
from podpass.api.resources import Object

SINGLETON: Final = "cluster"
_MANAGEMENT_STATE: Final = re.compile(r"(Managed|Force)\Z")
_AUTHENTICATION_TYPES: Final = ("", "None", "IntegratedOAuth")
_LOG_LEVELS: Final = ("", "Normal", "Debug", "Trace", "TraceAll")
_EVENT_MINUTES: Final = (5, 180)


def authentication_errors(obj: Object) -> list[FieldError]:
    """Return what is wrong with an Authentication."""
    found = _spec_errors(obj)
    if name_of(obj) != SINGLETON:
        found.append(invalid("metadata.name", name_of(obj), f"must be {SINGLETON}"))
    kind = (obj.get("spec") or {}).get("type", "")
    if kind not in _AUTHENTICATION_TYPES:
        found.append(not_supported("spec.type", kind, _AUTHENTICATION_TYPES))
    return found


def kube_api_server_errors(obj: Object) -> list[FieldError]:
    """Return what is wrong with the spec of a KubeAPIServer."""
    found = _spec_errors(obj)
    spec = obj.get("spec") or {}
    state = spec.get("managementState")
    if state is not None and not _MANAGEMENT_STATE.match(state):
        path = "spec.managementState"
        found.append(invalid(path, state, f"{path} in body should match '^(Managed|Force)$'"))
    for name in ("logLevel", "operatorLogLevel"):
        if spec.get(name, "") not in _LOG_LEVELS:
            found.append(not_supported(f"spec.{name}", spec[name], _LOG_LEVELS))
    for name in ("observedConfig", "unsupportedConfigOverrides"):
        if not isinstance(spec.get(name, {}), dict):
            found.append(_not_an_object(f"spec.{name}", spec[name]))
    minutes = spec.get("eventTTLMinutes")
    low, high = _EVENT_MINUTES
    if minutes is not None and not low <= minutes <= high:
        bound = (
            f"greater than or equal to {low}" if minutes < low else f"less than or equal to {high}"
        )
        path = "spec.eventTTLMinutes"
        found.append(invalid(path, minutes, f"{path} in body should be {bound}"))
    return found


def kube_api_server_status_errors(new: Object, old: Object) -> list[FieldError]:
    """Return what is wrong with a new status of a KubeAPIServer, seen from the old one."""
    after, before = new.get("status") or {}, old.get("status") or {}
    found = []
    latest = after.get("latestAvailableRevision", 0)
    if latest < before.get("latestAvailableRevision", 0):
        found.append(invalid("status.latestAvailableRevision", latest, "must only increase"))
    former = {one.get("nodeName"): one for one in before.get("nodeStatuses") or ()}
    nodes = after.get("nodeStatuses") or ()
    if sum(1 for one in nodes if one.get("targetRevision")) > 1:
        text = "no more than 1 node status may have a nonzero targetRevision"
        found.append(FieldError("FieldValueInvalid", "status.nodeStatuses", _array(text)))
    if len({one.get("nodeName") for one in nodes}) != len(nodes):
        found.append(
            FieldError(
                "FieldValueInvalid", "status.nodeStatuses", _array("nodeName must be unique")
            )
        )
    for index, node in enumerate(nodes):
        known = former.get(node.get("nodeName"), {}).get("currentRevision", 0)
        current = node.get("currentRevision", 0)
        if current < known:
            path = f"status.nodeStatuses[{index}].currentRevision"
            found.append(invalid(path, current, "must only increase"))
    return found


def _spec_errors(obj: Object) -> list[FieldError]:
    return [] if isinstance(obj.get("spec"), dict) else [required("spec")]


def _not_an_object(path: str, value: Any) -> FieldError:
    return invalid(path, value, f"{path} in body must be of type object")


def _array(text: str) -> str:
    return f'Invalid value: "array": {text}'
