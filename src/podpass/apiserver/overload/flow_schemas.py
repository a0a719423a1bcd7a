"""Which lane a request belongs to, and which flow: a small form of Kubernetes' flow schemas.

1. `exempt` never waits: administrators. Health probes are answered before anybody is known.
2. `system`: what keeps the cluster going, and the leases that say who is alive.
3. `node`: kubelets, whose renewals of tokens must not be late.
4. `workload`: everybody else.

A flow is a user within its lane. Source: apiserver `apis/flowcontrol/bootstrap`.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from podpass.api.meta import UserInfo
from podpass.apiserver.authorization import MASTERS
from podpass.apiserver.request_info import RequestInfo

LaneName: TypeAlias = Literal["exempt", "system", "node", "workload"]
QueuingLane: TypeAlias = Literal["system", "node", "workload"]

SHARES: Final[dict[QueuingLane, int]] = {"system": 30, "node": 30, "workload": 40}
"""How the seats are divided among the lanes that queue."""

_SYSTEM_USERS: Final = frozenset(
    {
        "system:apiserver",
        "system:kube-apiserver-installer",
        "system:kube-apiserver-operator",
        "system:kube-controller-manager",
        "system:kube-scheduler",
    }
)
_NODES: Final = "system:nodes"
_KUBE_SYSTEM: Final = "system:serviceaccounts:kube-system"
_ACCOUNTS: Final = "system:serviceaccounts"
_UNAUTHENTICATED: Final = "system:unauthenticated"

FLOW_SCHEMAS: Final[dict[str, LaneName]] = {
    "exempt": "exempt",
    "system-controllers": "system",
    "system-leader-election": "system",
    "system-nodes": "node",
    "service-accounts": "workload",
    "global-default": "workload",
    "catch-all": "workload",
}
"""The lane of each schema; the names are labels of metrics."""


def flow_schema(user: UserInfo, info: RequestInfo) -> str:
    """Return the name of the schema that a request falls under."""
    groups = user.groups
    if MASTERS in groups:
        return "exempt"
    if user.name in _SYSTEM_USERS:
        return "system-controllers"
    if _NODES in groups:
        return "system-leader-election" if info.resource == "leases" else "system-nodes"
    if _ACCOUNTS in groups:
        if info.resource == "leases" and _KUBE_SYSTEM in groups:
            return "system-leader-election"
        return "service-accounts"
    return "catch-all" if _UNAUTHENTICATED in groups else "global-default"
