"""What the kubelet refuses to run although the scheduler sent it here: a pod that has not begun.

Static pods are never refused: they may be what the others wait for.

Source: Kubernetes v1.36, `pkg/kubelet/lifecycle/predicate.go`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from podpass.api.meta import is_terminating
from podpass.api.resources import Object
from podpass.kubelet.pod_spec import is_static, spec_of, status_of

_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a pod is not run.

    Attributes:
        reason: One word for `status.reason` and the event.
        message: What a user can do about it.
    """

    reason: str
    message: str

    def status(self, pod: Object) -> Object:
        """Return the status of a refused pod."""
        return status_of(pod) | {
            "phase": "Failed",
            "reason": self.reason,
            "message": f"Pod was rejected: {self.message}",
        }


def is_active(pod: Object) -> bool:
    """Tell whether a pod takes one of the node's places."""
    return status_of(pod).get("phase") not in _ENDED


def refusal(pod: Object, others: Iterable[Object], max_pods: int) -> Refusal | None:
    """Return why a pod that has not begun may not begin here, or None.

    Args:
        pod: The pod.
        others: The pods that run here.
        max_pods: How many may run here.
    """
    if is_static(pod) or is_terminating(pod) or not is_active(pod):
        return None
    system = (spec_of(pod).get("os") or {}).get("name") or "linux"
    if system != "linux":
        text = "Failed to admit pod as the OS field doesn't match node OS"
        return Refusal("PodOSNotSupported", text)
    used = sum(is_active(one) for one in others)
    if used >= max_pods:
        text = "Node didn't have enough resource: pods, requested: 1, used: {}, capacity: {}"
        return Refusal("OutOfpods", text.format(used, max_pods))
    return None
