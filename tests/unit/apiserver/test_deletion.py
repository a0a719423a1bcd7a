from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podpass.api.errors import StatusError
from podpass.api.meta import format_time
from podpass.api.resources import CONFIG_MAPS, NAMESPACES, PODS, Object
from podpass.apiserver.deletion import (
    DeleteOptions,
    is_released,
    plan_deletion,
    read_delete_options,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def pod(*, node: str = "n", phase: str = "Running", grace: int = 30, **metadata: Any) -> Object:
    return {
        "metadata": {"name": "p", **metadata},
        "spec": {"nodeName": node, "terminationGracePeriodSeconds": grace},
        "status": {"phase": phase},
    }


def terminating(seconds: int, grace: int) -> Object:
    end = format_time(NOW + timedelta(seconds=seconds))
    return pod(deletionTimestamp=end, deletionGracePeriodSeconds=grace)


def test_a_running_pod_gets_its_own_grace_period() -> None:
    deletion = plan_deletion(PODS, pod(generation=3), DeleteOptions(), now=NOW)
    assert deletion.action == "mark"
    assert deletion.object["metadata"] == {
        "name": "p",
        "deletionTimestamp": "2026-01-01T00:00:30Z",
        "deletionGracePeriodSeconds": 30,
        "generation": 4,
    }


@pytest.mark.rule("deletion.unscheduled")
@pytest.mark.parametrize(
    ("obj", "options"),
    [
        pytest.param(pod(node=""), DeleteOptions(), id="a pod without a node"),
        pytest.param(pod(phase="Succeeded"), DeleteOptions(), id="a pod that succeeded"),
        pytest.param(pod(phase="Failed"), DeleteOptions(), id="a pod that failed"),
        pytest.param(pod(), DeleteOptions(grace_period_seconds=0), id="a grace period of 0"),
        pytest.param(pod(grace=0), DeleteOptions(), id="a pod that asks for none"),
    ],
)
def test_a_pod_goes_at_once(obj: Object, options: DeleteOptions) -> None:
    assert plan_deletion(PODS, obj, options, now=NOW).action == "remove"


@pytest.mark.parametrize(("asked", "grace"), [(-5, 1), (1, 1), (60, 60)])
def test_the_request_names_the_grace_period(asked: int, grace: int) -> None:
    options = DeleteOptions(grace_period_seconds=asked)
    metadata = plan_deletion(PODS, pod(), options, now=NOW).object["metadata"]
    assert metadata["deletionGracePeriodSeconds"] == grace


@pytest.mark.rule("deletion.shorten")
def test_a_second_request_shortens_the_grace_period() -> None:
    options = DeleteOptions(grace_period_seconds=10)
    deletion = plan_deletion(PODS, terminating(25, 30), options, now=NOW)
    assert deletion.action == "mark"
    assert deletion.object["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:05Z"
    assert deletion.object["metadata"]["deletionGracePeriodSeconds"] == 10


@pytest.mark.rule("deletion.shorten")
def test_a_shortened_deletion_never_lies_in_the_past() -> None:
    options = DeleteOptions(grace_period_seconds=1)
    deletion = plan_deletion(PODS, terminating(5, 30), options, now=NOW)
    assert deletion.object["metadata"]["deletionTimestamp"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize("asked", [None, 30, 31])
def test_a_second_request_does_not_lengthen_it(asked: int | None) -> None:
    options = DeleteOptions(grace_period_seconds=asked)
    assert plan_deletion(PODS, terminating(25, 30), options, now=NOW).action == "keep"


def test_other_kinds_go_at_once() -> None:
    options = DeleteOptions(grace_period_seconds=30)
    obj: Object = {"metadata": {"name": "c"}}
    assert plan_deletion(CONFIG_MAPS, obj, options, now=NOW).action == "remove"


def test_a_finalizer_keeps_an_object_marked() -> None:
    obj: Object = {"metadata": {"name": "c", "finalizers": ["a/b"]}}
    deletion = plan_deletion(CONFIG_MAPS, obj, DeleteOptions(), now=NOW)
    assert deletion.action == "mark"
    assert deletion.object["metadata"]["deletionGracePeriodSeconds"] == 0
    assert obj == {"metadata": {"name": "c", "finalizers": ["a/b"]}}
    again = plan_deletion(CONFIG_MAPS, deletion.object, DeleteOptions(), now=NOW)
    assert again.action == "keep"


@pytest.mark.parametrize(
    ("policy", "finalizers"),
    [
        ("Orphan", ["a/b", "orphan"]),
        ("Foreground", ["a/b", "foregroundDeletion"]),
        ("Background", ["a/b"]),
        ("", ["a/b", "orphan"]),
    ],
)
def test_the_policy_is_a_finalizer(policy: str, finalizers: list[str]) -> None:
    obj: Object = {"metadata": {"name": "c", "finalizers": ["a/b", "orphan"]}}
    deletion = plan_deletion(CONFIG_MAPS, obj, DeleteOptions(policy=policy), now=NOW)
    assert deletion.object["metadata"]["finalizers"] == finalizers


def test_a_new_policy_marks_a_marked_object_again() -> None:
    obj: Object = {"metadata": {"name": "c", "finalizers": ["a/b"]}}
    marked = plan_deletion(CONFIG_MAPS, obj, DeleteOptions(), now=NOW).object
    again = plan_deletion(CONFIG_MAPS, marked, DeleteOptions(policy="Foreground"), now=NOW)
    assert again.action == "mark"


def test_a_namespace_waits_for_its_content() -> None:
    obj: Object = {"metadata": {"name": "n"}, "spec": {"finalizers": ["kubernetes"]}}
    deletion = plan_deletion(NAMESPACES, obj, DeleteOptions(), now=NOW)
    assert deletion.action == "mark"
    assert deletion.object["status"] == {"phase": "Terminating"}
    assert not is_released(NAMESPACES, deletion.object)
    empty = deletion.object | {"spec": {}}
    assert is_released(NAMESPACES, empty)


@pytest.mark.parametrize(
    ("metadata", "released"),
    [
        ({"deletionTimestamp": "x", "deletionGracePeriodSeconds": 0}, True),
        ({"deletionTimestamp": "x"}, True),
        ({"deletionTimestamp": "x", "deletionGracePeriodSeconds": 1}, False),
        ({"deletionTimestamp": "x", "finalizers": ["a/b"]}, False),
        ({}, False),
    ],
)
def test_a_marked_object_is_released_when_nothing_holds_it(
    metadata: dict[str, Any], released: bool
) -> None:
    assert is_released(PODS, {"metadata": metadata, "spec": {}}) is released


def test_options_are_read_from_a_body() -> None:
    body = {
        "propagationPolicy": "Foreground",
        "gracePeriodSeconds": 0,
        "preconditions": {"uid": "u", "resourceVersion": "7"},
        "dryRun": ["All"],
    }
    assert read_delete_options(body) == DeleteOptions(0, "Foreground", "u", "7", dry_run=True)
    assert read_delete_options({"orphanDependents": True}).policy == "Orphan"
    assert read_delete_options({"orphanDependents": False}).policy == "Background"


@pytest.mark.parametrize(
    "body",
    [
        {"propagationPolicy": "Sometimes"},
        {"propagationPolicy": "Orphan", "orphanDependents": True},
        {"dryRun": ["Some"]},
    ],
)
def test_options_that_are_not_allowed_are_422(body: Object) -> None:
    with pytest.raises(StatusError) as refused:
        read_delete_options(body)
    assert refused.value.code == 422
