"""What to do next for a pod: a table of states, with no I/O.

For one container, its state and the restart policy say what becomes of it:

| container | Always | OnFailure | Never |
|---|---|---|---|
| absent | start | start | start |
| created, never started | restart | restart | restart |
| running | keep | keep | keep |
| ended with 0 | restart | done | done |
| ended otherwise | restart | restart | done |

For the pod, first match wins:

1. it must stop, and something runs                   -> STOPPING: stop all
2. it must stop, and nothing runs                     -> STOPPED
3. all containers are done, or an init container is
   done without success, or the deadline is over      -> FINISHED: stop all
4. volumes are missing, or there is no ready sandbox  -> PREPARING: make the sandbox
5. an init container is not through                   -> INITIALIZING: start it
6. otherwise                                          -> RUNNING: start what is to start

A sidecar (an init container with restartPolicy Always) is through as soon as it has started, its
policy is Always, and it does not keep a pod from being finished. Init containers run again in a new
sandbox. A restart waits for its back-off; the plan says until when.

Source: Kubernetes v1.36, `pkg/kubelet/kuberuntime/kuberuntime_manager.go`, `computePodActions`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from podpass.api.meta import parse_time
from podpass.api.resources import Object
from podpass.kubelet.pod_spec import (
    all_containers,
    containers_of,
    init_containers_of,
    is_sidecar,
    restart_policy,
    spec_of,
    status_of,
)
from podpass.kubelet.runtime.interface import (
    ContainerState,
    ContainerStatus,
    SandboxState,
    SandboxStatus,
)


class Verdict(enum.Enum):
    """What becomes of one container."""

    START = "start"
    RESTART = "restart"
    KEEP = "keep"
    DONE = "done"


class Stage(enum.Enum):
    """Where a pod stands."""

    PREPARING = "preparing"
    INITIALIZING = "initializing"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPING = "stopping"
    STOPPED = "stopped"


_ABSENT, _CREATED, _RUNNING, _SUCCEEDED, _FAILED = range(5)
_TABLE: Mapping[tuple[int, str], Verdict] = {
    (_ABSENT, "Always"): Verdict.START,
    (_ABSENT, "OnFailure"): Verdict.START,
    (_ABSENT, "Never"): Verdict.START,
    (_CREATED, "Always"): Verdict.RESTART,
    (_CREATED, "OnFailure"): Verdict.RESTART,
    (_CREATED, "Never"): Verdict.RESTART,
    (_RUNNING, "Always"): Verdict.KEEP,
    (_RUNNING, "OnFailure"): Verdict.KEEP,
    (_RUNNING, "Never"): Verdict.KEEP,
    (_SUCCEEDED, "Always"): Verdict.RESTART,
    (_SUCCEEDED, "OnFailure"): Verdict.DONE,
    (_SUCCEEDED, "Never"): Verdict.DONE,
    (_FAILED, "Always"): Verdict.RESTART,
    (_FAILED, "OnFailure"): Verdict.RESTART,
    (_FAILED, "Never"): Verdict.DONE,
}


@dataclass(frozen=True, slots=True)
class PodRuntime:
    """What the runtime has of one pod.

    Attributes:
        sandboxes: Newest first.
        containers: Name to its containers, newest first.
    """

    sandboxes: tuple[SandboxStatus, ...] = ()
    containers: Mapping[str, tuple[ContainerStatus, ...]] = field(default_factory=dict)

    @property
    def sandbox(self) -> SandboxStatus | None:
        """The newest sandbox, ready or not."""
        return self.sandboxes[0] if self.sandboxes else None

    @property
    def ready_sandbox(self) -> SandboxStatus | None:
        """The newest sandbox if it is ready."""
        newest = self.sandbox
        return newest if newest is not None and newest.state is SandboxState.READY else None

    def newest(self, name: str) -> ContainerStatus | None:
        """Return the newest container of this name."""
        return next(iter(self.containers.get(name, ())), None)

    def running(self) -> list[ContainerStatus]:
        """Return all containers that run."""
        return [
            one
            for group in self.containers.values()
            for one in group
            if one.state is ContainerState.RUNNING
        ]


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a decision depends on.

    Attributes:
        pod: The pod as wanted.
        runtime: The pod as it stands.
        must_stop: Deleted, removed from its source, or the node shuts down.
        volumes_ready: Whether all its volumes were set up once.
        ready_at: Returns when a container that ended may start again.
        started: Whether a running container has passed its startup probe.
        now: The time.
    """

    pod: Object
    runtime: PodRuntime
    must_stop: bool
    volumes_ready: bool
    ready_at: Callable[[ContainerStatus], datetime]
    started: Callable[[ContainerStatus], bool]
    now: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now.

    Attributes:
        stage: Where the pod stands.
        make_sandbox: Whether a new sandbox is needed.
        start: Names of containers to start now, in order.
        backing_off: Containers that wait for their next start, and until when.
        stop_all: Whether everything must be stopped.
        wake_at: When to decide again if nothing happens before.
        reason: Why a pod has ended early, e.g. `DeadlineExceeded`; else empty.
    """

    stage: Stage
    make_sandbox: bool = False
    start: tuple[str, ...] = ()
    backing_off: Mapping[str, datetime] = field(default_factory=dict)
    stop_all: bool = False
    wake_at: datetime | None = None
    reason: str = ""


def verdict(container: ContainerStatus | None, policy: str) -> Verdict:
    """Look a container up in the table."""
    if container is None:
        state = _ABSENT
    elif container.state is ContainerState.CREATED:
        state = _CREATED
    elif container.state is ContainerState.RUNNING:
        state = _RUNNING
    else:
        state = _SUCCEEDED if container.exit_code == 0 else _FAILED
    return _TABLE[state, policy]


def decide(situation: Situation) -> Plan:
    """Return what to do now for a pod."""
    pod, runtime = situation.pod, situation.runtime
    something_runs = bool(runtime.running()) or any(
        one.state is SandboxState.READY for one in runtime.sandboxes
    )
    if situation.must_stop:
        if something_runs:
            return Plan(Stage.STOPPING, stop_all=True)  # 1
        return Plan(Stage.STOPPED)  # 2
    deadline = active_deadline(pod)
    if deadline is not None and situation.now >= deadline:
        return Plan(Stage.FINISHED, stop_all=something_runs, reason="DeadlineExceeded")  # 3
    if finished(pod, runtime):
        return Plan(Stage.FINISHED, stop_all=something_runs)  # 3
    if runtime.ready_sandbox is None:
        return Plan(Stage.PREPARING, make_sandbox=True, wake_at=deadline)  # 4
    if not situation.volumes_ready:
        return Plan(Stage.PREPARING, wake_at=deadline)  # 4
    plan = _Starts(situation)
    if not _init_containers_through(situation, plan):
        return plan.finish(Stage.INITIALIZING, deadline)  # 5
    for container in containers_of(pod):
        plan.consider(container["name"], restart_policy(pod))
    return plan.finish(Stage.RUNNING, deadline)  # 6


def finished(pod: Object, runtime: PodRuntime) -> bool:
    """Tell whether nothing of the pod will be started any more."""
    policy = restart_policy(pod)
    if status_of(pod).get("phase") in ("Succeeded", "Failed"):
        return True
    if init_failed(pod, runtime):
        return True
    return all(
        verdict(runtime.newest(one["name"]), policy) is Verdict.DONE for one in containers_of(pod)
    )


def init_failed(pod: Object, runtime: PodRuntime) -> bool:
    """Tell whether an init container failed and may not be tried again."""
    if restart_policy(pod) != "Never":
        return False
    return any(
        (newest := runtime.newest(one["name"])) is not None
        and newest.state is ContainerState.EXITED
        and newest.exit_code != 0
        for one in init_containers_of(pod)
        if not is_sidecar(one)
    )


def active_deadline(pod: Object) -> datetime | None:
    """Return when `activeDeadlineSeconds` are over, or None."""
    seconds = spec_of(pod).get("activeDeadlineSeconds")
    start = status_of(pod).get("startTime")
    if seconds is None or not start:
        return None
    return parse_time(start) + timedelta(seconds=int(seconds))


class _Starts:
    """Collects which containers start now and which wait."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self._start: list[str] = []
        self._backing_off: dict[str, datetime] = {}

    def consider(self, name: str, policy: str) -> None:
        """Start the container if its row of the table says so and its back-off is over."""
        newest = self._situation.runtime.newest(name)
        answer = verdict(newest, policy)
        if answer is Verdict.START or newest is None:
            self.start(name)
        elif answer is Verdict.RESTART:
            ready_at = self._situation.ready_at(newest)
            if self._situation.now >= ready_at:
                self._start.append(name)
            else:
                self._backing_off[name] = ready_at

    def start(self, name: str) -> None:
        """Start the container at once."""
        self._start.append(name)

    def finish(self, stage: Stage, deadline: datetime | None) -> Plan:
        times = [*self._backing_off.values(), *([deadline] if deadline else [])]
        return Plan(
            stage,
            start=tuple(self._start),
            backing_off=self._backing_off,
            wake_at=min(times, default=None),
        )


