"""Rules of namespaces, nodes, leases and events.

Source: Kubernetes `pkg/apis/core/validation`, `pkg/apis/coordination/validation`.
"""

from __future__ import annotations

from typing import Final

from podpass.api.field_errors import FieldError, invalid
from podpass.api.meta import namespace_of
from podpass.api.resources import Object
from podpass.api.validation.metadata import finalizer_errors
from podpass.api.validation.tolerations import taint_errors

_POSITIVE: Final = "must be greater than 0"
_NOT_NEGATIVE: Final = "must be greater than or equal to 0"


def namespace_errors(namespace: Object) -> list[FieldError]:
    """Return what is wrong with a Namespace."""
    finalizers = (namespace.get("spec") or {}).get("finalizers") or ()
    return finalizer_errors(finalizers, "spec.finalizers")


def node_errors(node: Object) -> list[FieldError]:
    """Return what is wrong with a Node."""
    return taint_errors((node.get("spec") or {}).get("taints") or (), "spec.taints")


def lease_errors(lease: Object) -> list[FieldError]:
    """Return what is wrong with a Lease."""
    spec = lease.get("spec") or {}
    errors = []
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and duration <= 0:
        errors.append(invalid("spec.leaseDurationSeconds", duration, _POSITIVE))
    if transitions is not None and transitions < 0:
        errors.append(invalid("spec.leaseTransitions", transitions, _NOT_NEGATIVE))
    return errors


def event_errors(event: Object) -> list[FieldError]:
    """Return a complaint when an event stands in another namespace than what it is about."""
    involved = (event.get("involvedObject") or {}).get("namespace") or ""
    expected = involved or "default"  # of what is in no namespace
    if namespace_of(event) == expected or (not involved and namespace_of(event) == "kube-system"):
        return []
    text = "does not match event.namespace"
    return [invalid("involvedObject.namespace", involved, text)]
