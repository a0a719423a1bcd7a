"""`kubelet.status` and `kubelet.container_status`: what users see of a pod."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from podpass.api.meta import find_condition, format_time
from podpass.api.resources import Object
from podpass.kubelet.container_status import Waiting
from podpass.kubelet.pod_worker import Plan, PodRuntime, Stage
from podpass.kubelet.runtime.interface import (
    ContainerConfig,
    ContainerID,
    ContainerState,
    ContainerStatus,
    SandboxConfig,
    SandboxID,
    SandboxState,
    SandboxStatus,
)
from podpass.kubelet.status import Observation, pod_status

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BEFORE = NOW - timedelta(minutes=1)
READY, NOT_READY = SandboxState.READY, SandboxState.NOT_READY


def sandbox(state: SandboxState = READY) -> SandboxStatus:
    config = SandboxConfig(
        "ns", "p", "u", 0, "p", host_network=False, log_directory=Path("/"), pod_ip="10.128.0.2"
    )
    return SandboxStatus(SandboxID("s"), config, state, BEFORE)


def container(
    name: str, state: str | int = "running", *, attempt: int = 0, **fields: Any
) -> ContainerStatus:
    code = state if isinstance(state, int) else None
    values: dict[str, Any] = {
        "started_at": None if state == "created" else BEFORE,
        "finished_at": NOW if code is not None else None,
    }
    return ContainerStatus(
        id=ContainerID(f"{name}-{attempt}"),
        sandbox_id=SandboxID("s"),
        config=ContainerConfig(name, attempt, "nginx", Path("/log")),
        state=ContainerState.EXITED if code is not None else ContainerState(state),
        image_id="sha256:1",
        created_at=BEFORE,
        exit_code=code,
        **(values | fields),
    )


def pod(*names: str, policy: str = "Always", status: Object | None = None, **spec: Any) -> Object:
    containers = [{"name": name, "image": "nginx"} for name in names or ("c",)]
    spec = {"restartPolicy": policy, "containers": containers} | spec
    return {"metadata": {"name": "p", "uid": "u"}, "spec": spec, "status": status or {}}


def seen(
    *containers: ContainerStatus, box: SandboxStatus | None = None, **fields: Any
) -> Observation:
    groups: dict[str, tuple[ContainerStatus, ...]] = {}
    for one in containers:
        groups[one.config.name] = (*groups.get(one.config.name, ()), one)
    running = frozenset(
        name for name, (one, *_) in groups.items() if one.state is ContainerState.RUNNING
    )
    values: dict[str, Any] = {
        "runtime": PodRuntime((box or sandbox(),), groups),
        "plan": Plan(Stage.RUNNING),
        "node_ip": "127.0.0.11",
        "ready": running,
        "started": running,
        "volumes_ready": True,
    }
    return Observation(**(values | fields))


def phase(wanted: Object, observation: Observation) -> str:
    return str(pod_status(wanted, {}, observation, NOW)["phase"])


@pytest.mark.parametrize(
    ("policy", "states", "expected"),
    [
        pytest.param("Always", (None, None), "Pending", id="nothing began"),
        pytest.param("Always", ("running", None), "Pending", id="one began"),
        pytest.param("Always", ("running", "created"), "Pending", id="one is created only"),
        pytest.param("Always", ("running", "running"), "Running", id="all run"),
        pytest.param("Always", ("running", 1), "Running", id="one failed"),
        pytest.param("Always", (0, 0), "Running", id="all ended, and start again"),
        pytest.param("OnFailure", (0, 1), "Running", id="on failure, one failed"),
        pytest.param("OnFailure", (0, 0), "Succeeded", id="on failure, all succeeded"),
        pytest.param("Never", (0, 0), "Succeeded", id="never, all succeeded"),
        pytest.param("Never", (0, 1), "Failed", id="never, one failed"),
        pytest.param("Never", (1, "running"), "Running", id="never, one still runs"),
    ],
)
def test_phase(policy: str, states: tuple[str | int | None, ...], expected: str) -> None:
    found = [
        container(name, state)
        for name, state in zip("ab", states, strict=True)
        if state is not None
    ]
    assert phase(pod("a", "b", policy=policy), seen(*found)) == expected


@pytest.mark.parametrize(
    ("policy", "state", "regular", "expected"),
    [
        pytest.param("Always", None, None, "Pending", id="not begun"),
        pytest.param("Always", "running", None, "Pending", id="runs"),
        pytest.param("Always", 1, None, "Pending", id="failed, is tried again"),
        pytest.param("Never", 1, None, "Failed", id="failed for good"),
        pytest.param("Always", 0, None, "Pending", id="is through, the pod's own has not begun"),
        pytest.param("Always", 0, "running", "Running", id="is through"),
        pytest.param("Always", None, "running", "Running", id="its record is gone"),
    ],
)
def test_phase_with_an_init_container(
    policy: str, state: str | int | None, regular: str | None, expected: str
) -> None:
    found = [container("i", state)] if state is not None else []
    found += [container("c", regular)] if regular else []
    wanted = pod(policy=policy, initContainers=[{"name": "i"}])
    assert phase(wanted, seen(*found)) == expected


@pytest.mark.parametrize(
    ("started", "regular", "expected"),
    [
        pytest.param((), None, "Pending", id="has not started"),
        pytest.param(("s",), "running", "Running", id="has started"),
        pytest.param((), "running", "Running", id="is starting again"),
    ],
)
def test_phase_with_a_sidecar(started: tuple[str, ...], regular: str | None, expected: str) -> None:
    found = [container("s"), *([container("c", regular)] if regular else [])]
    wanted = pod(initContainers=[{"name": "s", "restartPolicy": "Always"}])
    assert phase(wanted, seen(*found, started=frozenset(started))) == expected


def test_a_final_phase_stays() -> None:
    assert phase(pod(status={"phase": "Failed"}), seen(container("c"))) == "Failed"


def test_a_deadline_that_is_over_is_a_failure() -> None:
    over = seen(container("c"), plan=Plan(Stage.FINISHED, reason="DeadlineExceeded"))
    status = pod_status(pod(), {}, over, NOW)
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")
    later = pod_status(pod(status=status), status, seen(container("c", 137)), NOW)
    assert (later["reason"], later["message"]) == (status["reason"], status["message"])


def test_addresses_and_times() -> None:
    status = pod_status(pod(), {}, seen(container("c")), NOW)
    assert (status["podIP"], status["podIPs"]) == ("10.128.0.2", [{"ip": "10.128.0.2"}])
    assert (status["hostIP"], status["hostIPs"]) == ("127.0.0.11", [{"ip": "127.0.0.11"}])
    assert status["startTime"] == format_time(BEFORE), "the sandbox remembers"
    shared = pod_status(pod(hostNetwork=True), {}, seen(container("c")), NOW)
    assert shared["podIP"] == "127.0.0.11"


def test_without_a_sandbox_the_former_address_is_shown() -> None:
    gone = seen(box=sandbox(NOT_READY))
    assert "podIP" not in pod_status(pod(), {}, gone, NOW)
    previous = {"podIP": "10.128.0.9", "startTime": "2025-01-01T00:00:00Z"}
    status = pod_status(pod(), previous, gone, NOW)
    assert (status["podIP"], status["startTime"]) == ("10.128.0.9", "2025-01-01T00:00:00Z")
    nothing = seen(runtime=PodRuntime())
    assert pod_status(pod(), {}, nothing, NOW)["startTime"] == format_time(NOW)


def conditions(
    wanted: Object, observation: Observation, previous: Object | None = None
) -> dict[str, str]:
    status = pod_status(wanted, previous or {}, observation, NOW)
    return {
        one["type"]: one["status"] + (f" {one['reason']}" if "reason" in one else "")
        for one in status["conditions"]
    }


@pytest.mark.parametrize(
    ("wanted", "observation", "expected"),
    [
        pytest.param(
            pod(),
            seen(volumes_ready=False),
            {
                "PodReadyToStartContainers": "False",
                "Initialized": "True",
                "Ready": "False ContainersNotReady",
                "ContainersReady": "False ContainersNotReady",
                "PodScheduled": "True",
            },
            id="volumes are missing",
        ),
        pytest.param(
            pod(),
            seen(container("c")),
            {
                "PodReadyToStartContainers": "True",
                "Initialized": "True",
                "Ready": "True",
                "ContainersReady": "True",
                "PodScheduled": "True",
            },
            id="all is well",
        ),
        pytest.param(
            pod(policy="Never"),
            seen(container("c", 0), box=sandbox(NOT_READY)),
            {
                "PodReadyToStartContainers": "False",
                "Initialized": "True PodCompleted",
                "Ready": "False PodCompleted",
                "ContainersReady": "False PodCompleted",
                "PodScheduled": "True",
            },
            id="succeeded",
        ),
        pytest.param(
            pod(policy="Never"),
            seen(container("c", 1)),
            {
                "PodReadyToStartContainers": "True",
                "Initialized": "True",
                "Ready": "False PodFailed",
                "ContainersReady": "False PodFailed",
                "PodScheduled": "True",
            },
            id="failed",
        ),
        pytest.param(
            pod(initContainers=[{"name": "i"}]),
            seen(container("i")),
            {
                "PodReadyToStartContainers": "True",
                "Initialized": "False ContainersNotInitialized",
                "Ready": "False ContainersNotReady",
                "ContainersReady": "False ContainersNotReady",
                "PodScheduled": "True",
            },
            id="initializing",
        ),
        pytest.param(
            pod(initContainers=[{"name": "i"}]),
            seen(container("i", 0)),
            {
                "PodReadyToStartContainers": "True",
                "Initialized": "True",
                "Ready": "False ContainersNotReady",
                "ContainersReady": "False ContainersNotReady",
                "PodScheduled": "True",
            },
            id="initialized",
        ),
        pytest.param(
            pod(readinessGates=[{"conditionType": "lb"}]),
            seen(container("c")),
            {
                "PodReadyToStartContainers": "True",
                "Initialized": "True",
                "Ready": "False ReadinessGatesNotReady",
                "ContainersReady": "True",
                "PodScheduled": "True",
            },
            id="a gate is shut",
        ),
    ],
)
def test_conditions(wanted: Object, observation: Observation, expected: dict[str, str]) -> None:
    assert conditions(wanted, observation) == expected


def test_a_gate_that_somebody_opened_lets_the_pod_be_ready() -> None:
    gate = {"type": "lb", "status": "True"}
    wanted = pod(readinessGates=[{"conditionType": "lb"}])
    shown = conditions(wanted, seen(container("c")), {"conditions": [gate]})
    assert (shown["lb"], shown["Ready"]) == ("True", "True")


def test_unready_containers_are_named() -> None:
    status = pod_status(pod("a", "b"), {}, seen(container("a"), container("b", 1)), NOW)
    ready = find_condition(status["conditions"], "Ready")
    assert ready is not None
    assert ready["message"] == "containers with unready status: [b]"


def test_a_condition_keeps_its_time_and_the_former_status_is_not_touched() -> None:
    first = pod_status(pod(), {}, seen(container("c")), BEFORE)
    second = pod_status(pod(), first, seen(container("c")), NOW)
    assert second["conditions"] == first["conditions"]
    third = pod_status(pod(), second, seen(container("c", 1)), NOW)
    ready = find_condition(third["conditions"], "Ready")
    assert ready is not None
    assert ready["lastTransitionTime"] == format_time(NOW)
    assert second["conditions"] == first["conditions"]


def one_status(observation: Observation, wanted: Object | None = None, **previous: Any) -> Object:
    status: Object = pod_status(wanted or pod(), previous, observation, NOW)["containerStatuses"][0]
    return status


def test_a_running_container() -> None:
    assert one_status(seen(container("c", attempt=2), container("c", 3, attempt=1))) == {
        "name": "c",
        "state": {"running": {"startedAt": "2026-01-01T11:59:00Z"}},
        "lastState": {
            "terminated": {
                "exitCode": 3,
                "reason": "Error",
                "startedAt": "2026-01-01T11:59:00Z",
                "finishedAt": "2026-01-01T12:00:00Z",
                "containerID": "podpass://c-1",
            }
        },
        "ready": True,
        "restartCount": 2,
        "image": "nginx",
        "imageID": "sha256:1",
        "containerID": "podpass://c-2",
        "started": True,
    }


@pytest.mark.parametrize(
    ("stage", "init", "reason"),
    [
        pytest.param(Stage.PREPARING, False, "ContainerCreating", id="no init containers"),
        pytest.param(Stage.INITIALIZING, True, "PodInitializing", id="init containers go first"),
        pytest.param(Stage.RUNNING, True, "ContainerCreating", id="its turn has come"),
    ],
)
def test_a_container_that_is_to_be_started(stage: Stage, init: bool, reason: str) -> None:
    wanted = pod(initContainers=[{"name": "i"}]) if init else pod()
    status = one_status(seen(plan=Plan(stage)), wanted)
    assert status["state"] == {"waiting": {"reason": reason}}
    assert (status["ready"], status["started"], status["imageID"]) == (False, False, "")


@pytest.mark.parametrize(
    ("found", "state", "last"),
    [
        pytest.param((), "waiting", {}, id="never made"),
        pytest.param((container("c", "created"),), "waiting", {}, id="made only"),
        pytest.param((container("c", 1),), "waiting", {"terminated"}, id="ended before"),
    ],
)
def test_what_holds_a_container_back(
    found: tuple[ContainerStatus, ...], state: str, last: set[str]
) -> None:
    waiting = {"c": Waiting("CrashLoopBackOff", "back-off 10s")}
    status = one_status(seen(*found, waiting=waiting))
    assert status["state"] == {state: {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    assert set(status["lastState"]) == set(last)


def test_a_container_whose_records_are_gone_keeps_its_past() -> None:
    former = {"name": "c", "restartCount": 4, "lastState": {"terminated": {"exitCode": 1}}}
    status = one_status(seen(), containerStatuses=[former])
    assert (status["restartCount"], status["lastState"]) == (4, former["lastState"])
    fresh = one_status(seen(), containerStatuses=[{"name": "c"}])
    assert (fresh["restartCount"], fresh["lastState"]) == (0, {})
    again = one_status(seen(container("c", attempt=5)), containerStatuses=[former])
    assert again["lastState"] == former["lastState"]


@pytest.mark.parametrize(
    ("ended", "shown"),
    [
        pytest.param(container("c", 0), (0, "Completed", None), id="succeeded"),
        pytest.param(container("c", 2), (2, "Error", None), id="failed"),
        pytest.param(
            container("c", 137, reason="OOMKilled", message="too big"),
            (137, "OOMKilled", "too big"),
            id="with a reason",
        ),
    ],
)
def test_a_container_that_ended(ended: ContainerStatus, shown: tuple[int, str, str | None]) -> None:
    state = one_status(seen(ended), pod(policy="Never"))["state"]["terminated"]
    assert (state["exitCode"], state["reason"], state.get("message")) == shown


def test_an_exit_code_that_was_lost() -> None:
    odd = ContainerStatus(
        id=ContainerID("x"),
        sandbox_id=SandboxID("s"),
        config=ContainerConfig("c", 0, "nginx", Path("/log")),
        state=ContainerState.EXITED,
        image_id="",
        created_at=BEFORE,
    )
    ended = one_status(seen(odd))["state"]["terminated"]
    assert (ended["exitCode"], ended["startedAt"]) == (137, format_time(BEFORE))


@pytest.mark.parametrize(
    ("state", "ready"),
    [
        pytest.param("running", False, id="not while it runs"),
        pytest.param(0, True, id="once it is through"),
        pytest.param(1, False, id="not when it failed"),
    ],
)
def test_when_an_init_container_is_ready(state: str | int, ready: bool) -> None:
    wanted = pod(initContainers=[{"name": "i", "image": "x"}])
    status = pod_status(wanted, {}, seen(container("i", state)), NOW)
    assert status["initContainerStatuses"][0]["ready"] is ready


def test_a_sidecar_is_ready_while_it_runs() -> None:
    wanted = pod(initContainers=[{"name": "s", "restartPolicy": "Always"}])
    status = pod_status(wanted, {}, seen(container("s")), NOW)
    assert status["initContainerStatuses"][0]["ready"] is True


def test_before_the_first_decision_all_is_shown_as_creating() -> None:
    wanted = pod(initContainers=[{"name": "i"}])
    status = one_status(seen(plan=None), wanted)
    assert status["state"] == {"waiting": {"reason": "ContainerCreating"}}
