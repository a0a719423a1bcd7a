"""Facts about a pod that its containers may ask for: `fieldRef` and `resourceFieldRef`.

Source: Kubernetes v1.36, `pkg/fieldpath` and `pkg/api/v1/resource/helpers.go`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from podpass.api.meta import annotations_of, labels_of, name_of, namespace_of, uid_of
from podpass.api.quantity import parse_quantity
from podpass.api.resources import Object
from podpass.kubelet.pod_spec import all_containers, service_account_of

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")


class UnknownField(Exception):
    """The pod asks for something that does not exist; the message names it."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What pods may learn about the node they run on.

    Attributes:
        name: Node name.
        ip: Its address.
        allocatable: Resource to amount; the default limits of containers that set none.
    """

    name: str
    ip: str
    allocatable: Mapping[str, str]


def format_map(values: Mapping[str, str]) -> str:
    """Return labels or annotations as lines of `key="value"`, sorted."""
    return "\n".join(f"{key}={orjson.dumps(values[key]).decode()}" for key in sorted(values))


def field_value(pod: Object, path: str, node: NodeFacts, pod_ip: str | None) -> str:
    """Return what `fieldRef.fieldPath` names.

    Args:
        pod: The pod.
        path: e.g. `metadata.labels['app']`.
        node: Where it runs.
        pod_ip: Its address, as far as it has one.

    Raises:
        UnknownField: Nothing is known by that name.
    """
    if match := _SUBSCRIPT.fullmatch(path):
        values = labels_of(pod) if match[1] == "labels" else annotations_of(pod)
        return values.get(match[2], "")
    known = {
        "metadata.name": name_of(pod),
        "metadata.namespace": namespace_of(pod),
        "metadata.uid": uid_of(pod),
        "spec.nodeName": node.name,
        "spec.serviceAccountName": service_account_of(pod),
        "status.hostIP": node.ip,
        "status.hostIPs": node.ip,
        "status.podIP": pod_ip or "",
        "status.podIPs": pod_ip or "",
    }
    if path in known:
        return known[path]
    if path == "metadata.labels":
        return format_map(labels_of(pod))
    if path == "metadata.annotations":
        return format_map(annotations_of(pod))
    raise UnknownField(f"unsupported fieldPath: {path}")


def resource_value(
    pod: Object, reference: Object, node: NodeFacts, *, container: Object | None = None
) -> str:
    """Return what a `resourceFieldRef` names, divided and rounded up.

    Args:
        pod: The pod.
        reference: `containerName` (in volumes), `resource` and `divisor`.
        node: Gives the limits of containers that set none.
        container: The container, where `containerName` is not given.

    Raises:
        UnknownField: No such container or resource.
    """
    name = reference.get("containerName")
    chosen = container if not name else _container(pod, name)
    if chosen is None:
        raise UnknownField(f"container {name} not found")
    path = str(reference.get("resource", ""))
    kind, _, resource = path.partition(".")
    if kind not in ("limits", "requests") or not resource:
        raise UnknownField(f"unsupported container resource : {path}")
    resources = chosen.get("resources") or {}
    amount = (resources.get(kind) or {}).get(resource)
    if amount is None and kind == "requests":
        amount = (resources.get("limits") or {}).get(resource, "0")
    if amount is None:
        amount = node.allocatable.get(resource, "0")
    try:
        divisor = parse_quantity(str(reference.get("divisor") or "1")).nanos or 10**9
        nanos = parse_quantity(str(amount)).nanos
    except ValueError as error:
        raise UnknownField(f"{path}: {error}") from error
    return str(-(-nanos // divisor))


def _container(pod: Object, name: str) -> Object | None:
    return next((one for one in all_containers(pod) if one["name"] == name), None)
