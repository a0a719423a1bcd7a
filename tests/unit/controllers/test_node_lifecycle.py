"""A node that falls silent is noticed, and forgiven when it speaks again."""

from typing import Any

import pytest

from podpass.api.resources import EVENTS, LEASES, NODES, PODS, Object
from podpass.client.events import EventRecorder
from podpass.client.rest import RestClient
from podpass.controllers.node_health import ready_status
from podpass.controllers.node_lifecycle import NodeLifecycleController
from podpass.controllers.settings import ControllerManagerSettings
from podpass.controllers.shared_informers import SharedInformers
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.background import Background
from podpass.testing.fake_clock import FakeClock, settle, until


@pytest.fixture
async def controller(
    client: RestClient,
    informers: SharedInformers,
    clock: FakeClock,
    recorder: EventRecorder,
    background: Background,
) -> NodeLifecycleController:
    controller = NodeLifecycleController(
        client, informers, clock, recorder, ControllerManagerSettings()
    )
    background.start(controller.run())
    return controller


def report(simulator: ApiSimulator, name: str, ready: str = "True") -> None:
    """Do what a kubelet does: say how the node is."""
    former = simulator.object(NODES, "", name) or {"metadata": {"name": name}, "spec": {}}
    conditions = [{"type": "Ready", "status": ready, "reason": "KubeletReady"}]
    simulator.put(NODES, former | {"status": {"conditions": conditions}})


def renew(simulator: ApiSimulator, name: str, time: str) -> None:
    metadata = {"name": name, "namespace": "kube-node-lease"}
    simulator.put(LEASES, {"metadata": metadata, "spec": {"renewTime": time}})


def status_of(simulator: ApiSimulator, name: str) -> str:
    return ready_status(simulator.object(NODES, "", name) or {})


def taints_of(simulator: ApiSimulator, name: str) -> set[Any]:
    node = simulator.object(NODES, "", name) or {}
    return {
        (one["key"].rpartition("/")[2], one["effect"])
        for one in node.get("spec", {}).get("taints", [])
    }


async def pass_time(simulator: ApiSimulator, clock: FakeClock, seconds: int, *alive: str) -> None:
    """Let time pass; nodes that are alive renew their leases meanwhile."""
    for _ in range(seconds // 5):
        for name in alive:
            renew(simulator, name, str(clock.monotonic()))
        seen = len(simulator.requests)
        await until(lambda: clock.sleeping)
        await clock.advance(5)
        await settle_requests(simulator, seen)


async def settle_requests(simulator: ApiSimulator, seen: int) -> None:
    """Wait until no more requests come in."""
    for _ in range(20):
        await settle()
        if len(simulator.requests) == seen:
            return
        seen = len(simulator.requests)


@pytest.mark.usefixtures("controller")
@pytest.mark.parametrize("step", [3600, -3600], ids=["forward", "back"])
async def test_a_clock_that_is_set_makes_no_node_silent(
    simulator: ApiSimulator, clock: FakeClock, step: float
) -> None:
    report(simulator, "n1")
    await pass_time(simulator, clock, 20, "n1")
    clock.step(step)
    await pass_time(simulator, clock, 60, "n1")
    assert status_of(simulator, "n1") == "True"
    assert taints_of(simulator, "n1") == set()


@pytest.mark.usefixtures("controller")
async def test_a_silent_node_becomes_unknown_and_its_pods_not_ready(
    simulator: ApiSimulator, informers: SharedInformers, clock: FakeClock
) -> None:
    ready = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"}
    pod: Object = {"metadata": {"name": "p", "namespace": "ns"}, "status": ready}
    simulator.put(PODS, pod | {"spec": {"nodeName": "silent"}})
    for name in ("silent", "alive"):
        report(simulator, name)
        renew(simulator, name, "start")
    await until(lambda: len(informers[LEASES].list()) == 2 and len(informers[NODES].list()) == 2)
    await pass_time(simulator, clock, 40, "alive")
    assert status_of(simulator, "silent") == "True"
    await pass_time(simulator, clock, 10, "alive")
    await until(lambda: status_of(simulator, "silent") == "Unknown")
    await pass_time(simulator, clock, 10, "alive")
    await until(
        lambda: (
            taints_of(simulator, "silent")
            == {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")}
        )
    )
    assert status_of(simulator, "alive") == "True"
    assert taints_of(simulator, "alive") == set()

    def pod_ready() -> str:
        found = simulator.object(PODS, "ns", "p") or {}
        return str(found["status"]["conditions"][0]["status"])

    await until(lambda: pod_ready() == "False")
    await until(lambda: len(simulator.objects(EVENTS)) == 2)
    assert {one["reason"] for one in simulator.objects(EVENTS)} == {"NodeNotReady"}

    report(simulator, "silent")
    renew(simulator, "silent", "again")
    await until(lambda: taints_of(simulator, "silent") == set())


@pytest.mark.usefixtures("controller")
async def test_when_all_nodes_are_silent_nobody_is_driven_off(
    simulator: ApiSimulator, informers: SharedInformers, clock: FakeClock
) -> None:
    report(simulator, "only")
    renew(simulator, "only", "start")
    await until(lambda: informers[LEASES].list() and informers[NODES].list())
    await pass_time(simulator, clock, 60)
    await until(lambda: taints_of(simulator, "only") == {("unreachable", "NoSchedule")})


@pytest.mark.usefixtures("controller")
async def test_a_node_that_says_it_is_not_ready_is_tainted_at_once(
    simulator: ApiSimulator,
) -> None:
    report(simulator, "good")
    report(simulator, "bad", "False")
    await until(
        lambda: (
            taints_of(simulator, "bad") == {("not-ready", "NoSchedule"), ("not-ready", "NoExecute")}
        )
    )


@pytest.mark.usefixtures("controller")
async def test_a_node_that_leaves_is_forgotten(
    simulator: ApiSimulator, informers: SharedInformers, clock: FakeClock
) -> None:
    report(simulator, "n")
    await until(informers[NODES].list)
    simulator.remove(NODES, "", "n")
    await until(lambda: not informers[NODES].list())
    await clock.advance(60)
    await settle_requests(simulator, len(simulator.requests))
    assert simulator.objects(NODES) == []
    assert clock.sleeping == []
