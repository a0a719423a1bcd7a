"""What a job does next, and what its status is. Pure.

1. A pod is counted once: while it has the tracking finalizer it is not. It is listed as uncounted
   in the status first, then the finalizer goes, then the number grows; a crash between two of
   these steps loses nothing.
2. A pod that is being deleted before it succeeded has failed.
3. A job is over when enough pods succeeded, too many failed or its time is up. The outcome is
   noted first (`SuccessCriteriaMet`, `FailureTarget`); `Complete` or `Failed` follow when no pod is
   left running.
4. After a failure the next pod waits: 10 s, 20 s, 40 s ... up to ten minutes.

Source: Kubernetes, `pkg/controller/job/job_controller.go`, `backoff_utils.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from podpass.api.meta import (
    find_condition,
    format_time,
    is_terminating,
    name_of,
    parse_time,
    set_condition,
    uid_of,
)
from podpass.api.resources import Object
from podpass.controllers.ownership import finalizers_of
from podpass.controllers.pods import created_at, is_active, is_ready

TRACKING_FINALIZER = "batch.kubernetes.io/job-tracking"
FIRST_BACKOFF_SECONDS = 10.0
LONGEST_BACKOFF_SECONDS = 600.0
COMPLETE, FAILED, SUSPENDED = "Complete", "Failed", "Suspended"
SUCCESS_MET, FAILURE_TARGET = "SuccessCriteriaMet", "FailureTarget"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ends.

    Attributes:
        succeeded: Whether it reached its aim.
        reason: One word.
        message: For people.
    """

    succeeded: bool
    reason: str
    message: str


@dataclass(slots=True)
class Plan:
    """What is to be done now.

    Attributes:
        status: To be written first.
        release: Pods whose finalizer goes once the status is written.
        create: How many pods.
        delete: Pods.
        retry: Seconds after which to look again though nothing changed; 0 for never.
        finished: The outcome, when the job ends right now.
        started: The condition Suspended changed to this value, if it did.
    """

    status: Object
    release: list[Object] = field(default_factory=list)
    create: int = 0
    delete: list[Object] = field(default_factory=list)
    retry: float = 0.0
    finished: Outcome | None = None
    suspended: bool | None = None


def is_tracked(pod: Object) -> bool:
    """Tell whether the pod still waits to be counted."""
    return TRACKING_FINALIZER in finalizers_of(pod)


def has_succeeded(pod: Object) -> bool:
    """Tell whether the pod did its work."""
    return (pod.get("status") or {}).get("phase") == "Succeeded"


def has_failed(pod: Object) -> bool:
    """Tell whether the pod ended without doing its work (rule 2)."""
    phase = (pod.get("status") or {}).get("phase")
    return phase == "Failed" or (is_terminating(pod) and phase != "Succeeded")


