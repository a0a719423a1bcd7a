"""Status and conditions of a deployment, in the words that `kubectl rollout status` reads. Pure.

Source: Kubernetes, `pkg/controller/deployment/{progress,sync}.go`, `util/deployment_util.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from podpass.api.meta import find_condition, format_time, name_of, parse_time
from podpass.api.resources import Object
from podpass.controllers.deployment_limits import limits_of, replicas_of
from podpass.controllers.deployment_rollout import available

NO_DEADLINE = (1 << 31) - 1
PROGRESSING = "Progressing"
AVAILABLE = "Available"
REPLICA_FAILURE = "ReplicaFailure"
NEW_AVAILABLE = "NewReplicaSetAvailable"
TIMED_OUT = "ProgressDeadlineExceeded"
PAUSED = "DeploymentPaused"
RESUMED = "DeploymentResumed"


def deadline_of(deployment: Object) -> int | None:
    """Return in how many seconds a rollout must get on, or None for no matter when."""
    seconds = deployment["spec"].get("progressDeadlineSeconds")
    return None if seconds in (None, NO_DEADLINE) else int(seconds)


def conditions_of(deployment: Object) -> list[Object]:
    """Return a copy of the conditions."""
    found = (deployment.get("status") or {}).get("conditions") or ()
    return [dict(one) for one in found]


def put_condition(
    conditions: list[Object],
    type_: str,
    status: str,
    reason: str,
    message: str,
    *,
    now: datetime,
    refresh: bool = False,
) -> None:
    """Set a condition in place, unless one of this status and reason is there already.

    Args:
        conditions: The list.
        type_: e.g. `Progressing`.
        status: `True`, `False` or `Unknown`.
        reason: One word.
        message: For people.
        now: Current time.
        refresh: Write it anyway, as proof of a step that was made.
    """
    current = find_condition(conditions, type_)
    same = current is not None and current.get("status") == status
    if current is not None and same and current.get("reason") == reason and not refresh:
        return
    moved = current["lastTransitionTime"] if current is not None and same else format_time(now)
    conditions[:] = [one for one in conditions if one.get("type") != type_]
    conditions.append(
        {
            "type": type_,
            "status": status,
            "lastUpdateTime": format_time(now),
            "lastTransitionTime": moved,
            "reason": reason,
            "message": message,
        }
    )


def note_pause(deployment: Object, conditions: list[Object], *, now: datetime) -> None:
    """Say in the conditions that the deployment was paused or resumed."""
    current = find_condition(conditions, PROGRESSING)
    if deadline_of(deployment) is None or (current or {}).get("reason") == TIMED_OUT:
        return
    was_paused = (current or {}).get("reason") == PAUSED
    if deployment["spec"].get("paused") and not was_paused:
        text = "Deployment is paused"
        put_condition(conditions, PROGRESSING, "Unknown", PAUSED, text, now=now)
    elif not deployment["spec"].get("paused") and was_paused:
        text = "Deployment is resumed"
        put_condition(conditions, PROGRESSING, "Unknown", RESUMED, text, now=now)


def counted(
    deployment: Object,
    new: Object | None,
    old: Sequence[Object],
    conditions: list[Object],
    *,
    now: datetime,
) -> Object:
    """Return the status: the pods of all replica sets, and whether enough are available.

    Args:
        deployment: The deployment.
        new: The replica set of its template, if it is there.
        old: The others.
        conditions: So far.
        now: Current time.
    """
    everything = [*old, *([new] if new is not None else [])]
    serving = sum(available(one) for one in everything)
    conditions = [dict(one) for one in conditions]
    if serving >= replicas_of(deployment) - limits_of(deployment).unavailable:
        text = "Deployment has minimum availability."
        put_condition(conditions, AVAILABLE, "True", "MinimumReplicasAvailable", text, now=now)
    else:
        text = "Deployment does not have minimum availability."
        put_condition(conditions, AVAILABLE, "False", "MinimumReplicasUnavailable", text, now=now)
    former = deployment.get("status") or {}
    return {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": _sum(everything, "replicas"),
        "updatedReplicas": _sum([new] if new is not None else [], "replicas"),
        "readyReplicas": _sum(everything, "readyReplicas"),
        "availableReplicas": serving,
        "unavailableReplicas": max(0, sum(replicas_of(one) for one in everything) - serving),
        "collisionCount": former.get("collisionCount"),
        "conditions": conditions,
    }


def _sum(replica_sets: Sequence[Object], key: str) -> int:
    return sum(int((one.get("status") or {}).get(key) or 0) for one in replica_sets)


def is_complete(deployment: Object, status: Object) -> bool:
    """Tell whether all pods are new and available, and no others are left."""
    wanted = replicas_of(deployment)
    generation = int(deployment["metadata"].get("generation") or 0)
    return int(status.get("observedGeneration") or 0) >= generation and all(
        int(status.get(key) or 0) == wanted
        for key in ("updatedReplicas", "replicas", "availableReplicas")
    )


def with_progress(
    deployment: Object,
    status: Object,
    new: Object | None,
    old: Sequence[Object],
    *,
    now: datetime,
) -> Object:
    """Return the status with the conditions Progressing and ReplicaFailure.

    Args:
        deployment: The deployment; its status is what the steps are measured from.
        status: What `counted` returned.
        new: The replica set of its template, if it is there.
        old: The others.
        now: Current time.
    """
    conditions = [dict(one) for one in status["conditions"]]
    current = find_condition(conditions, PROGRESSING)
    if deadline_of(deployment) is None:
        conditions = [one for one in conditions if one.get("type") != PROGRESSING]
    elif not (
        status["replicas"] == status["updatedReplicas"]
        and current is not None
        and current.get("reason") == NEW_AVAILABLE
    ):
        who = f'ReplicaSet "{name_of(new)}"' if new else f'Deployment "{name_of(deployment)}"'
        if is_complete(deployment, status):
            text = f"{who} has successfully progressed."
            put_condition(conditions, PROGRESSING, "True", NEW_AVAILABLE, text, now=now)
        elif _got_on(deployment.get("status") or {}, status):
            text = f"{who} is progressing."
            put_condition(
                conditions, PROGRESSING, "True", "ReplicaSetUpdated", text, now=now, refresh=True
            )
        elif _is_late(deployment, current, now):
            text = f"{who} has timed out progressing."
            put_condition(conditions, PROGRESSING, "False", TIMED_OUT, text, now=now)
    failure = _failure([*([new] if new is not None else []), *old])
    if failure is None:
        conditions = [one for one in conditions if one.get("type") != REPLICA_FAILURE]
    else:
        reason, message = str(failure.get("reason")), str(failure.get("message"))
        put_condition(conditions, REPLICA_FAILURE, "True", reason, message, now=now)
    return status | {"conditions": conditions}


def _got_on(before: Object, after: Object) -> bool:
    def old_pods(status: Object) -> int:
        return int(status.get("replicas") or 0) - int(status.get("updatedReplicas") or 0)

    return old_pods(after) < old_pods(before) or any(
        int(after.get(key) or 0) > int(before.get(key) or 0)
        for key in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )


def _is_late(deployment: Object, progressing: Object | None, now: datetime) -> bool:
    if progressing is None or progressing.get("reason") == NEW_AVAILABLE:
        return False
    if progressing.get("reason") == TIMED_OUT:
        return True
    deadline = timedelta(seconds=deadline_of(deployment) or 0)
    return parse_time(progressing["lastUpdateTime"]) + deadline < now


def _failure(replica_sets: Sequence[Object]) -> Object | None:
    for one in replica_sets:
        conditions = (one.get("status") or {}).get("conditions") or ()
        failure = find_condition(conditions, REPLICA_FAILURE)
        if failure is not None and failure.get("status") == "True":
            return failure
    return None


def seconds_to_deadline(deployment: Object, status: Object, *, now: datetime) -> float | None:
    """Return when the rollout must be looked at to see that it is late, or None for never."""
    deadline = deadline_of(deployment)
    current = find_condition(status.get("conditions") or (), PROGRESSING)
    if deadline is None or current is None or is_complete(deployment, status):
        return None
    if current.get("reason") in (TIMED_OUT, PAUSED, NEW_AVAILABLE):
        return None
    due = parse_time(current["lastUpdateTime"]) + timedelta(seconds=deadline + 1)
    return max(1.0, (due - now).total_seconds())
