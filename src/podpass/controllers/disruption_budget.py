"""How many pods of a budget may be evicted. Pure.

1. Healthy are pods that are ready, and neither going nor promised to an eviction.
2. A number for `minAvailable` is taken as it is; percentages, and `maxUnavailable`, are of what the
   controllers of the pods want to have.
3. An eviction that was promised and did not happen within two minutes is void.

Source: Kubernetes, `pkg/controller/disruption/disruption.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from podpass.api.meta import is_terminating, name_of, parse_time, set_condition
from podpass.api.resources import Object
from podpass.controllers.deployment_limits import share_of
from podpass.controllers.pods import is_finished, is_ready

EVICTION_TIMEOUT = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a budget asks for.

    Attributes:
        pods: How many pods there should be.
        healthy: How many of them must stay healthy.
    """

    pods: int
    healthy: int


def needs_scale(budget: Object) -> bool:
    """Tell whether the sizes of the pods' controllers must be known (rule 2)."""
    spec = budget.get("spec") or {}
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def expectation(budget: Object, pods: Sequence[Object], scale: int) -> Expectation:
    """Return what the budget asks for.

    Args:
        budget: The budget.
        pods: Those it selects.
        scale: Sum of the sizes of their controllers, if `needs_scale`.
    """
    spec = budget.get("spec") or {}
    maximum, minimum = spec.get("maxUnavailable"), spec.get("minAvailable")
    if maximum is not None:
        return Expectation(scale, max(0, scale - share_of(maximum, scale, round_up=True)))
    if isinstance(minimum, str):
        return Expectation(scale, share_of(minimum, scale, round_up=True))
    if minimum is not None:
        return Expectation(len(pods), int(minimum))
    return Expectation(0, 0)


def promised(budget: Object, pods: Sequence[Object], now: datetime) -> dict[str, str]:
    """Return the evictions that were allowed and are still to come, by pod (rule 3)."""
    listed: Mapping[str, str] = (budget.get("status") or {}).get("disruptedPods") or {}
    staying = {name_of(pod) for pod in pods if not is_terminating(pod)}
    return {
        name: time
        for name, time in listed.items()
        if name in staying and parse_time(time) + EVICTION_TIMEOUT >= now
    }


def seconds_to_void(disrupted: Mapping[str, str], now: datetime) -> float | None:
    """Return when the next promised eviction is void, or None without any."""
    times = [parse_time(time) + EVICTION_TIMEOUT - now for time in disrupted.values()]
    return max(0.1, min(times).total_seconds() + 0.1) if times else None


def budget_status(
    budget: Object, pods: Sequence[Object], scale: int | None, *, now: datetime
) -> Object:
    """Return the status.

    Args:
        budget: The budget.
        pods: Those it selects; the finished do not count.
        scale: Sum of the sizes of their controllers; None when it could not be found out, then
            nothing is allowed.
        now: Current time.
    """
    former = budget.get("status") or {}
    generation = budget["metadata"].get("generation", 0)
    present = [pod for pod in pods if not is_finished(pod)]
    disrupted = promised(budget, present, now)
    healthy = sum(
        is_ready(pod) and not is_terminating(pod) and name_of(pod) not in disrupted
        for pod in present
    )
    wanted = expectation(budget, present, scale or 0)
    allowed = max(0, healthy - wanted.healthy) if wanted.pods > 0 else 0
    conditions = [dict(one) for one in former.get("conditions") or ()]
    if scale is None:
        allowed, reason = 0, "SyncFailed"
    else:
        reason = "SufficientPods" if allowed else "InsufficientPods"
    set_condition(
        conditions, "DisruptionAllowed", "True" if allowed else "False", now=now, reason=reason,
        message="", observedGeneration=generation,
    )  # fmt: skip
    return {
        "observedGeneration": generation,
        "disruptedPods": disrupted,
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": wanted.healthy,
        "expectedPods": wanted.pods,
        "conditions": conditions,
    }