def is_true(job: Object, type_: str) -> bool:
    """Tell whether a condition of the job holds."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return (find_condition(conditions, type_) or {}).get("status") == "True"


def is_over(job: Object) -> bool:
    """Tell whether the job has ended."""
    return is_true(job, COMPLETE) or is_true(job, FAILED)


def plan_job(job: Object, pods: Sequence[Object], *, now: datetime, may_act: bool) -> Plan:
    """Return what to do about a job that is not over.

    Args:
        job: The job.
        pods: All that belong to it.
        now: Current time.
        may_act: Whether the picture is fresh enough to create and delete pods.
    """
    spec, former = job["spec"], job.get("status") or {}
    status = dict(former)
    status["conditions"] = [dict(one) for one in former.get("conditions") or ()]
    release = _count(status, pods)
    suspended = bool(spec.get("suspend"))
    active = [pod for pod in pods if is_active(pod)]
    succeeded, failed = _totals(status)
    noted = _noted_outcome(status)
    if not suspended and not status.get("startTime"):
        status["startTime"] = format_time(now)
    outcome = noted or _outcome(job, status, active, succeeded, failed, now)
    plan = Plan(status, release)
    if outcome is not None:
        if noted is None:
            _note(status, SUCCESS_MET if outcome.succeeded else FAILURE_TARGET, outcome, now)
        if may_act:
            plan.delete = active
        ending = any(is_terminating(pod) for pod in pods)
        if not active and not ending and not _uncounted(status):
            _note(status, COMPLETE if outcome.succeeded else FAILED, outcome, now)
            if outcome.succeeded:
                status["completionTime"] = format_time(now)
            plan.finished = outcome
    elif suspended:
        _suspend(plan, now)
        if may_act:
            plan.delete = active
    else:
        _resume(plan, now)
        _size(plan, spec, pods, active, succeeded, now, may_act=may_act)
        plan.retry = _sooner(plan.retry, _seconds_left(spec, status, now))
    status["active"] = len(active)
    status["ready"] = sum(is_ready(pod) for pod in active)
    status["terminating"] = sum(is_terminating(pod) and not has_succeeded(pod) for pod in pods)
    return plan


def _uncounted(status: Object) -> Object:
    found: Object = status.get("uncountedTerminatedPods") or {}
    return {key: uids for key, uids in found.items() if uids}


def _count(status: Object, pods: Sequence[Object]) -> list[Object]:
    """Move the bookkeeping of rule 1 on by one step; returns the pods to release."""
    by_uid = {uid_of(pod): pod for pod in pods}
    former = _uncounted(status)
    waiting: dict[str, list[str]] = {}
    release: list[Object] = []
    for key in ("succeeded", "failed"):
        still = []
        for uid in former.get(key) or ():
            if uid in by_uid and is_tracked(by_uid[uid]):
                still.append(uid)
                release.append(by_uid[uid])
            else:
                status[key] = int(status.get(key) or 0) + 1
        ended = has_succeeded if key == "succeeded" else has_failed
        for pod in pods:
            if is_tracked(pod) and ended(pod) and uid_of(pod) not in still:
                still.append(uid_of(pod))
                release.append(pod)
        waiting[key] = still
    status["uncountedTerminatedPods"] = {key: uids for key, uids in waiting.items() if uids}
    return release


def _totals(status: Object) -> tuple[int, int]:
    """Return how many pods succeeded and failed, counted or about to be."""
    uncounted = _uncounted(status)
    succeeded, failed = (
        int(status.get(key) or 0) + len(uncounted.get(key) or ()) for key in ("succeeded", "failed")
    )
    return succeeded, failed


def _noted_outcome(status: Object) -> Outcome | None:
    for type_ in (SUCCESS_MET, FAILURE_TARGET):
        condition = find_condition(status["conditions"], type_)
        if condition is not None and condition.get("status") == "True":
            reason, message = condition.get("reason", ""), condition.get("message", "")
            return Outcome(type_ == SUCCESS_MET, reason, message)
    return None


def _outcome(
    job: Object,
    status: Object,
    active: Sequence[Object],
    succeeded: int,
    failed: int,
    now: datetime,
) -> Outcome | None:
    spec = job["spec"]
    limit = int(spec.get("backoffLimit", 6))
    if failed > limit or _restarted_too_often(spec, active, limit):
        text = "Job has reached the specified backoff limit"
        return Outcome(False, "BackoffLimitExceeded", text)  # noqa: FBT003 - named in the class
    left = _seconds_left(spec, status, now)
    if left is not None and left <= 0 and not spec.get("suspend"):
        text = "Job was active longer than specified deadline"
        return Outcome(False, "DeadlineExceeded", text)  # noqa: FBT003
    completions = spec.get("completions")
    done = succeeded > 0 and not active if completions is None else succeeded >= completions
    if not done:
        return None
    return Outcome(True, "CompletionsReached", "Reached expected number of succeeded pods")  # noqa: FBT003


def _restarted_too_often(spec: Object, active: Sequence[Object], limit: int) -> bool:
    """Tell whether containers that restart in place used up the limit."""
    if (spec["template"].get("spec") or {}).get("restartPolicy") != "OnFailure":
        return False
    restarts = sum(
        int(one.get("restartCount") or 0)
        for pod in active
        for key in ("initContainerStatuses", "containerStatuses")
        for one in (pod.get("status") or {}).get(key) or ()
    )
    return restarts > 0 if limit == 0 else restarts >= limit


def _seconds_left(spec: Object, status: Object, now: datetime) -> float | None:
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is None or not status.get("startTime"):
        return None
    end = parse_time(status["startTime"]) + timedelta(seconds=int(deadline))
    return (end - now).total_seconds()


def _note(status: Object, type_: str, outcome: Outcome, now: datetime) -> None:
    set_condition(
        status["conditions"], type_, "True", now=now, reason=outcome.reason,
        message=outcome.message, lastProbeTime=format_time(now),
    )  # fmt: skip


def _suspend(plan: Plan, now: datetime) -> None:
    conditions = plan.status["conditions"]
    if (find_condition(conditions, SUSPENDED) or {}).get("status") != "True":
        outcome = Outcome(False, "JobSuspended", "Job suspended")  # noqa: FBT003 - just the words
        _note(plan.status, SUSPENDED, outcome, now)
        plan.suspended = True
    plan.status.pop("startTime", None)


def _resume(plan: Plan, now: datetime) -> None:
    conditions = plan.status["conditions"]
    if (find_condition(conditions, SUSPENDED) or {}).get("status") == "True":
        set_condition(
            conditions, SUSPENDED, "False", now=now, reason="JobResumed", message="Job resumed",
            lastProbeTime=format_time(now),
        )  # fmt: skip
        plan.status["startTime"] = format_time(now)
        plan.suspended = False


def _size(
    plan: Plan,
    spec: Object,
    pods: Sequence[Object],
    active: Sequence[Object],
    succeeded: int,
    now: datetime,
    *,
    may_act: bool,
) -> None:
    parallelism = int(spec.get("parallelism", 1))
    completions = spec.get("completions")
    if completions is None:
        wanted = len(active) if succeeded else parallelism
    else:
        wanted = max(0, min(parallelism, int(completions) - succeeded))
    if len(active) > wanted:
        newest_first = sorted(active, key=created_at, reverse=True)
        newest_first.sort(key=lambda pod: (is_ready(pod), name_of(pod)))
        if may_act:
            plan.delete = newest_first[: len(active) - wanted]
        return
    missing = wanted - len(active)
    pause = backoff_seconds(pods, now) if missing else 0.0
    if pause > 0:
        plan.retry = pause  # 4
    elif may_act:
        plan.create = missing


def backoff_seconds(pods: Sequence[Object], now: datetime) -> float:
    """Return how long the next pod has still to wait, from the failures since the last success."""
    ended = sorted((_ended_at(pod, now), has_failed(pod)) for pod in pods if _has_ended(pod))
    failures: list[datetime] = []
    for moment, failed in ended:
        failures = [*failures, moment] if failed else []
    if not failures:
        return 0.0
    delay = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** min(len(failures) - 1, 10))
    return max(0.0, (failures[-1] + timedelta(seconds=delay) - now).total_seconds())


def _has_ended(pod: Object) -> bool:
    # One that somebody deletes is replaced at once.
    return has_succeeded(pod) or (has_failed(pod) and not is_terminating(pod))


def _ended_at(pod: Object, now: datetime) -> datetime:
    status = pod.get("status") or {}
    times = [
        parse_time(ended["finishedAt"])
        for one in status.get("containerStatuses") or ()
        if (ended := (one.get("state") or {}).get("terminated")) and ended.get("finishedAt")
    ]
    if times:
        return max(times)
    ready = find_condition(status.get("conditions") or (), "Ready") or {}
    text = ready.get("lastTransitionTime") or created_at(pod)
    return parse_time(text) if text else now


def _sooner(retry: float, left: float | None) -> float:
    if left is None:
        return retry
    left = max(left, 0.001)
    return min(retry, left) if retry else left


def seconds_to_live(job: Object, now: datetime) -> float | None:
    """Return how long a job that is over is kept, or None for ever."""
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    if ttl is None or not is_over(job):
        return None
    type_ = COMPLETE if is_true(job, COMPLETE) else FAILED
    condition = find_condition(job["status"]["conditions"], type_) or {}
    end = parse_time(condition["lastTransitionTime"]) + timedelta(seconds=int(ttl))
    return (end - now).total_seconds()
