"""Every edge of the rollout's state machine, and what holds whatever happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podpass.operator.installer import (
    CreateInstaller,
    Done,
    InstallerPod,
    InstallerTiming,
    Rollout,
    Step,
    UpdateNode,
    Wait,
    decide_step,
    installer_name,
    min_ready_wait,
)
from podpass.operator.node_choice import StaticPod
from podpass.operator.node_status import NodeStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TIMING = InstallerTiming(30 * SECOND, 10 * SECOND, 600 * SECOND)
READY_11 = StaticPod(11, "11", ready=True)
READY_12 = StaticPod(12, "12", ready=True)
INSTALLING = NodeStatus("a", current_revision=11, target_revision=12)


def decide(
    node: NodeStatus,
    *pods: InstallerPod,
    latest: int = 12,
    static: StaticPod | None = READY_11,
    now: datetime = NOW,
) -> Step:
    others = [NodeStatus("b", current_revision=latest)]
    static_pods = {"b": StaticPod(latest, str(latest), ready=True)}
    if static is not None:
        static_pods["a"] = static
    rollout = Rollout([node, *others], latest, static_pods, {one.name: one for one in pods})
    return decide_step(rollout, TIMING, now)


def installer(phase: str, *errors: str, attempt: int = 0, revision: int = 12) -> InstallerPod:
    return InstallerPod(installer_name("a", revision, attempt), phase, errors)


def test_names_of_installers() -> None:
    assert installer_name("master-0", 12, 0) == "installer-12-master-0"
    assert installer_name("master-0", 12, 3) == "installer-12-retry-3-master-0"


def test_without_nodes_there_is_nothing_to_do() -> None:
    assert decide_step(Rollout([], 12, {}, {}), TIMING, NOW) == Done()


def test_all_are_there() -> None:
    assert decide(NodeStatus("a", current_revision=12), static=READY_12) == Done()


def test_a_node_is_given_a_target() -> None:
    node = NodeStatus("a", current_revision=11)
    step = decide(node)
    assert isinstance(step, UpdateNode)
    assert (step.before, step.after) == (node, INSTALLING)
    assert step.reason == "node a with revision 11 is the oldest"


def test_a_target_gets_its_installer() -> None:
    step = decide(INSTALLING)
    assert step == CreateInstaller("a", 12, 0)
    assert isinstance(step, CreateInstaller)
    assert step.pod_name == "installer-12-a"


@pytest.mark.parametrize("phase", ["Pending", "Running", "Unknown"])
def test_an_installer_is_waited_for(phase: str) -> None:
    assert decide(INSTALLING, installer(phase)) == Wait(
        f"installer is not finished, but in {phase} phase"
    )


@pytest.mark.parametrize(
    ("static", "why"),
    [
        pytest.param(None, "waiting for static pod", id="there is none"),
        pytest.param(
            READY_11, "waiting for static pod of revision 12, found 11", id="it is the former one"
        ),
        pytest.param(StaticPod(12, "12"), "static pod is pending", id="it is not ready"),
    ],
)
def test_a_static_pod_is_waited_for_for_ever(static: StaticPod | None, why: str) -> None:
    later = NOW + timedelta(days=30)
    assert decide(INSTALLING, installer("Succeeded"), static=static, now=later) == Wait(why)


@pytest.mark.parametrize("pods", [(installer("Succeeded"),), ()], ids=["there", "deleted"])
def test_a_ready_static_pod_is_the_end(pods: tuple[InstallerPod, ...]) -> None:
    step = decide(INSTALLING, *pods, static=READY_12)
    after = NodeStatus("a", current_revision=12)
    assert step == UpdateNode(INSTALLING, after, "static pod is ready")


def test_a_failure_is_recorded_and_kept() -> None:
    step = decide(INSTALLING, installer("Failed", "installer: no space"))
    assert isinstance(step, UpdateNode)
    failed = step.after
    assert failed == replace(
        INSTALLING,
        last_failed_revision=12,
        last_failed_time=NOW,
        last_failed_reason="InstallerFailed",
        last_failed_count=1,
        last_failed_errors=("installer: no space",),
    )
    done = decide(failed, installer("Succeeded", attempt=1), static=READY_12)
    assert isinstance(done, UpdateNode)
    assert done.after == replace(failed, current_revision=12, target_revision=0)


@pytest.mark.parametrize(
    ("count", "seconds"),
    [
        pytest.param(1, 15, id="the first time"),
        pytest.param(2, 22.5, id="the second time"),
        pytest.param(11, 600, id="never longer than the limit"),
        pytest.param(100000, 600, id="however often"),
    ],
)
def test_a_failed_installer_is_tried_again_later_and_later(count: int, seconds: float) -> None:
    failed = replace(
        INSTALLING, last_failed_revision=12, last_failed_time=NOW, last_failed_count=count
    )
    pod = installer("Failed", attempt=count - 1)
    due = NOW + timedelta(seconds=seconds)
    early = decide(failed, pod, now=due - SECOND)
    assert isinstance(early, Wait)
    assert early.delay == SECOND
    assert decide(failed, pod, now=due) == CreateInstaller("a", 12, count)


def test_an_attempt_that_failed_too_counts_on() -> None:
    failed = replace(INSTALLING, last_failed_revision=12, last_failed_time=NOW, last_failed_count=1)
    step = decide(failed, installer("Failed", "again", attempt=1))
    assert isinstance(step, UpdateNode)
    assert step.after.last_failed_count == 2


def test_a_failure_of_a_former_revision_does_not_count() -> None:
    failed = replace(INSTALLING, last_failed_revision=10, last_failed_time=NOW, last_failed_count=7)
    assert decide(failed) == CreateInstaller("a", 12, 0)
    step = decide(failed, installer("Failed", "x"))
    assert isinstance(step, UpdateNode)
    assert step.after.last_failed_count == 1


def test_a_static_pod_that_fails_gives_the_target_back_and_waits() -> None:
    step = decide(INSTALLING, installer("Succeeded"), static=StaticPod(12, "12", failed=True))
    assert isinstance(step, UpdateNode)
    assert step.after.target_revision == 0
    assert step.after.last_failed_reason == "OperandFailed"
    early = decide(step.after, now=NOW + 14 * SECOND)
    assert isinstance(early, Wait)
    assert early.delay == SECOND
    again = decide(step.after, now=NOW + 15 * SECOND)
    assert isinstance(again, UpdateNode)
    assert again.reason == "node a with revision 11 is the oldest"
    assert again.after.target_revision == 12
    assert decide(again.after, now=NOW + 15 * SECOND) == CreateInstaller("a", 12, 1)


@pytest.mark.parametrize(
    ("phase", "deleted"),
    [
        pytest.param("Pending", "installer-12-a", id="pending"),
        pytest.param("Running", "installer-12-a", id="running"),
        pytest.param("Succeeded", "", id="succeeded"),
        pytest.param("Failed", "", id="failed"),
        pytest.param("", "", id="not there"),
    ],
)
def test_a_newer_revision_takes_over_at_once(phase: str, deleted: str) -> None:
    pods = (installer(phase),) if phase else ()
    step = decide(INSTALLING, *pods, latest=13)
    after = replace(INSTALLING, target_revision=13)
    assert step == UpdateNode(INSTALLING, after, "new revision pending", deleted)


def test_a_newer_revision_does_not_wait_for_the_retry() -> None:
    failed = replace(INSTALLING, last_failed_revision=12, last_failed_time=NOW, last_failed_count=9)
    step = decide(failed, latest=13)
    assert isinstance(step, UpdateNode)
    assert decide(step.after, latest=13) == CreateInstaller("a", 13, 0)


@pytest.mark.parametrize(
    ("ages", "seconds"),
    [
        pytest.param([100, 29], 1, id="the youngest is too young"),
        pytest.param([100, 30], 0, id="the youngest is old enough"),
        pytest.param([], 0, id="there is none"),
        pytest.param([-30], 60, id="its clock is ahead by as much as there is to wait"),
        pytest.param([-31], 0, id="the clock was set back since"),
    ],
)
def test_nothing_is_done_soon_after_a_static_pod_became_ready(
    ages: list[int], seconds: int
) -> None:
    pods = {
        str(age): StaticPod(11, "11", ready=True, ready_since=NOW - age * SECOND) for age in ages
    }
    pods["unready"] = StaticPod(11, "11", ready=False, ready_since=NOW)
    assert min_ready_wait(pods, TIMING, NOW) == seconds * SECOND


EAGER = InstallerTiming(timedelta(0), SECOND, 4 * SECOND)


class World:
    """What the API keeps, and the nodes; the operator that looks at it keeps nothing."""

    def __init__(self, count: int) -> None:
        self.nodes = [NodeStatus(f"n{i}", current_revision=1) for i in range(count)]
        self.static = {node.name: StaticPod(1, "1", ready=True) for node in self.nodes}
        self.pods: dict[str, InstallerPod] = {}
        self.latest = 1
        self.now = NOW
        self.written: list[int] = []

    def step(self, *, killed: bool = False) -> Step:
        """Let an operator do one step, or be killed in the middle of it."""
        rollout = Rollout(list(self.nodes), self.latest, self.static, dict(self.pods))
        step = decide_step(rollout, EAGER, self.now)
        if isinstance(step, CreateInstaller):
            self.pods.setdefault(step.pod_name, InstallerPod(step.pod_name, "Pending"))
        elif isinstance(step, UpdateNode):
            self.pods.pop(step.delete_pod, None)
            if not killed:
                self.nodes = [step.after if one == step.before else one for one in self.nodes]
        elif isinstance(step, Wait) and step.delay is not None:
            self.now += step.delay
        return step

    def run_pods(self, *, fail: bool = False) -> None:
        """Let the nodes run every installer that has not ended."""
        for name, pod in list(self.pods.items()):
            if pod.phase not in ("Pending", "Running"):
                continue
            _, revision, *rest = name.split("-")
            node = rest[-1]
            if fail:
                self.pods[name] = InstallerPod(name, "Failed", ("installer: no",))
            else:
                self.pods[name] = InstallerPod(name, "Succeeded")
                self.static[node] = StaticPod(int(revision), revision, ready=True)
                self.written.append(int(revision))

    def check(self) -> None:
        """Check what must hold at any time."""
        assert sum(1 for one in self.nodes if one.target_revision) <= 1
        for one in self.nodes:
            assert one.current_revision <= self.latest
            assert one.target_revision <= self.latest
        running = [name for name, pod in self.pods.items() if pod.phase == "Pending"]
        assert len(running) <= 1


EVENTS = st.sampled_from(["step", "killed", "run", "fail", "revision", "delete pods"])


@settings(max_examples=300, deadline=None)
@given(count=st.integers(1, 4), events=st.lists(EVENTS, max_size=40))
def test_whatever_happens_the_rollout_ends_where_it_should(count: int, events: list[str]) -> None:
    world = World(count)
    for event in events:
        before = {one.name: one.current_revision for one in world.nodes}
        if event == "step":
            world.step()
        elif event == "killed":
            world.step(killed=True)
        elif event in ("run", "fail"):
            world.run_pods(fail=event == "fail")
        elif event == "revision":
            world.latest += 1
        else:
            world.pods.clear()
        world.check()
        assert all(one.current_revision >= before[one.name] for one in world.nodes)
    for _ in range(20 * count):
        if isinstance(world.step(), Done):
            break
        world.run_pods()
        world.check()
    assert {one.current_revision for one in world.nodes} == {world.latest}
    assert all(not one.target_revision for one in world.nodes)
