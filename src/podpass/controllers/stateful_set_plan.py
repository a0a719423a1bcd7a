"""Which pods of a stateful set are created and deleted next. Pure.

1. Pods are `NAME-0`, `NAME-1` ...; a pod that ended is deleted and made again.
2. OrderedReady takes one step at a time: a pod is created when all before it are available, one
   too many is deleted when all are, from the highest on. Parallel waits for none of that.
3. A rolling update replaces the highest pod of an old revision when all above it are healthy, down
   to the partition; below it pods keep, and are made again in, the current revision.

Source: Kubernetes, `pkg/controller/statefulset/stateful_set_control.go`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from podpass.api.meta import is_terminating, labels_of, name_of
from podpass.api.resources import Object
from podpass.controllers.deployment_limits import replicas_of
from podpass.controllers.pods import is_available, is_finished, is_ready, is_running
from podpass.controllers.revision_history import POD_LABEL


@dataclass(slots=True)
class Steps:
    """What is to be done now.

    Attributes:
        create: Ordinals, and the name of the revision of each.
        delete: Pods.
    """

    create: list[tuple[int, str]] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)


def first_ordinal(stateful_set: Object) -> int:
    """Return where the count starts."""
    return int((stateful_set["spec"].get("ordinals") or {}).get("start") or 0)


def ordinal_of(stateful_set: Object, pod: Object) -> int | None:
    """Return the ordinal in the name of a pod, or None if it is no pod of the set."""
    base, _, number = name_of(pod).rpartition("-")
    if base != name_of(stateful_set) or not (number.isascii() and number.isdigit()):
        return None
    return int(number)


def by_ordinal(stateful_set: Object, pods: Sequence[Object]) -> dict[int, Object]:
    """Return the pods of the set by ordinal, lowest first."""
    found = [(ordinal_of(stateful_set, pod), pod) for pod in pods]
    return dict(sorted((number, pod) for number, pod in found if number is not None and pod))


def partition_of(stateful_set: Object) -> int:
    """Return the lowest ordinal that a rolling update replaces."""
    rolling = (stateful_set["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    return first_ordinal(stateful_set) + int(rolling.get("partition") or 0)


def is_rolling(stateful_set: Object) -> bool:
    """Tell whether pods of old revisions are replaced without being asked."""
    strategy = stateful_set["spec"].get("updateStrategy") or {}
    return bool(strategy.get("type", "RollingUpdate") == "RollingUpdate")


def next_steps(
    stateful_set: Object, pods: Mapping[int, Object], *, current: str, update: str, now: datetime
) -> Steps:
    """Return the next steps.

    Args:
        stateful_set: The set.
        pods: Its pods by ordinal, lowest first.
        current: Name of the revision that the set comes from.
        update: Name of the revision of its template.
        now: Current time.
    """
    spec = stateful_set["spec"]
    minimum = int(spec.get("minReadySeconds") or 0)
    ordered = spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady"
    start = first_ordinal(stateful_set)
    wanted = range(start, start + replicas_of(stateful_set))
    steps = Steps()

    def healthy(pod: Object) -> bool:
        return _is_healthy(pod) and is_available(pod, minimum, now)

    for ordinal in wanted:
        pod = pods.get(ordinal)
        if pod is None:
            keep = is_rolling(stateful_set) and ordinal < partition_of(stateful_set)
            steps.create.append((ordinal, current if keep else update))
        elif is_finished(pod) and not is_terminating(pod):
            steps.delete.append(pod)  # 1
        elif healthy(pod):
            continue
        if ordered:  # 2
            return steps
    unhealthy = next((pod for pod in pods.values() if not healthy(pod)), None)
    for ordinal in sorted(pods.keys() - set(wanted), reverse=True):
        pod = pods[ordinal]
        blocked = is_terminating(pod) or (not healthy(pod) and pod is not unhealthy)
        if not is_terminating(pod) and not (ordered and blocked):
            steps.delete.append(pod)
        if ordered:
            return steps
    if steps.create or steps.delete or not is_rolling(stateful_set):
        return steps
    for ordinal in reversed(wanted):  # 3
        if ordinal < partition_of(stateful_set):
            return steps
        pod = pods[ordinal]
        if revision_name(pod) != update and not is_terminating(pod):
            steps.delete.append(pod)
            return steps
        if not healthy(pod):
            return steps
    return steps


def revision_name(pod: Object) -> str:
    """Return the name of the revision that a pod was made from."""
    return labels_of(pod).get(POD_LABEL, "")


def _is_healthy(pod: Object) -> bool:
    return is_running(pod) and is_ready(pod) and not is_terminating(pod)


def stateful_set_status(
    stateful_set: Object, pods: Mapping[int, Object], *, current: str, update: str, now: datetime
) -> Object:
    """Return the status; a rolling update that is through makes its revision the current one.

    Args:
        stateful_set: The set.
        pods: Its pods by ordinal.
        current: Name of the revision that the set comes from.
        update: Name of the revision of its template.
        now: Current time.
    """
    minimum = int(stateful_set["spec"].get("minReadySeconds") or 0)
    ready = [pod for pod in pods.values() if is_running(pod) and is_ready(pod)]
    staying = [pod for pod in pods.values() if not is_terminating(pod)]
    status = {
        "observedGeneration": stateful_set["metadata"].get("generation", 0),
        "replicas": len(pods),
        "readyReplicas": len(ready),
        "availableReplicas": sum(is_available(pod, minimum, now) for pod in ready),
        "currentReplicas": sum(revision_name(pod) == current for pod in staying),
        "updatedReplicas": sum(revision_name(pod) == update for pod in staying),
        "currentRevision": current,
        "updateRevision": update,
        "collisionCount": (stateful_set.get("status") or {}).get("collisionCount"),
    }
    wanted = replicas_of(stateful_set)
    counts = ("replicas", "readyReplicas", "updatedReplicas")
    if is_rolling(stateful_set) and all(status[key] == wanted for key in counts):
        status |= {"currentRevision": update, "currentReplicas": status["updatedReplicas"]}
    return status
