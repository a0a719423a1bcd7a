"""What pods and nodes tell the operator, as the pure parts want it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from podpass.api.meta import find_condition, labels_of, name_of, parse_time
from podpass.api.resources import Object
from podpass.operator import names
from podpass.operator.installer import InstallerPod
from podpass.operator.node_choice import StaticPod
from podpass.operator.pod_manifests import NodeAddress

_MIRROR_PREFIX = f"{names.STATIC_POD}-"


def node_of(pod: Object) -> str:
    """Return the node that a pod runs on."""
    return str((pod.get("spec") or {}).get("nodeName") or "")


def mirror_pods(pods: Iterable[Object]) -> dict[str, Object]:
    """Return the mirror pods of the API servers by node."""
    found = {}
    for pod in pods:
        name = name_of(pod)
        if name.startswith(_MIRROR_PREFIX) and name == _MIRROR_PREFIX + node_of(pod):
            found[node_of(pod)] = pod
    return found


def static_pods(pods: Iterable[Object]) -> dict[str, StaticPod]:
    """Return what the mirror pods tell, by node."""
    return {node: _static_pod(pod) for node, pod in mirror_pods(pods).items()}


def _static_pod(pod: Object) -> StaticPod:
    label = labels_of(pod).get(names.REVISION_LABEL, "")
    status = pod.get("status") or {}
    ready = find_condition(status.get("conditions") or (), "Ready") or {}
    return StaticPod(
        revision=int(label) if label.isdecimal() else None,
        label=label,
        ready=ready.get("status") == "True",
        ready_since=_time(ready.get("lastTransitionTime")),
        failed=status.get("phase") == "Failed",
    )


def installer_pods(pods: Iterable[Object]) -> dict[str, InstallerPod]:
    """Return the installer pods by name."""
    found = {}
    for pod in pods:
        if labels_of(pod).get("app") == "installer":
            phase = str((pod.get("status") or {}).get("phase") or "Pending")
            errors = _errors(pod) if phase == "Failed" else ()
            found[name_of(pod)] = InstallerPod(name_of(pod), phase, errors)
    return found


def _errors(pod: Object) -> tuple[str, ...]:
    found = []
    for one in (pod.get("status") or {}).get("containerStatuses") or ():
        terminated = (one.get("state") or {}).get("terminated") or {}
        if terminated.get("message"):
            found.append(f"{one.get('name')}: {str(terminated['message']).strip()}")
    if found:
        return tuple(found)
    said = str((pod.get("status") or {}).get("message") or "")
    hint = (
        f'no detailed termination message, see `oc get -oyaml -n "{names.OPERAND_NAMESPACE}" '
        f'pods "{name_of(pod)}"`'
    )
    return (f"installer: {said or hint}",)


def master_nodes(nodes: Iterable[Object]) -> list[Object]:
    """Return the nodes that an API server belongs on, by name."""
    found = [one for one in nodes if labels_of(one).get(names.MASTER_LABEL) == ""]
    return sorted(found, key=name_of)


def address_of(node: Object) -> NodeAddress:
    """Return name and address of a node; without an address, its name stands for it."""
    addresses = (node.get("status") or {}).get("addresses") or ()
    internal = (one["address"] for one in addresses if one.get("type") == "InternalIP")
    return NodeAddress(name_of(node), next(internal, name_of(node)))


def _time(text: object) -> datetime | None:
    return parse_time(str(text)) if text else None
