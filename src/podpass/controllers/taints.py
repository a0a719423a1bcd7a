"""Whether a pod tolerates a node's taints, and for how long. Pure.

Source: Kubernetes, `staging/src/k8s.io/component-helpers/scheduling/corev1` and `core/v1`
`Toleration.ToleratesTaint`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

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


def seconds_tolerated(pod: Object, taints: Iterable[Object], *, default: float) -> float | None:
    """Return how long the pod may stay under the NoExecute taints among `taints`.

    Args:
        pod: The pod; of several matching tolerations the shortest time counts.
        taints: The node's taints.
        default: Seconds for not-ready and unreachable nodes where the pod has no toleration.

    Returns:
        Seconds from the moment of the taint, 0 for none, None for ever.
    """
    shortest: float | None = None
    for taint in taints:
        if taint.get("effect") != "NoExecute":
            continue
        matching = [one for one in tolerations_of(pod) if tolerates(one, taint)]
        if matching:
            limits = [
                float(one["tolerationSeconds"])
                for one in matching
                if one.get("tolerationSeconds") is not None
            ]
        else:
            limits = [default if taint.get("key") in (NOT_READY, UNREACHABLE) else 0.0]
        for limit in limits:
            shortest = max(0.0, limit if shortest is None else min(shortest, limit))
    return shortest
