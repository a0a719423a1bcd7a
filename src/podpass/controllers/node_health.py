"""What a node's heartbeats and conditions say, as conditions and taints. Pure.

1. A node that was silent for the grace period has all its conditions Unknown.
2. Ready False gives the taint `not-ready`, Ready Unknown gives `unreachable`; each with effect
   NoSchedule and, unless every node is in that state, NoExecute. A node that just registered and
   did not say anything yet gets none; the scheduler passes it over all the same.
3. Pressure conditions and a cordon give NoSchedule taints of their own.
4. Taints of other keys belong to somebody else and stay.

Source: Kubernetes, `pkg/controller/nodelifecycle/node_lifecycle_controller.go`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from podpass.api.meta import find_condition, format_time, set_condition
from podpass.api.resources import Object
from podpass.controllers.taints import NOT_READY, UNREACHABLE, UNSCHEDULABLE, taints_of

_WATCHED_CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_PRESSURE_TAINTS = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
_OWN_KEYS = {NOT_READY, UNREACHABLE, UNSCHEDULABLE, *_PRESSURE_TAINTS.values()}


def conditions_of(node: Object) -> list[Object]:
    """Return the node's conditions; not to be changed."""
    return (node.get("status") or {}).get("conditions") or []


def ready_status(node: Object) -> str:
    """Return `True`, `False` or `Unknown`; empty for a node that did not say yet."""
    ready = find_condition(conditions_of(node), "Ready")
    return str((ready or {}).get("status") or "")


def heartbeat(node: Object, lease: Object | None) -> tuple[str, str]:
    """Return what changes with each sign of life of the kubelet."""
    ready = find_condition(conditions_of(node), "Ready") or {}
    renewed = ((lease or {}).get("spec") or {}).get("renewTime")
    by_us = ready.get("reason") in ("NodeStatusUnknown", "NodeStatusNeverUpdated")
    return str(renewed or ""), "" if by_us else str(ready.get("lastHeartbeatTime") or "")


def silenced_conditions(node: Object, *, now: datetime) -> list[Object] | None:
    """Return the conditions of a node that fell silent, or None if they stand already."""
    conditions = [dict(one) for one in conditions_of(node)]
    changed = False
    for type_ in _WATCHED_CONDITIONS:
        current = find_condition(conditions, type_)
        if current is not None and current.get("status") == "Unknown":
            continue
        never = current is None
        changed |= set_condition(
            conditions,
            type_,
            "Unknown",
            now=now,
            reason="NodeStatusNeverUpdated" if never else "NodeStatusUnknown",
            message="Kubelet never posted node status."
            if never
            else "Kubelet stopped posting node status.",
        )
    return conditions if changed else None


def wanted_taints(node: Object, *, evict: bool, now: datetime) -> list[Object] | None:
    """Return the taints that the node should have, or None if it has them.

    Args:
        node: The node.
        evict: Whether pods may be driven off; False while no node is healthy.
        now: Current time, for new taints.
    """
    current = taints_of(node)
    wanted: list[tuple[str, str]] = []
    state = ready_status(node)
    if state in ("False", "Unknown"):
        key = UNREACHABLE if state == "Unknown" else NOT_READY
        wanted.append((key, "NoSchedule"))
        if evict:
            wanted.append((key, "NoExecute"))
    for type_, key in _PRESSURE_TAINTS.items():
        condition = find_condition(conditions_of(node), type_)
        if condition is not None and condition.get("status") == "True":
            wanted.append((key, "NoSchedule"))
    if (node.get("spec") or {}).get("unschedulable"):
        wanted.append((UNSCHEDULABLE, "NoSchedule"))
    if {_pair(one) for one in current if one.get("key") in _OWN_KEYS} == set(wanted):
        return None
    taints = [
        one
        for one in current
        if one.get("key") not in _OWN_KEYS or _pair(one) in wanted  # 4
    ]
    present = {_pair(one) for one in taints}
    for key, effect in wanted:
        if (key, effect) not in present:
            taints.append({"key": key, "effect": effect, "timeAdded": format_time(now)})
    return taints


def any_ready(nodes: Iterable[Object]) -> bool:
    """Tell whether at least one node is healthy: if none is, the fault is likely ours."""
    return any(ready_status(node) == "True" for node in nodes)


def _pair(taint: Object) -> tuple[str, str]:
    return taint.get("key", ""), taint.get("effect", "")
