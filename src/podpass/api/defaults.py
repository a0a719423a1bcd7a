"""Values that the API server fills in when a client leaves a field out.

1. Defaults are applied on every write, after decoding and before admission, so that what is
   stored is complete.
2. A field that is there keeps its value, also a zero.

Pods are in `pod_defaults`, workloads in `workload_defaults`.
Source: Kubernetes `pkg/apis/*/v1/defaults.go`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final

from podpass.api import resources
from podpass.api.pod_defaults import apply_pod_defaults
from podpass.api.resources import RBAC, Object, Resource
from podpass.api.workload_defaults import WORKLOAD_DEFAULTS

NAMESPACE_LABEL: Final = "kubernetes.io/metadata.name"


def apply_defaults(resource: Resource, obj: Object) -> None:
    """Fill in the defaults of the kind, in place."""
    if resource.custom is not None:
        resource.custom.fill_in(obj)
        return
    fill = _BY_KIND.get(resource.kind)
    if fill is not None:
        fill(obj)


def _namespace(obj: Object) -> None:
    metadata = obj.setdefault("metadata", {})
    name = metadata.get("name")
    if name:
        metadata["labels"] = {**(metadata.get("labels") or {}), NAMESPACE_LABEL: name}
    obj.setdefault("status", {}).setdefault("phase", "Active")


def _secret(obj: Object) -> None:
    written = obj.pop("stringData", None)
    if written:
        data = dict(obj.get("data") or {})
        data |= {key: base64.b64encode(text.encode()).decode() for key, text in written.items()}
        obj["data"] = data
    if not obj.get("type"):
        obj["type"] = "Opaque"


def _node(obj: Object) -> None:
    status = obj.get("status") or {}
    if status.get("capacity") and not status.get("allocatable"):
        status["allocatable"] = dict(status["capacity"])


def _binding(obj: Object) -> None:
    role = obj.get("roleRef")
    if isinstance(role, dict) and not role.get("apiGroup"):
        role["apiGroup"] = RBAC
    for subject in obj.get("subjects") or ():
        _subject(subject)


def _subject(subject: dict[str, Any]) -> None:
    if not subject.get("apiGroup") and subject.get("kind") in {"User", "Group"}:
        subject["apiGroup"] = RBAC


def _definition(obj: Object) -> None:
    from podpass.api.custom_resources.definition import fill_in_names  # noqa: PLC0415 - rare

    fill_in_names(obj)


_BY_KIND: Final[Mapping[str, Callable[[Object], None]]] = {
    resources.NAMESPACES.kind: _namespace,
    resources.SECRETS.kind: _secret,
    resources.NODES.kind: _node,
    resources.PODS.kind: apply_pod_defaults,
    resources.ROLE_BINDINGS.kind: _binding,
    resources.CLUSTER_ROLE_BINDINGS.kind: _binding,
    resources.CUSTOM_RESOURCE_DEFINITIONS.kind: _definition,
    **WORKLOAD_DEFAULTS,
}
