"""What controllers ask of a pod."""

from __future__ import annotations

from podpass.api.meta import annotations_of
from podpass.api.resources import Object

MIRROR_ANNOTATION = "kubernetes.io/config.mirror"


def node_name_of(pod: Object) -> str:
    """Return the node that the pod is bound to, or an empty string."""
    return str((pod.get("spec") or {}).get("nodeName") or "")


def is_finished(pod: Object) -> bool:
    """Tell whether all containers ended for good."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


def is_mirror(pod: Object) -> bool:
    """Tell whether the pod only shows a static pod of a kubelet."""
    return MIRROR_ANNOTATION in annotations_of(pod)
