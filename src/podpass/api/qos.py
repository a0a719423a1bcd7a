"""The quality of service class of a pod, from the requests and limits of its containers.

Source: Kubernetes `pkg/apis/core/v1/helper/qos/qos.go`.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from podpass.api.quantity import parse_quantity
from podpass.api.resources import Object

QosClass: TypeAlias = Literal["Guaranteed", "Burstable", "BestEffort"]

_COUNTED: Final = ("cpu", "memory")


def qos_class(pod: Object) -> QosClass:
    """Return the class.

    `Guaranteed` when every container limits cpu and memory and asks for exactly that,
    `BestEffort` when none says anything, `Burstable` in between.
    """
    spec = pod.get("spec") or {}
    guaranteed = True
    burstable = False
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        resources = container.get("resources") or {}
        limits, requests = _amounts(resources.get("limits")), _amounts(resources.get("requests"))
        burstable = burstable or bool(limits or requests)
        guaranteed = (
            guaranteed and len(limits) == len(_COUNTED) and {**limits, **requests} == limits
        )
    if not burstable:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _amounts(quantities: dict[str, str] | None) -> dict[str, int]:
    amounts = {
        name: parse_quantity(str(text)).nanos
        for name, text in (quantities or {}).items()
        if name in _COUNTED
    }
    return {name: nanos for name, nanos in amounts.items() if nanos}
