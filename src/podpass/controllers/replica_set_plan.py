"""Which pods of a replica set go first, and what its status is. Pure.

Source: Kubernetes, `pkg/controller/controller_utils.go` (`ActivePodsWithRanks`),
`pkg/controller/replicaset/replica_set_utils.go`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from podpass.api.meta import annotations_of, labels_of, set_condition
from podpass.api.resources import Object
from podpass.controllers.pods import (
    created_at,
    is_active,
    is_available,
    is_ready,
    node_name_of,
    ready_since,
)

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def deletion_order(pods: Iterable[Object], related: Iterable[Object]) -> list[Object]:
    """Return active pods in the order in which they are to be deleted.

    Without a node, not started, not ready first; then those of the lowest cost, those that share a
    node with most related pods, the latest to become ready, to restart most, to be created.

    Args:
        pods: Those of the replica set.
        related: Those of all replica sets of the same deployment.
    """
    crowd = Counter(node_name_of(pod) for pod in related if is_active(pod))

    def weight(pod: Object) -> tuple[object, ...]:
        since = ready_since(pod)
        return (
            bool(node_name_of(pod)),
            _PHASES.get((pod.get("status") or {}).get("phase", ""), 0),
            since is not None,
            _cost(pod),
            -crowd[node_name_of(pod)],
            -since.timestamp() if since is not None and since.year > 1 else 0,
            -_restarts(pod),
        )

    newest_first = sorted(pods, key=created_at, reverse=True)
    return sorted(newest_first, key=weight)


def _cost(pod: Object) -> int:
    try:
        return int(annotations_of(pod).get(DELETION_COST, "0"))
    except ValueError:
        return 0


def _restarts(pod: Object) -> int:
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    return max((int(one.get("restartCount") or 0) for one in statuses), default=0)


def replica_set_status(
    replica_set: Object, pods: Sequence[Object], *, failure: tuple[str, str] | None, now: datetime
) -> Object:
    """Return the status.

    Args:
        replica_set: The replica set.
        pods: Its active pods.
        failure: Reason and message of what failed just now, or None.
        now: Current time.
    """
    spec, former = replica_set["spec"], replica_set.get("status") or {}
    minimum = int(spec.get("minReadySeconds") or 0)
    wanted = labels_of(spec.get("template") or {}).items()
    conditions = [dict(one) for one in former.get("conditions") or ()]
    if failure is None:
        conditions = [one for one in conditions if one.get("type") != "ReplicaFailure"]
    else:
        reason, message = failure
        set_condition(conditions, "ReplicaFailure", "True", now=now, reason=reason, message=message)
    return former | {
        "replicas": len(pods),
        "fullyLabeledReplicas": sum(wanted <= labels_of(pod).items() for pod in pods),
        "readyReplicas": sum(is_ready(pod) for pod in pods),
        "availableReplicas": sum(is_available(pod, minimum, now) for pod in pods),
        "observedGeneration": replica_set["metadata"].get("generation", 0),
        "conditions": conditions,
    }
