"""What a job does next, and how its pods are counted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from controllers.workload_samples import names, pod, workload

from podpass.api.meta import find_condition, format_time
from podpass.api.resources import JOBS, Object
from podpass.controllers.job_plan import (
    TRACKING_FINALIZER,
    Plan,
    backoff_seconds,
    has_failed,
    is_over,
    plan_job,
    seconds_to_live,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
GOING: dict[str, Any] = {"deletionTimestamp": "2026-01-01T11:00:00Z"}
STARTED: Object = {"startTime": "2026-01-01T11:59:00Z"}


def ago(seconds: float) -> str:
    return format_time(NOW - timedelta(seconds=seconds))


def job(status: Object | None = None, **spec: Any) -> Object:
    given: Object = {"completions": 1, "parallelism": 1, "backoffLimit": 6}
    made = workload(JOBS, "job", status=STARTED if status is None else status, **given | spec)
    made["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    return made


def attempt(
    name: str = "p", phase: str = "Running", *, tracked: bool = True, **fields: Any
) -> Object:
    finalizers = [TRACKING_FINALIZER] if tracked else []
    return pod(name, phase, finalizers=finalizers, **fields)


def ended(name: str, phase: str, seconds_ago: float, *, tracked: bool = False) -> Object:
    state = {"terminated": {"finishedAt": ago(seconds_ago)}}
    return attempt(name, phase, tracked=tracked, status={"containerStatuses": [{"state": state}]})


def plan(given: Object, *pods: Object, may_act: bool = True) -> Plan:
    return plan_job(given, pods, now=NOW, may_act=may_act)


def conditions(found: Plan) -> list[tuple[str, str, str]]:
    listed = found.status["conditions"]
    return [(one["type"], one["status"], one["reason"]) for one in listed]


@pytest.mark.parametrize(
    ("one", "failed"),
    [
        pytest.param(attempt(), False, id="running"),
        pytest.param(attempt(phase="Failed"), True, id="failed"),
        pytest.param(attempt(phase="Succeeded", **GOING), False, id="succeeded and going"),
        pytest.param(attempt(**GOING), True, id="deleted by somebody"),
    ],
)
def test_has_failed(one: Object, failed: bool) -> None:
    assert has_failed(one) is failed


@pytest.mark.parametrize(
    ("spec", "pods", "create", "delete"),
    [
        pytest.param({}, [], 1, [], id="the first pod"),
        pytest.param({"completions": 5, "parallelism": 2}, [], 2, [], id="as many as may run"),
        pytest.param({"completions": 2, "parallelism": 5}, [], 2, [], id="as many as are needed"),
        pytest.param(
            {"completions": 3, "parallelism": 3},
            [attempt("a"), attempt("b", "Succeeded")], 1, [], id="what is still missing",
        ),
        pytest.param({"parallelism": 0}, [attempt("a")], 0, ["a"], id="none may run"),
        pytest.param(
            {"completions": 5, "parallelism": 1},
            [attempt("ready", ready=ago(9)), attempt("new")], 0, ["new"], id="too many",
        ),
        pytest.param({"completions": None, "parallelism": 3}, [], 3, [], id="workers of a queue"),
        pytest.param(
            {"completions": None, "parallelism": 3},
            [attempt("a"), attempt("b", "Succeeded")], 0, [],
            id="when one finds the queue empty no more are started",
        ),
        pytest.param({}, [attempt("a", **GOING)], 1, [], id="a deleted pod is replaced at once"),
    ],
)  # fmt: skip
def test_pods(spec: Object, pods: list[Object], create: int, delete: list[str]) -> None:
    found = plan(job(**spec), *pods)
    assert (found.create, names(found.delete)) == (create, delete)


@pytest.mark.parametrize(
    "spec", [{}, {"parallelism": 0}, {"suspend": True}], ids=["create", "delete", "suspend"]
)
def test_an_old_picture_is_not_acted_on(spec: Object) -> None:
    pods = [attempt("a")] if spec else []
    found = plan(job(**spec), *pods, may_act=False)
    assert (found.create, found.delete) == (0, [])


def test_the_start_is_noted_once() -> None:
    assert plan(job({})).status["startTime"] == format_time(NOW)
    assert plan(job()).status["startTime"] == STARTED["startTime"]


def test_status_counts_pods_that_run() -> None:
    pods = [attempt("a", ready=ago(1)), attempt("b"), attempt("c", tracked=False, **GOING)]
    status = plan(job(completions=9, parallelism=9), *pods).status
    assert (status["active"], status["ready"], status["terminating"]) == (2, 1, 1)


def counts(found: Plan) -> tuple[int, int, Object, list[str]]:
    status = found.status
    uncounted = status["uncountedTerminatedPods"]
    return status.get("succeeded", 0), status.get("failed", 0), uncounted, names(found.release)


WIDE: Object = {"completions": 9, "parallelism": 0}


@pytest.mark.parametrize(
    ("status", "pods", "expected"),
    [
        pytest.param({}, [attempt("a", "Succeeded")], (0, 0, {"succeeded": ["uid-of-a"]}, ["a"]),
                     id="first it is listed"),
        pytest.param(
            {"uncountedTerminatedPods": {"succeeded": ["uid-of-a"]}}, [attempt("a", "Succeeded")],
            (0, 0, {"succeeded": ["uid-of-a"]}, ["a"]), id="until its finalizer is gone",
        ),
        pytest.param(
            {"uncountedTerminatedPods": {"succeeded": ["uid-of-a"]}, "succeeded": 2},
            [attempt("a", "Succeeded", tracked=False)], (3, 0, {}, []), id="then it counts",
        ),
        pytest.param(
            {"uncountedTerminatedPods": {"failed": ["uid-of-a"]}}, [], (0, 1, {}, []),
            id="also when it is gone meanwhile",
        ),
        pytest.param({"succeeded": 3}, [attempt("a", "Succeeded", tracked=False)], (3, 0, {}, []),
                     id="never twice"),
        pytest.param({}, [attempt("a", **GOING)], (0, 0, {"failed": ["uid-of-a"]}, ["a"]),
                     id="a deleted pod has failed"),
    ],
)  # fmt: skip
def test_a_pod_is_counted_once(
    status: Object, pods: list[Object], expected: tuple[int, int, Object, list[str]]
) -> None:
    assert counts(plan(job(STARTED | status, **WIDE), *pods)) == expected


REACHED = "CompletionsReached"


@pytest.mark.parametrize(
    ("spec", "pods", "expected"),
    [
        pytest.param(
            {}, [attempt("a", "Succeeded")], [("SuccessCriteriaMet", "True", REACHED)],
            id="noted before the last pod is counted",
        ),
        pytest.param(
            {"backoffLimit": 0}, [attempt("a", "Failed")],
            [("FailureTarget", "True", "BackoffLimitExceeded")], id="no failure is allowed",
        ),
        pytest.param({"backoffLimit": 1}, [attempt("a", "Failed")], [], id="one is"),
        pytest.param(
            {"activeDeadlineSeconds": 60}, [attempt("a")],
            [("FailureTarget", "True", "DeadlineExceeded")], id="the time is up",
        ),
        pytest.param({"activeDeadlineSeconds": 61}, [attempt("a")], [], id="the time is not up"),
        pytest.param(
            {"completions": None}, [attempt("a", "Succeeded")],
            [("SuccessCriteriaMet", "True", REACHED)], id="the queue is empty",
        ),
        pytest.param(
            {"completions": None}, [attempt("a", "Succeeded"), attempt("b")], [],
            id="one is still at work",
        ),
        pytest.param({"completions": 0}, [], [
            ("SuccessCriteriaMet", "True", REACHED), ("Complete", "True", REACHED),
        ], id="nothing to do"),
    ],
)  # fmt: skip
def test_outcomes(spec: Object, pods: list[Object], expected: list[tuple[str, str, str]]) -> None:
    assert conditions(plan(job(**spec), *pods)) == expected


def noted(type_: str, **status: Any) -> Object:
    condition = {"type": type_, "status": "True", "reason": "R", "message": "m"}
    return STARTED | {"conditions": [condition]} | status


def test_a_job_that_succeeded_is_complete_when_all_is_counted() -> None:
    waiting = noted("SuccessCriteriaMet", uncountedTerminatedPods={"succeeded": ["uid-of-a"]})
    last = plan(job(waiting), attempt("a", "Succeeded", tracked=False))
    assert is_over({"status": last.status})
    assert last.status["completionTime"] == format_time(NOW)
    assert last.finished is not None
    assert last.finished.succeeded


@pytest.mark.parametrize(
    ("pods", "delete"),
    [
        pytest.param([attempt("a")], ["a"], id="a pod that runs is deleted"),
        pytest.param(
            [attempt("a", tracked=False, **GOING)], [], id="a pod that goes is waited for"
        ),
        pytest.param([attempt("a", "Failed")], [], id="a pod that is not counted yet"),
    ],
)
def test_a_job_that_failed_ends_when_no_pod_is_left(pods: list[Object], delete: list[str]) -> None:
    found = plan(job(noted("FailureTarget")), *pods)
    assert names(found.delete) == delete
    assert found.finished is None
    assert not is_over({"status": found.status})
    last = plan(job(noted("FailureTarget")))
    assert is_over({"status": last.status})
    assert "completionTime" not in last.status
    assert last.finished is not None
    assert (last.finished.succeeded, last.finished.reason) == (False, "R")


@pytest.mark.parametrize(
    ("limit", "restarts", "over"),
    [
        pytest.param(2, 1, False, id="fewer than the limit"),
        pytest.param(2, 2, True, id="the limit"),
        pytest.param(0, 0, False, id="no limit used"),
        pytest.param(0, 1, True, id="none allowed"),
    ],
)
def test_restarts_in_place_count(limit: int, restarts: int, over: bool) -> None:
    given = job(backoffLimit=limit)
    given["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure"
    running = attempt(status={"containerStatuses": [{"restartCount": restarts}]})
    assert bool(conditions(plan(given, running))) is over


def test_a_suspended_job_stops_and_starts_anew() -> None:
    stopped = plan(job(suspend=True), attempt("a"))
    assert names(stopped.delete) == ["a"]
    assert stopped.suspended is True
    assert conditions(stopped) == [("Suspended", "True", "JobSuspended")]
    assert "startTime" not in stopped.status
    still = plan(job(stopped.status, suspend=True, activeDeadlineSeconds=1))
    assert (still.suspended, conditions(still)) == (None, conditions(stopped))
    again = plan(job(stopped.status))
    assert again.suspended is False
    assert conditions(again) == [("Suspended", "False", "JobResumed")]
    assert again.status["startTime"] == format_time(NOW)
    assert again.create == 1


@pytest.mark.parametrize(
    ("pods", "seconds"),
    [
        pytest.param([], 0, id="no failure"),
        pytest.param([ended("a", "Failed", 4)], 6, id="the first"),
        pytest.param([ended("a", "Failed", 10)], 0, id="long ago"),
        pytest.param([ended("a", "Failed", 30), ended("b", "Failed", 4)], 16, id="the second"),
        pytest.param(
            [ended("a", "Failed", 30), ended("b", "Succeeded", 20), ended("c", "Failed", 4)], 6,
            id="the first after a success",
        ),
        pytest.param(
            [ended("a", "Failed", 4), ended("b", "Succeeded", 3)], 0, id="a success came after"
        ),
        pytest.param(
            [ended(f"p{n}", "Failed", 100 - n) for n in range(12)], 600 - 89,
            id="ten minutes at most"
        ),
        pytest.param([attempt("a", "Failed", ready=ago(4))], 6, id="known by its condition"),
        pytest.param([attempt("a", "Failed", creationTimestamp=ago(4))], 6, id="by its creation"),
        pytest.param([attempt("a", "Failed")], 10, id="by nothing"),
        pytest.param([attempt("a", **GOING)], 0, id="deleted by somebody"),
    ],
)  # fmt: skip
def test_backoff(pods: list[Object], seconds: float) -> None:
    assert backoff_seconds(pods, NOW) == seconds


def test_the_next_pod_waits_for_the_backoff_or_the_deadline() -> None:
    failed = ended("a", "Failed", 4, tracked=True)
    found = plan(job(), failed)
    assert (found.create, found.retry) == (0, 6)
    sooner = plan(job(activeDeadlineSeconds=63), failed)
    assert sooner.retry == 3
    assert plan(job(activeDeadlineSeconds=63), attempt()).retry == 3


@pytest.mark.parametrize(
    ("type_", "ttl", "seconds"),
    [
        pytest.param("Complete", 10, 6, id="complete"),
        pytest.param("Failed", 10, 6, id="failed"),
        pytest.param("Complete", 0, -4, id="at once"),
        pytest.param("Complete", None, None, id="kept for ever"),
        pytest.param("Suspended", 10, None, id="not over"),
    ],
)
def test_seconds_to_live(type_: str, ttl: int | None, seconds: float | None) -> None:
    condition = {"type": type_, "status": "True", "lastTransitionTime": ago(4)}
    given = job({"conditions": [condition]}, ttlSecondsAfterFinished=ttl)
    assert seconds_to_live(given, NOW) == seconds
    assert find_condition([condition], type_)