def _init_containers_through(situation: Situation, plan: _Starts) -> bool:
    """Start the next init container, and failed sidecars; tell whether all are through."""
    sandbox = situation.runtime.ready_sandbox
    regular_began = any(
        (newest := situation.runtime.newest(one["name"])) is not None
        and sandbox is not None
        and newest.sandbox_id == sandbox.id
        for one in containers_of(situation.pod)
    )
    policy = restart_policy(situation.pod)
    for container in init_containers_of(situation.pod):
        name = container["name"]
        newest = situation.runtime.newest(name)
        here = newest is not None and sandbox is not None and newest.sandbox_id == sandbox.id
        if is_sidecar(container):
            if newest is None or not here:
                plan.start(name)
                return False
            plan.consider(name, "Always")
            if not regular_began and not (
                newest.state is ContainerState.RUNNING and situation.started(newest)
            ):
                return False
        elif regular_began:
            continue  # it was through when the regular containers began
        elif newest is None or not here:
            plan.start(name)
            return False
        elif newest.state is not ContainerState.EXITED or newest.exit_code != 0:
            plan.consider(name, "OnFailure" if policy == "Always" else policy)
            return False
    return True


def container_spec(pod: Object, name: str) -> Object:
    """Return the spec of a container or init container.

    Raises:
        KeyError: The pod has none of this name.
    """
    for container in all_containers(pod):
        if container["name"] == name:
            return container
    raise KeyError(name)
