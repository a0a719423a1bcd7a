"""Defaults of workloads, and the selector that a job gets."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from podpass.api import resources
from podpass.api.defaults import apply_defaults
from podpass.api.resources import Object, Resource
from podpass.api.strategy import prepare_for_create, prepare_for_update

TEMPLATE: Object = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "c", "image": "nginx"}]},
}


def filled(resource: Resource, **spec: Any) -> Object:
    obj = {"metadata": {"name": "x"}, "spec": {"template": copy.deepcopy(TEMPLATE)} | spec}
    apply_defaults(resource, obj)
    again = copy.deepcopy(obj)
    apply_defaults(resource, again)
    assert again == obj, "defaults are not stable"
    return obj


def spec_of(resource: Resource, **spec: Any) -> Object:
    return {
        key: value for key, value in filled(resource, **spec)["spec"].items() if key != "template"
    }


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        pytest.param(
            resources.DEPLOYMENTS,
            {
                "replicas": 1,
                "revisionHistoryLimit": 10,
                "progressDeadlineSeconds": 600,
                "strategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
                },
            },
            id="a deployment rolls by a quarter",
        ),
        pytest.param(resources.REPLICA_SETS, {"replicas": 1}, id="a replica set has one pod"),
        pytest.param(
            resources.STATEFUL_SETS,
            {
                "replicas": 1,
                "revisionHistoryLimit": 10,
                "podManagementPolicy": "OrderedReady",
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
                "persistentVolumeClaimRetentionPolicy": {
                    "whenDeleted": "Retain",
                    "whenScaled": "Retain",
                },
            },
            id="a stateful set goes in order",
        ),
        pytest.param(
            resources.DAEMON_SETS,
            {
                "revisionHistoryLimit": 10,
                "updateStrategy": {
                    "type": "RollingUpdate",
                    "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
                },
            },
            id="a daemon set replaces one pod at a time",
        ),
        pytest.param(
            resources.JOBS,
            {
                "completions": 1,
                "parallelism": 1,
                "backoffLimit": 6,
                "completionMode": "NonIndexed",
                "suspend": False,
                "manualSelector": False,
                "podReplacementPolicy": "TerminatingOrFailed",
            },
            id="a job runs once",
        ),
    ],
)
def test_defaults(resource: Resource, expected: Object) -> None:
    assert spec_of(resource) == expected


def test_the_template_gets_the_defaults_of_a_pod() -> None:
    template = filled(resources.DEPLOYMENTS)["spec"]["template"]
    assert template["spec"]["restartPolicy"] == "Always"
    assert template["spec"]["containers"][0]["imagePullPolicy"] == "Always"


@pytest.mark.parametrize(
    ("resource", "key", "type_"),
    [
        pytest.param(resources.DEPLOYMENTS, "strategy", "Recreate", id="recreate"),
        pytest.param(resources.STATEFUL_SETS, "updateStrategy", "OnDelete", id="stateful set"),
        pytest.param(resources.DAEMON_SETS, "updateStrategy", "OnDelete", id="daemon set"),
    ],
)
def test_only_a_rolling_update_has_limits(resource: Resource, key: str, type_: str) -> None:
    assert spec_of(resource, **{key: {"type": type_}})[key] == {"type": type_}


def test_a_zero_stays() -> None:
    rolling = {"maxUnavailable": 0, "maxSurge": 1}
    spec = spec_of(resources.DEPLOYMENTS, replicas=0, strategy={"rollingUpdate": dict(rolling)})
    assert spec["replicas"] == 0
    assert spec["strategy"]["rollingUpdate"] == rolling


def test_a_queue_of_work_has_no_completions() -> None:
    assert "completions" not in spec_of(resources.JOBS, parallelism=3)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param({}, {"app": "web"}, id="those of the template"),
        pytest.param({"own": "x"}, {"own": "x"}, id="its own"),
    ],
)
def test_labels_of_a_job(labels: dict[str, str], expected: dict[str, str]) -> None:
    job: Object = {
        "metadata": {"name": "x", "labels": labels},
        "spec": {"template": copy.deepcopy(TEMPLATE)},
    }
    apply_defaults(resources.JOBS, job)
    assert job["metadata"]["labels"] == expected


def created(resource: Resource, obj: Object, uid: str = "u-1") -> Object:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    prepare_for_create(resource, obj, now=now, uid=uid, namespace="ns", suffix="abcde")
    return obj


def test_a_job_selects_by_its_uid_and_labels_its_pods() -> None:
    job = created(resources.JOBS, filled(resources.JOBS))
    created(resources.JOBS, job | {"status": {"active": 1}}, uid="u-2")
    assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u-2"}}
    assert job["spec"]["template"]["metadata"]["labels"] == {
        "app": "web",
        "batch.kubernetes.io/controller-uid": "u-2",
        "batch.kubernetes.io/job-name": "x",
        "controller-uid": "u-2",
        "job-name": "x",
    }


def test_a_manual_selector_stays() -> None:
    selector = {"matchLabels": {"app": "web"}}
    job = filled(resources.JOBS, manualSelector=True, selector=selector)
    assert created(resources.JOBS, job)["spec"]["selector"] == selector


def test_the_status_is_the_controllers_and_the_generation_follows_the_spec() -> None:
    old = created(
        resources.DEPLOYMENTS, filled(resources.DEPLOYMENTS) | {"status": {"replicas": 9}}
    )
    assert (old["status"], old["metadata"]["generation"]) == ({}, 1)
    new = copy.deepcopy(old) | {"status": {"replicas": 9}}
    prepare_for_update(resources.DEPLOYMENTS, new, old)
    assert (new["status"], new["metadata"]["generation"]) == ({}, 1)
    new["spec"]["replicas"] = 2
    prepare_for_update(resources.DEPLOYMENTS, new, old)
    assert new["metadata"]["generation"] == 2
