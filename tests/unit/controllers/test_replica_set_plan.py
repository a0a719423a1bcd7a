"""Which pods go first, and what a replica set reports."""

from datetime import UTC, datetime
from typing import Any

import pytest
from controllers.workload_samples import names, pod, workload

from podpass.api.resources import REPLICA_SETS, Object
from podpass.controllers.replica_set_plan import deletion_order, replica_set_status

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
EARLY, LATE = "2026-01-01T10:00:00Z", "2026-01-01T11:59:59Z"
COST = "controller.kubernetes.io/pod-deletion-cost"


def restarted(times: int) -> Object:
    return {"containerStatuses": [{"restartCount": times}]}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({"node": ""}, {"ready": EARLY}, id="without a node"),
        pytest.param({"phase": "Pending"}, {"phase": "Unknown"}, id="not started"),
        pytest.param({"phase": "Unknown"}, {"phase": "Running"}, id="unknown"),
        pytest.param({"ready": None}, {"ready": EARLY}, id="not ready"),
        pytest.param(
            {"ready": EARLY, "annotations": {COST: "-5"}}, {"ready": LATE}, id="of low cost"
        ),
        pytest.param(
            {"ready": EARLY, "annotations": {COST: "none"}},
            {"ready": LATE, "annotations": {COST: "1"}},
            id="a cost that is no number counts as zero",
        ),
        pytest.param({"ready": EARLY, "node": "full"}, {"ready": LATE}, id="on a shared node"),
        pytest.param({"ready": LATE}, {"ready": EARLY}, id="ready only now"),
        pytest.param({"status": restarted(3)}, {"status": restarted(1)}, id="restarting"),
        pytest.param({"creationTimestamp": LATE}, {"creationTimestamp": EARLY}, id="the youngest"),
    ],
)
def test_the_first_goes_first(first: dict[str, Any], second: dict[str, Any]) -> None:
    pods = [pod("second", **second), pod("first", **first)]
    related = [*pods, pod("more", node="full"), pod("ended", "Failed", node="n")]
    assert names(deletion_order(pods, related)) == ["first", "second"]
    assert names(deletion_order(pods[::-1], related)) == ["first", "second"]


def test_status_counts() -> None:
    replica_set = workload(REPLICA_SETS, minReadySeconds=5, status={"observedGeneration": 0})
    pods = [
        pod("available", ready=EARLY),
        pod("ready", ready=LATE),
        pod("other", labels={"app": "web", "more": "1"}),
        pod("changed", labels={"app": "other"}),
    ]
    status = replica_set_status(replica_set, pods, failure=None, now=NOW)
    assert status == {
        "replicas": 4,
        "fullyLabeledReplicas": 3,
        "readyReplicas": 2,
        "availableReplicas": 1,
        "observedGeneration": 1,
        "conditions": [],
    }


def test_a_failure_is_a_condition_until_it_is_over() -> None:
    replica_set = workload(REPLICA_SETS)
    failure = ("FailedCreate", "quota")
    status = replica_set_status(replica_set, [], failure=failure, now=NOW)
    assert status["conditions"] == [
        {
            "type": "ReplicaFailure",
            "status": "True",
            "reason": "FailedCreate",
            "message": "quota",
            "lastTransitionTime": "2026-01-01T12:00:00Z",
        }
    ]
    later = replica_set | {"status": status}
    assert replica_set_status(later, [], failure=None, now=NOW)["conditions"] == []
