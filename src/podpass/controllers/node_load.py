"""What the pods on each node take up: their number, requests and host ports. Pure.

Source: Kubernetes, `pkg/scheduler/framework/types.go` (`NodeInfo`), `noderesources/fit.go`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from podpass.api.quantity import parse_quantity
from podpass.api.resources import Object

HostPort = tuple[str, str, int]
"""Protocol, host IP (`0.0.0.0` for any) and port."""
_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - a value to compare with, nothing listens


@dataclass(frozen=True, slots=True)
class PodDemand:
    """What one pod takes.

    Attributes:
        requests: Resource name to amount, in billionths.
        host_ports: Ports of the node itself.
    """

    requests: dict[str, int]
    host_ports: frozenset[HostPort]

    @classmethod
    def of(cls, pod: Object) -> PodDemand:
        """Return the demand of a pod: its containers together, or the largest init container."""
        spec = pod.get("spec") or {}
        containers = spec.get("containers") or []
        requests = _sum(_requests(one) for one in containers)
        for container in spec.get("initContainers") or []:
            for name, amount in _requests(container).items():
                requests[name] = max(requests.get(name, 0), amount)
        ports = frozenset(
            (
                str(port.get("protocol") or "TCP"),
                str(port.get("hostIP") or _ANY_ADDRESS),
                int(port["hostPort"]),
            )
            for container in containers
            for port in container.get("ports") or []
            if port.get("hostPort")
        )
        return cls(requests, ports)


@dataclass(slots=True)
class NodeLoad:
    """The pods on one node.

    Attributes:
        pods: Demand of each pod by its key.
    """

    pods: dict[str, PodDemand] = field(default_factory=dict)

    def shortages(self, demand: PodDemand, allocatable: Object) -> list[str]:
        """Return why one more pod of this demand does not fit, in the scheduler's words.

        Args:
            demand: What the pod takes.
            allocatable: `status.allocatable` of the node; what it does not name is not limited.
        """
        reasons = []
        limit = allocatable.get("pods")
        if limit is not None and len(self.pods) + 1 > parse_quantity(str(limit)).value:
            reasons.append("Too many pods")
        if demand.requests:
            taken = _sum(one.requests for one in self.pods.values())
            for name, amount in demand.requests.items():
                available = allocatable.get(name)
                free = parse_quantity(str(available or 0)).nanos - taken.get(name, 0)
                if amount > 0 and amount > free and (available is not None or "/" in name):
                    reasons.append(f"Insufficient {name}")
        if self._port_taken(demand.host_ports):
            reasons.append("node(s) didn't have free ports for the requested pod ports")
        return reasons

    def _port_taken(self, wanted: frozenset[HostPort]) -> bool:
        taken = [port for one in self.pods.values() for port in one.host_ports]
        return any(
            protocol == other[0] and number == other[2] and _overlap(address, other[1])
            for protocol, address, number in wanted
            for other in taken
        )


def _overlap(one: str, other: str) -> bool:
    return one == other or _ANY_ADDRESS in (one, other)


def _requests(container: Object) -> dict[str, int]:
    named = (container.get("resources") or {}).get("requests") or {}
    return {name: parse_quantity(str(amount)).nanos for name, amount in named.items()}


def _sum(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total.get(name, 0) + amount
    return total
