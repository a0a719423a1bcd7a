"""The table of states in `kubelet.pod_worker`, row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from podpass.api.meta import format_time
from podpass.api.resources import Object
from podpass.kubelet.pod_worker import (
    Plan,
    PodRuntime,
    Situation,
    Stage,
    Verdict,
    container_spec,
    decide,
    verdict,
)
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

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def sandbox(state: SandboxState = SandboxState.READY, attempt: int = 0) -> SandboxStatus:
    config = SandboxConfig(
        "ns", "p", "u", attempt, "p", host_network=False, log_directory=Path("/")
    )
    return SandboxStatus(SandboxID(f"s{attempt}"), config, state, NOW)


def container(
    name: str, state: str | int = "running", *, attempt: int = 0, box: str = "s0"
) -> ContainerStatus:
    """Return a container: `created`, `running`, or an exit code."""
    code = state if isinstance(state, int) else None
    return ContainerStatus(
        id=ContainerID(f"{name}{attempt}"),
        sandbox_id=SandboxID(box),
        config=ContainerConfig(name, attempt, "nginx", Path("/log")),
        state=ContainerState.EXITED if code is not None else ContainerState(state),
        image_id="i",
        created_at=NOW,
        started_at=NOW,
        finished_at=NOW if code is not None else None,
        exit_code=code,
    )


def runtime(
    *containers: ContainerStatus, boxes: tuple[SandboxStatus, ...] | None = None
) -> PodRuntime:
    groups: dict[str, tuple[ContainerStatus, ...]] = {}
    for one in containers:
        groups[one.config.name] = (*groups.get(one.config.name, ()), one)
    return PodRuntime((sandbox(),) if boxes is None else boxes, groups)


def pod(*names: str, policy: str = "Always", status: Object | None = None, **spec: Any) -> Object:
    containers = [{"name": name} for name in names or ("c",)]
    spec = {"restartPolicy": policy, "containers": containers} | spec
    return {"metadata": {"name": "p", "uid": "u"}, "spec": spec, "status": status or {}}


def plan(
    wanted: Object,
    has: PodRuntime,
    *,
    must_stop: bool = False,
    volumes_ready: bool = True,
    ready_at: datetime = NOW,
    started: bool = True,
    now: datetime = NOW,
) -> Plan:
    return decide(
        Situation(
            wanted, has, must_stop, volumes_ready, lambda _one: ready_at, lambda _one: started, now
        )
    )


START, RESTART, KEEP, DONE = Verdict.START, Verdict.RESTART, Verdict.KEEP, Verdict.DONE


@pytest.mark.parametrize(
    ("state", "always", "on_failure", "never"),
    [
        pytest.param(None, START, START, START, id="absent"),
        pytest.param("created", RESTART, RESTART, RESTART, id="created"),
        pytest.param("running", KEEP, KEEP, KEEP, id="running"),
        pytest.param(0, RESTART, DONE, DONE, id="ended with 0"),
        pytest.param(1, RESTART, RESTART, DONE, id="ended with 1"),
        pytest.param(137, RESTART, RESTART, DONE, id="killed"),
    ],
)
def test_the_table(
    state: str | int | None, always: Verdict, on_failure: Verdict, never: Verdict
) -> None:
    one = None if state is None else container("c", state)
    answers = [verdict(one, policy) for policy in ("Always", "OnFailure", "Never")]
    assert answers == [always, on_failure, never]


@pytest.mark.parametrize(
    ("has", "expected"),
    [
        pytest.param(runtime(container("c")), Plan(Stage.STOPPING, stop_all=True), id="running"),
        pytest.param(
            runtime(container("c", 0)), Plan(Stage.STOPPING, stop_all=True), id="sandbox is ready"
        ),
        pytest.param(
            runtime(container("c", 0), boxes=(sandbox(SandboxState.NOT_READY),)),
            Plan(Stage.STOPPED),
            id="nothing runs",
        ),
        pytest.param(runtime(boxes=()), Plan(Stage.STOPPED), id="nothing there"),
    ],
)
def test_a_pod_that_must_stop(has: PodRuntime, expected: Plan) -> None:
    assert plan(pod(), has, must_stop=True) == expected


def test_a_new_pod_gets_a_sandbox_even_before_its_volumes() -> None:
    wanted = plan(pod(), runtime(boxes=()), volumes_ready=False)
    assert wanted == Plan(Stage.PREPARING, make_sandbox=True)


def test_a_dead_sandbox_is_replaced() -> None:
    has = runtime(container("c", 137), boxes=(sandbox(SandboxState.NOT_READY),))
    assert plan(pod(), has) == Plan(Stage.PREPARING, make_sandbox=True)


def test_containers_wait_for_volumes() -> None:
    assert plan(pod(), runtime(), volumes_ready=False) == Plan(Stage.PREPARING)
    assert plan(pod(), runtime()) == Plan(Stage.RUNNING, start=("c",))


def test_what_runs_is_left_alone_and_the_others_are_started() -> None:
    assert plan(pod("a", "b"), runtime(container("a"))) == Plan(Stage.RUNNING, start=("b",))


@pytest.mark.parametrize(
    ("ready_at", "expected"),
    [
        pytest.param(NOW, Plan(Stage.RUNNING, start=("c",)), id="the back-off is over"),
        pytest.param(
            NOW + SECOND,
            Plan(Stage.RUNNING, backing_off={"c": NOW + SECOND}, wake_at=NOW + SECOND),
            id="not yet",
        ),
    ],
)
def test_a_restart_waits_for_its_back_off(ready_at: datetime, expected: Plan) -> None:
    assert plan(pod(), runtime(container("c", 1)), ready_at=ready_at) == expected


@pytest.mark.parametrize(
    ("policy", "codes", "stage"),
    [
        pytest.param("Never", (0, 1), Stage.FINISHED, id="never, all ended"),
        pytest.param("Never", (0, "running"), Stage.RUNNING, id="never, one runs"),
        pytest.param("OnFailure", (0, 0), Stage.FINISHED, id="on failure, none failed"),
        pytest.param("OnFailure", (0, 1), Stage.RUNNING, id="on failure, one failed"),
        pytest.param("Always", (0, 0), Stage.RUNNING, id="always"),
    ],
)
def test_when_a_pod_is_finished(policy: str, codes: tuple[str | int, ...], stage: Stage) -> None:
    has = runtime(*(container(name, code) for name, code in zip("ab", codes, strict=True)))
    decided = plan(pod("a", "b", policy=policy), has)
    assert decided.stage is stage
    assert decided.stop_all is (stage is Stage.FINISHED), "its sandbox goes with it"


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_phase_never_goes_back(phase: str) -> None:
    decided = plan(pod(status={"phase": phase}), runtime(boxes=()))
    assert decided == Plan(Stage.FINISHED)


@pytest.mark.parametrize(
    ("now", "stage", "reason"),
    [
        pytest.param(NOW + 9 * SECOND, Stage.RUNNING, "", id="before"),
        pytest.param(NOW + 10 * SECOND, Stage.FINISHED, "DeadlineExceeded", id="at its end"),
    ],
)
def test_the_active_deadline(now: datetime, stage: Stage, reason: str) -> None:
    wanted = pod(status={"startTime": format_time(NOW)}, activeDeadlineSeconds=10)
    decided = plan(wanted, runtime(container("c")), now=now)
    assert (decided.stage, decided.reason) == (stage, reason)
    assert decided.stop_all is bool(reason)
    if not reason:
        assert decided.wake_at == NOW + 10 * SECOND


def init(*names: str, sidecar: str = "", policy: str = "Always") -> Object:
    containers: list[Object] = [{"name": name} for name in names]
    for one in containers:
        if one["name"] == sidecar:
            one["restartPolicy"] = "Always"
    return pod("c", policy=policy, initContainers=containers)


@pytest.mark.parametrize(
    ("has", "expected"),
    [
        pytest.param(runtime(), Plan(Stage.INITIALIZING, start=("i",)), id="the first"),
        pytest.param(runtime(container("i")), Plan(Stage.INITIALIZING), id="the first runs"),
        pytest.param(
            runtime(container("i", 0)), Plan(Stage.INITIALIZING, start=("j",)), id="the second"
        ),
        pytest.param(
            runtime(container("i", 1)), Plan(Stage.INITIALIZING, start=("i",)), id="the first again"
        ),
        pytest.param(
            runtime(container("i", 0), container("j", 0)),
            Plan(Stage.RUNNING, start=("c",)),
            id="the pod's own",
        ),
        pytest.param(
            runtime(container("c")), Plan(Stage.RUNNING), id="records of the first are gone"
        ),
        pytest.param(
            runtime(container("i", 0), container("j", 0), boxes=(sandbox(attempt=1),)),
            Plan(Stage.INITIALIZING, start=("i",)),
            id="all again in a new sandbox",
        ),
        pytest.param(
            runtime(
                container("i", 0), container("j", 0), container("c", 1), boxes=(sandbox(attempt=1),)
            ),
            Plan(Stage.INITIALIZING, start=("i",)),
            id="also when the pod's own ran in the former one",
        ),
    ],
)
def test_init_containers_run_one_after_the_other(has: PodRuntime, expected: Plan) -> None:
    assert plan(init("i", "j"), has) == expected


@pytest.mark.parametrize(
    ("policy", "stage"),
    [
        pytest.param("Never", Stage.FINISHED, id="never"),
        pytest.param("OnFailure", Stage.INITIALIZING, id="on failure"),
    ],
)
def test_an_init_container_that_fails(policy: str, stage: Stage) -> None:
    assert plan(init("i", policy=policy), runtime(container("i", 1))).stage is stage


def test_an_init_container_that_succeeded_lets_a_never_pod_go_on() -> None:
    decided = plan(init("i", policy="Never"), runtime(container("i", 0)))
    assert decided == Plan(Stage.RUNNING, start=("c",))


@pytest.mark.parametrize(
    ("has", "started", "expected"),
    [
        pytest.param(runtime(), True, Plan(Stage.INITIALIZING, start=("s",)), id="absent"),
        pytest.param(
            runtime(container("s")), False, Plan(Stage.INITIALIZING), id="its startup probe fails"
        ),
        pytest.param(
            runtime(container("s")), True, Plan(Stage.RUNNING, start=("c",)), id="it has started"
        ),
        pytest.param(
            runtime(container("s", 0)),
            True,
            Plan(Stage.INITIALIZING, start=("s",)),
            id="it ended too early",
        ),
        pytest.param(
            runtime(container("s", 0), container("c")),
            True,
            Plan(Stage.RUNNING, start=("s",)),
            id="it ended beside the others",
        ),
        pytest.param(
            runtime(container("s"), boxes=(sandbox(attempt=1),)),
            True,
            Plan(Stage.INITIALIZING, start=("s",)),
            id="it belongs to a former sandbox",
        ),
    ],
)
def test_sidecars(has: PodRuntime, started: bool, expected: Plan) -> None:
    assert plan(init("s", sidecar="s"), has, started=started) == expected


def test_a_sidecar_does_not_keep_a_pod_from_being_finished() -> None:
    has = runtime(container("s"), container("c", 0))
    decided = plan(init("s", sidecar="s", policy="Never"), has)
    assert decided == Plan(Stage.FINISHED, stop_all=True)


def test_a_sidecar_that_failed_does_not_fail_a_never_pod() -> None:
    has = runtime(container("s", 1), container("c"))
    decided = plan(init("s", sidecar="s", policy="Never"), has)
    assert decided == Plan(Stage.RUNNING, start=("s",))


def test_the_runtime_tells_newest_and_running() -> None:
    has = runtime(container("c", attempt=1), container("c", 0), container("d", 0))
    assert [one.id for one in has.running()] == ["c1"]
    newest = has.newest("c")
    assert newest is not None
    assert newest.config.attempt == 1
    assert has.newest("x") is None
    assert PodRuntime().sandbox is None
    assert PodRuntime().ready_sandbox is None


def test_a_container_is_found_by_name() -> None:
    wanted = init("i")
    assert container_spec(wanted, "i") == {"name": "i"}
    with pytest.raises(KeyError):
        container_spec(wanted, "x")
