"""What a deployment says of itself."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from controllers.workload_samples import workload

from podpass.api.meta import find_condition, format_time
from podpass.api.resources import DEPLOYMENTS, REPLICA_SETS, Object
from podpass.controllers.deployment_status import (
    NO_DEADLINE,
    counted,
    deadline_of,
    is_complete,
    note_pause,
    put_condition,
    seconds_to_deadline,
    with_progress,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(hours=1)
NEW = 'ReplicaSet "new"'


def condition(type_: str, status: str, reason: str, at: datetime = BEFORE) -> Object:
    time = format_time(at)
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": "",
        "lastUpdateTime": time,
        "lastTransitionTime": time,
    }


def progressing(reason: str, at: datetime = BEFORE, status: str = "True") -> Object:
    return condition("Progressing", status, reason, at)


def deployment(*conditions: Object, status: Object | None = None, **spec: Any) -> Object:
    made = workload(DEPLOYMENTS, **{"replicas": 3, "progressDeadlineSeconds": 600} | spec)
    made["status"] = {"conditions": list(conditions)} | (status or {})
    return made


def replica_set(name: str, replicas: int, ready: int, *conditions: Object) -> Object:
    made = workload(REPLICA_SETS, name, replicas=replicas)
    made["status"] = {
        "replicas": replicas,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "conditions": list(conditions),
    }
    return made


@pytest.mark.parametrize(
    ("current", "status", "reason", "refresh", "times"),
    [
        pytest.param(None, "True", "A", False, ("12", "12"), id="a new one"),
        pytest.param("A", "True", "A", False, ("11", "11"), id="nothing new"),
        pytest.param("A", "True", "B", False, ("12", "11"), id="another reason"),
        pytest.param("A", "False", "A", False, ("12", "12"), id="another status"),
        pytest.param("A", "True", "A", True, ("12", "11"), id="a step that was made"),
    ],
)
def test_times_of_a_condition(
    current: str | None, status: str, reason: str, refresh: bool, times: tuple[str, str]
) -> None:
    conditions = [progressing(current)] if current else []
    put_condition(conditions, "Progressing", status, reason, "m", now=NOW, refresh=refresh)
    (found,) = conditions
    assert (found["status"], found["reason"]) == (status, reason)
    assert (found["lastUpdateTime"][11:13], found["lastTransitionTime"][11:13]) == times


@pytest.mark.parametrize(
    ("paused", "former", "deadline", "reason"),
    [
        pytest.param(True, None, 600, "DeploymentPaused", id="paused"),
        pytest.param(True, "ReplicaSetUpdated", 600, "DeploymentPaused", id="in the middle"),
        pytest.param(True, "DeploymentPaused", 600, "DeploymentPaused", id="still paused"),
        pytest.param(False, "DeploymentPaused", 600, "DeploymentResumed", id="resumed"),
        pytest.param(False, "ReplicaSetUpdated", 600, "ReplicaSetUpdated", id="not paused"),
        pytest.param(
            True, "ProgressDeadlineExceeded", 600, "ProgressDeadlineExceeded", id="late already"
        ),
        pytest.param(True, None, None, None, id="progress is not followed"),
    ],
)
def test_note_pause(
    paused: bool, former: str | None, deadline: int | None, reason: str | None
) -> None:
    conditions = [progressing(former)] if former else []
    note_pause(deployment(paused=paused, progressDeadlineSeconds=deadline), conditions, now=NOW)
    assert [one["reason"] for one in conditions] == ([reason] if reason else [])


def test_counts() -> None:
    new, old = replica_set("new", 2, 1), replica_set("old", 2, 2)
    status = counted(deployment(), new, [old], [], now=NOW)
    (available,) = status.pop("conditions")
    assert status == {
        "observedGeneration": 1,
        "replicas": 4,
        "updatedReplicas": 2,
        "readyReplicas": 3,
        "availableReplicas": 3,
        "unavailableReplicas": 1,
        "collisionCount": None,
    }
    assert (available["type"], available["status"]) == ("Available", "True")


@pytest.mark.parametrize(
    ("serving", "status", "reason", "message"),
    [
        pytest.param(
            3, "True", "MinimumReplicasAvailable", "Deployment has minimum availability.",
            id="just enough",
        ),
        pytest.param(
            2, "False", "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.", id="one too few",
        ),
    ],
)  # fmt: skip
def test_minimum_availability(serving: int, status: str, reason: str, message: str) -> None:
    wanted = deployment(replicas=4)  # a quarter may be missing
    found = counted(wanted, replica_set("new", 4, serving), [], [], now=NOW)["conditions"][0]
    assert (found["status"], found["reason"], found["message"]) == (status, reason, message)


def test_without_replica_sets_nothing_is_there() -> None:
    status = counted(deployment(), None, [], [], now=NOW)
    assert (status["replicas"], status["updatedReplicas"]) == (0, 0)


COMPLETE: Object = {
    "observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "complete"),
    [
        pytest.param({}, True, id="all new, all available"),
        pytest.param({"replicas": 4}, False, id="an old pod"),
        pytest.param({"updatedReplicas": 2}, False, id="a new one missing"),
        pytest.param({"availableReplicas": 2}, False, id="one not available"),
        pytest.param({"observedGeneration": 0}, False, id="of a former generation"),
    ],
)
def test_is_complete(change: Object, complete: bool) -> None:
    assert is_complete(deployment(), COMPLETE | change) is complete


def test_deadline() -> None:
    assert deadline_of(deployment()) == 600
    assert deadline_of(deployment(progressDeadlineSeconds=NO_DEADLINE)) is None
    assert deadline_of(deployment(progressDeadlineSeconds=None)) is None


def judged(given: Object, new: Object | None, *old: Object) -> Object | None:
    conditions = given["status"]["conditions"]
    status = counted(given, new, old, conditions, now=NOW)
    status = with_progress(given, status, new, old, now=NOW)
    return find_condition(status["conditions"], "Progressing")


STUCK: Object = {"replicas": 3, "updatedReplicas": 1, "readyReplicas": 2, "availableReplicas": 2}


@pytest.mark.parametrize(
    ("given", "new", "old", "expected"),
    [
        pytest.param(
            deployment(), replica_set("new", 3, 3), [],
            ("True", "NewReplicaSetAvailable", f"{NEW} has successfully progressed."),
            id="complete",
        ),
        pytest.param(
            deployment(), replica_set("new", 1, 0), [replica_set("old", 2, 2)],
            ("True", "ReplicaSetUpdated", f"{NEW} is progressing."), id="a step was made",
        ),
        pytest.param(
            deployment(), None, [replica_set("old", 2, 2)],
            ("True", "ReplicaSetUpdated", 'Deployment "web" is progressing.'),
            id="before the new one is there",
        ),
        pytest.param(
            deployment(progressing("ReplicaSetUpdated"), status=STUCK),
            replica_set("new", 1, 0), [replica_set("old", 2, 2)],
            ("False", "ProgressDeadlineExceeded", f"{NEW} has timed out progressing."),
            id="no step for too long",
        ),
        pytest.param(
            deployment(progressing("ProgressDeadlineExceeded", NOW, "False"), status=STUCK),
            replica_set("new", 1, 0), [replica_set("old", 2, 2)],
            ("False", "ProgressDeadlineExceeded", ""), id="it stays late",
        ),
        pytest.param(
            deployment(
                progressing("ReplicaSetUpdated", NOW - timedelta(seconds=600)), status=STUCK
            ),
            replica_set("new", 1, 0), [replica_set("old", 2, 2)],
            ("True", "ReplicaSetUpdated", ""), id="the last second of the deadline",
        ),
        pytest.param(
            deployment(progressing("NewReplicaSetAvailable"), status=COMPLETE),
            replica_set("new", 3, 1), [],
            ("True", "NewReplicaSetAvailable", ""),
            id="pods that fail later are no matter of the rollout",
        ),
        pytest.param(
            deployment(progressing("NewReplicaSetAvailable"), status=STUCK),
            replica_set("new", 1, 0), [replica_set("old", 2, 2)],
            ("True", "NewReplicaSetAvailable", ""), id="the former rollout is never late",
        ),
    ],
)  # fmt: skip
def test_progress(
    given: Object, new: Object | None, old: list[Object], expected: tuple[str, str, str]
) -> None:
    found = judged(given, new, *old)
    assert found is not None
    assert (found["status"], found["reason"], found["message"]) == expected


def test_progress_that_is_not_followed_has_no_condition() -> None:
    given = deployment(progressing("ReplicaSetUpdated"), progressDeadlineSeconds=None)
    assert judged(given, replica_set("new", 1, 0)) is None


def test_a_stuck_rollout_without_a_former_condition_is_not_late() -> None:
    assert (
        judged(deployment(status=STUCK), replica_set("new", 1, 0), replica_set("o", 2, 2)) is None
    )


def test_a_failure_of_a_replica_set_shows_until_it_is_over() -> None:
    failure = condition("ReplicaFailure", "True", "FailedCreate") | {"message": "quota"}
    new = replica_set("new", 1, 0, failure)
    status = counted(deployment(), new, [], [], now=NOW)
    status = with_progress(deployment(), status, new, [], now=NOW)
    found = find_condition(status["conditions"], "ReplicaFailure")
    assert found is not None
    assert (found["reason"], found["message"]) == ("FailedCreate", "quota")
    fine = replica_set("new", 1, 0, failure | {"status": "False"})
    status = with_progress(deployment(), status, fine, [], now=NOW)
    assert find_condition(status["conditions"], "ReplicaFailure") is None


@pytest.mark.parametrize(
    ("given", "status", "seconds"),
    [
        pytest.param(deployment(), [progressing("ReplicaSetUpdated", NOW)], 601, id="the deadline"),
        pytest.param(deployment(), [progressing("ReplicaSetUpdated")], 1, id="it is over"),
        pytest.param(deployment(), [], None, id="nothing begun"),
        pytest.param(deployment(), [progressing("DeploymentPaused", NOW)], None, id="a pause"),
        pytest.param(
            deployment(), [progressing("NewReplicaSetAvailable", NOW)], None, id="all done"
        ),
        pytest.param(
            deployment(progressDeadlineSeconds=None), [progressing("ReplicaSetUpdated")], None,
            id="no deadline",
        ),
    ],
)  # fmt: skip
def test_seconds_to_deadline(given: Object, status: list[Object], seconds: float | None) -> None:
    assert seconds_to_deadline(given, {"conditions": status}, now=NOW) == seconds


def test_a_complete_rollout_has_no_deadline() -> None:
    status = COMPLETE | {"conditions": [progressing("ReplicaSetUpdated")]}
    assert seconds_to_deadline(deployment(), status, now=NOW) is None
