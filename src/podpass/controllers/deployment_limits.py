"""How many pods a deployment may have too many, or too few, while it changes. Pure.

Source: Kubernetes, `pkg/controller/deployment/util/deployment_util.go` (`ResolveFenceposts`),
apimachinery `util/intstr`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from podpass.api.resources import Object


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a rolling update.

    Attributes:
        surge: Pods beyond the wanted number.
        unavailable: Pods below the wanted number.
    """

    surge: int
    unavailable: int


def share_of(value: Any, total: int, *, round_up: bool) -> int:
    """Return a count, or a percentage of `total` as a count."""
    if isinstance(value, str):
        percent = int(value.removesuffix("%")) * total
        return -(-percent // 100) if round_up else percent // 100
    return int(value or 0)


def replicas_of(workload: Object) -> int:
    """Return how many pods are wanted."""
    return int((workload.get("spec") or {}).get("replicas", 1))


def is_rolling(deployment: Object) -> bool:
    """Tell whether old and new pods may exist side by side."""
    strategy = deployment["spec"].get("strategy") or {}
    return bool(strategy.get("type", "RollingUpdate") == "RollingUpdate")


def limits_of(deployment: Object) -> Limits:
    """Return the bounds of a deployment; both zero unless it rolls.

    A surge is rounded up, what may be missing is rounded down; if that leaves no room to move at
    all, one pod may be missing.
    """
    wanted = replicas_of(deployment)
    if not is_rolling(deployment):
        return Limits(0, 0)
    rolling = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    surge = share_of(rolling.get("maxSurge", "25%"), wanted, round_up=True)
    unavailable = share_of(rolling.get("maxUnavailable", "25%"), wanted, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Limits(surge, min(unavailable, wanted))
