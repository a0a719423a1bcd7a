"""Workloads as `kubectl get` prints them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from podpass.api import resources
from podpass.api.resources import Object, Resource
from podpass.api.tables import table

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DAY_AGO = "2026-01-01T00:00:00Z"
POD = {"containers": [{"name": "a", "image": "nginx"}, {"name": "b", "image": "busybox:1"}]}


def obj(spec: Object, status: Object, **metadata: Any) -> Object:
    return {
        "metadata": {"name": "x", "creationTimestamp": DAY_AGO} | metadata,
        "spec": {"template": {"spec": POD}, "selector": {"matchLabels": {"app": "web"}}} | spec,
        "status": status,
    }


def shown(resource: Resource, one: Object) -> tuple[list[str], list[Any]]:
    made = table(resource, [one], now=NOW)
    return [one["name"] for one in made["columnDefinitions"]], made["rows"][0]["cells"]


@pytest.mark.parametrize(
    ("resource", "one", "columns", "cells"),
    [
        pytest.param(
            resources.DEPLOYMENTS,
            obj({"replicas": 3}, {"readyReplicas": 2, "updatedReplicas": 3,
                                  "availableReplicas": 1}),
            "Name Ready Up-to-date Available Age Containers Images Selector",
            ["x", "2/3", 3, 1, "24h", "a,b", "nginx,busybox:1", "app=web"],
            id="deployment",
        ),
        pytest.param(
            resources.REPLICA_SETS,
            obj({"replicas": 3}, {"replicas": 2, "readyReplicas": 1}),
            "Name Desired Current Ready Age Containers Images Selector",
            ["x", 3, 2, 1, "24h", "a,b", "nginx,busybox:1", "app=web"],
            id="replica set",
        ),
        pytest.param(
            resources.STATEFUL_SETS,
            obj({"replicas": 3}, {"readyReplicas": 1}),
            "Name Ready Age Containers Images",
            ["x", "1/3", "24h", "a,b", "nginx,busybox:1"],
            id="stateful set",
        ),
        pytest.param(
            resources.DAEMON_SETS,
            obj(
                {"template": {"spec": {"nodeSelector": {"b": "2", "a": "1"}}}, "selector": {}},
                {"desiredNumberScheduled": 5, "currentNumberScheduled": 4, "numberReady": 3,
                 "updatedNumberScheduled": 2, "numberAvailable": 1},
            ),
            "Name Desired Current Ready Up-to-date Available Node Selector Age Containers Images "
            "Selector",
            ["x", 5, 4, 3, 2, 1, "a=1,b=2", "24h", "", "", "<none>"],
            id="daemon set",
        ),
        pytest.param(
            resources.JOBS,
            obj(
                {"completions": 3},
                {"succeeded": 1, "startTime": DAY_AGO, "completionTime": "2026-01-01T00:00:05Z"},
            ),
            "Name Status Completions Duration Age Containers Images Selector",
            ["x", "Running", "1/3", "5s", "24h", "a,b", "nginx,busybox:1", "app=web"],
            id="job",
        ),
        pytest.param(
            resources.POD_DISRUPTION_BUDGETS,
            obj({"minAvailable": "50%"}, {"disruptionsAllowed": 2}),
            "Name Min Available Max Unavailable Allowed Disruptions Age",
            ["x", "50%", "N/A", 2, "24h"],
            id="disruption budget",
        ),
        pytest.param(
            resources.CONTROLLER_REVISIONS,
            {
                "metadata": {
                    "name": "x",
                    "creationTimestamp": DAY_AGO,
                    "ownerReferences": [
                        {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d",
                         "controller": True}
                    ],
                },
                "revision": 4,
            },
            "Name Controller Revision Age",
            ["x", "daemonset.apps/d", 4, "24h"],
            id="revision",
        ),
        pytest.param(
            resources.CONTROLLER_REVISIONS,
            {"metadata": {"name": "x", "creationTimestamp": DAY_AGO}},
            "Name Controller Revision Age",
            ["x", "<none>", 0, "24h"],
            id="revision of nobody",
        ),
    ],
)  # fmt: skip
def test_rows(resource: Resource, one: Object, columns: str, cells: list[Any]) -> None:
    names, found = shown(resource, one)
    assert " ".join(names) == columns
    assert found == cells


@pytest.mark.parametrize(
    ("spec", "status", "completions", "duration"),
    [
        pytest.param({}, {"succeeded": 1}, "1/1", "", id="a queue of one worker, not started"),
        pytest.param(
            {"parallelism": 3}, {"startTime": DAY_AGO}, "0/1 of 3", "24h", id="a queue of several"
        ),
    ],
)
def test_completions_of_a_job(
    spec: Object, status: Object, completions: str, duration: str
) -> None:
    assert shown(resources.JOBS, obj(spec, status))[1][2:4] == [completions, duration]


@pytest.mark.parametrize(
    ("conditions", "metadata", "status"),
    [
        pytest.param(["Complete"], {}, "Complete", id="complete"),
        pytest.param(["FailureTarget", "Failed"], {}, "Failed", id="failed"),
        pytest.param(["Complete"], {"deletionTimestamp": DAY_AGO}, "Complete", id="over and going"),
        pytest.param(["Suspended"], {"deletionTimestamp": DAY_AGO}, "Terminating", id="going"),
        pytest.param(["Suspended"], {}, "Suspended", id="suspended"),
        pytest.param(["FailureTarget"], {}, "FailureTarget", id="about to fail"),
        pytest.param(["SuccessCriteriaMet"], {}, "SuccessCriteriaMet", id="about to complete"),
        pytest.param([], {}, "Running", id="running"),
    ],
)
def test_status_of_a_job(conditions: list[str], metadata: Object, status: str) -> None:
    listed = [{"type": one, "status": "True"} for one in conditions]
    assert shown(resources.JOBS, obj({}, {"conditions": listed}, **metadata))[1][1] == status
