"""What controllers ask of a pod."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from podpass.api.meta import (
    annotations_of,
    find_condition,
    is_terminating,
    parse_time,
    resource_version_of,
    set_condition,
    uid_of,
)
from podpass.api.resources import Object

MIRROR_ANNOTATION = "kubernetes.io/config.mirror"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def node_name_of(pod: Object) -> str:
    """Return the node that the pod is bound to, or an empty string."""
    return str((pod.get("spec") or {}).get("nodeName") or "")


def is_finished(pod: Object) -> bool:
    """Tell whether all containers ended for good."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def is_mirror(pod: Object) -> bool:
    """Tell whether the pod only shows a static pod of a kubelet."""
    return MIRROR_ANNOTATION in annotations_of(pod)


def conditions_patch(
    pod: Object, type_: str, status: str, *, now: datetime, phase: str = "", **fields: str
) -> Mapping[str, object] | None:
    """Return a merge patch that sets one condition, or None if it is set already.

    The patch holds only for this very state of the pod; a changed one is a 409.

    Args:
        pod: The pod as last seen.
        type_: Type of the condition.
        status: `True` or `False`.
        now: Current time.
        phase: New phase, if it changes too.
        fields: reason and message.
    """
    current = pod.get("status") or {}
    conditions = [dict(one) for one in current.get("conditions") or []]
    changed = set_condition(conditions, type_, status, now=now, **fields)
    if not changed and phase in ("", current.get("phase")):
        return None
    new = {"conditions": conditions} | ({"phase": phase} if phase else {})
    metadata = {"uid": uid_of(pod), "resourceVersion": resource_version_of(pod)}
    return {"metadata": metadata, "status": new}


def is_active(pod: Object) -> bool:
    """Tell whether the pod counts as a replica: neither finished nor on its way out."""
    return not is_finished(pod) and not is_terminating(pod)


def is_running(pod: Object) -> bool:
    """Tell whether the pod's containers run."""
    return (pod.get("status") or {}).get("phase") == "Running"


def ready_since(pod: Object) -> datetime | None:
    """Return since when the pod is ready, or None if it is not."""
    ready = find_condition((pod.get("status") or {}).get("conditions") or (), "Ready")
    if ready is None or ready.get("status") != "True":
        return None
    since = ready.get("lastTransitionTime")
    return parse_time(since) if since else _LONG_AGO


def is_ready(pod: Object) -> bool:
    """Tell whether the pod's Ready condition is true."""
    return ready_since(pod) is not None


def is_available(pod: Object, minimum_ready_seconds: int, now: datetime) -> bool:
    """Tell whether the pod is ready, and has been for long enough."""
    since = ready_since(pod)
    return since is not None and now - since >= timedelta(seconds=minimum_ready_seconds)


def created_at(obj: Object) -> str:
    """Return the time of creation as text that sorts by time."""
    return str(obj.get("metadata", {}).get("creationTimestamp") or "")
