"""Whether a pod tolerates a node's taints, and for how long. Pure.

Source: Kubernetes, `staging/src/k8s.io/component-helpers/scheduling/corev1` and `core/v1`
`Toleration.ToleratesTaint`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from podpass.api.meta import parse_time
from podpass.api.resources import Object

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"


def tolerates(toleration: Object, taint: Object) -> bool:
    """Tell whether one toleration covers one taint.

    An empty key with operator Exists covers all; an empty effect covers all effects.
    """
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    key = toleration.get("key") or ""
    if key not in ("", taint.get("key")):
        return False
    if toleration.get("operator") == "Exists":
        return True
    return bool(key) and (toleration.get("value") or "") == (taint.get("value") or "")


def tolerations_of(pod: Object) -> list[Object]:
    """Return the pod's tolerations; not to be changed."""
    return (pod.get("spec") or {}).get("tolerations") or []


def taints_of(node: Object) -> list[Object]:
    """Return the node's taints; not to be changed."""
    return (node.get("spec") or {}).get("taints") or []


def first_untolerated(
    pod: Object, taints: Iterable[Object], effects: Collection[str]
) -> Object | None:
    """Return the first taint of one of these effects that the pod does not tolerate."""
    tolerations = tolerations_of(pod)
    for taint in taints:
        if taint.get("effect") in effects and not any(
            tolerates(toleration, taint) for toleration in tolerations
        ):
            return taint
    return None


def eviction_time(
    pod: Object, taints: Iterable[Object], *, default: timedelta, now: datetime
) -> datetime | None:
    """Return when the pod must leave its node, because of NoExecute taints among `taints`.

    Args:
        pod: The pod; of several matching tolerations the shortest time counts.
        taints: The node's taints; one without `timeAdded` counts as added now.
        default: Time on not-ready and unreachable nodes for a pod that has no toleration.
        now: Current time.

    Returns:
        A time, perhaps in the past, or None if the pod may stay for ever.
    """
    times: list[datetime] = []
    for taint in taints:
        if taint.get("effect") != "NoExecute":
            continue
        added = parse_time(taint["timeAdded"]) if taint.get("timeAdded") else now
        matching = [one for one in tolerations_of(pod) if tolerates(one, taint)]
        limits = [
            timedelta(seconds=max(0, one["tolerationSeconds"]))
            for one in matching
            if one.get("tolerationSeconds") is not None
        ]
        if not matching:
            limits = [default if taint.get("key") in (NOT_READY, UNREACHABLE) else timedelta(0)]
        times += [added + limit for limit in limits]
    return min(times, default=None)
