"""Pods are bound at once, or told why not."""

from typing import Any

import pytest

from podpass.api.errors import conflict, internal
from podpass.api.meta import find_condition
from podpass.api.resources import EVENTS, NODES, PODS, Object
from podpass.client.events import EventRecorder
from podpass.client.rest import RestClient
from podpass.controllers.scheduler import Scheduler, waits_for_node
from podpass.controllers.shared_informers import SharedInformers
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.background import Background
from podpass.testing.fake_clock import FakeClock, until


def node(name: str, ready: str = "True", pods: int = 110) -> Object:
    return {
        "metadata": {"name": name},
        "spec": {},
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "allocatable": {"pods": str(pods)},
        },
    }


def pod(name: str, phase: str = "Pending", **spec: Any) -> Object:
    return {
        "metadata": {"name": name, "namespace": "ns", "uid": f"uid-of-{name}"},
        "spec": {"schedulerName": "default-scheduler"} | spec,
        "status": {"phase": phase},
    }


@pytest.fixture
async def scheduler(
    client: RestClient,
    informers: SharedInformers,
    clock: FakeClock,
    recorder: EventRecorder,
    background: Background,
) -> Scheduler:
    scheduler = Scheduler(client, informers, clock, recorder)
    background.start(scheduler.run())
    return scheduler


def node_of(simulator: ApiSimulator, name: str) -> str:
    found = simulator.object(PODS, "ns", name)
    assert found is not None
    return str(found["spec"].get("nodeName", ""))


def reasons(simulator: ApiSimulator) -> set[str]:
    return {one["reason"] for one in simulator.objects(EVENTS)}


@pytest.mark.parametrize(
    ("given", "waits"),
    [
        pytest.param(pod("a"), True, id="new"),
        pytest.param({"metadata": {}, "spec": {}}, True, id="without scheduler name"),
        pytest.param(pod("a", nodeName="n"), False, id="bound"),
        pytest.param(pod("a", schedulerName="mine"), False, id="of another scheduler"),
        pytest.param(pod("a", schedulingGates=[{"name": "g"}]), False, id="gated"),
        pytest.param(pod("a", "Failed"), False, id="finished"),
        pytest.param({"metadata": {"deletionTimestamp": "t"}}, False, id="terminating"),
    ],
)
def test_waits_for_node(given: Object, waits: bool) -> None:
    assert waits_for_node(given) is waits


@pytest.mark.usefixtures("scheduler")
async def test_a_pod_is_bound_and_the_event_says_where(simulator: ApiSimulator) -> None:
    simulator.put(NODES, node("n"))
    simulator.put(PODS, pod("a"))
    await until(lambda: node_of(simulator, "a") == "n")
    await until(lambda: simulator.objects(EVENTS))
    (event,) = simulator.objects(EVENTS)
    assert event["message"] == "Successfully assigned ns/a to n"
    binding = [path for method, path, _ in simulator.requests if path.endswith("/binding")]
    assert binding == ["/api/v1/namespaces/ns/pods/a/binding"]


@pytest.mark.usefixtures("scheduler")
async def test_pods_spread(simulator: ApiSimulator) -> None:
    for name in ("x", "y", "z"):
        simulator.put(NODES, node(name))
    for number in range(9):
        simulator.put(PODS, pod(f"p{number}"))
    await until(lambda: all(node_of(simulator, f"p{number}") for number in range(9)))
    used = [node_of(simulator, f"p{number}") for number in range(9)]
    assert sorted(used) == ["x"] * 3 + ["y"] * 3 + ["z"] * 3


@pytest.mark.usefixtures("scheduler")
async def test_a_pod_that_fits_nowhere_is_told_and_bound_when_a_node_comes(
    simulator: ApiSimulator,
) -> None:
    simulator.put(NODES, node("n", ready="False"))
    simulator.put(PODS, pod("a"))
    await until(lambda: "FailedScheduling" in reasons(simulator))

    def condition() -> Object | None:
        found = simulator.object(PODS, "ns", "a")
        assert found is not None
        return find_condition(found["status"].get("conditions", ()), "PodScheduled")

    await until(condition)
    assert condition() == {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": (
            "0/1 nodes are available: "
            "1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }."
        ),
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    simulator.put(NODES, node("n"))
    await until(lambda: node_of(simulator, "a") == "n")


@pytest.mark.usefixtures("scheduler")
@pytest.mark.parametrize("end", ["deleted", "finished"])
async def test_room_that_becomes_free_is_used(simulator: ApiSimulator, end: str) -> None:
    simulator.put(NODES, node("n", pods=1))
    simulator.put(PODS, pod("a"))
    await until(lambda: node_of(simulator, "a"))
    simulator.put(PODS, pod("b"))
    await until(lambda: "FailedScheduling" in reasons(simulator))
    if end == "deleted":
        simulator.remove(PODS, "ns", "a")
    else:
        simulator.put(PODS, pod("a", "Succeeded", nodeName="n"))
    await until(lambda: node_of(simulator, "b") == "n")


@pytest.mark.usefixtures("scheduler")
async def test_a_failed_binding_is_tried_again(simulator: ApiSimulator, clock: FakeClock) -> None:
    simulator.put(NODES, node("n", pods=2))
    simulator.put(PODS, pod("a"))
    await until(lambda: node_of(simulator, "a"))
    await until(lambda: simulator.objects(EVENTS))
    simulator.answers = [internal("not now")]
    simulator.put(PODS, pod("b"))
    await until(lambda: clock.sleeping)
    await clock.advance(1)
    await until(lambda: node_of(simulator, "b") == "n")


@pytest.mark.usefixtures("scheduler")
async def test_a_conflict_leaves_the_pod_to_whoever_bound_it(simulator: ApiSimulator) -> None:
    simulator.put(NODES, node("n"))
    simulator.put(PODS, pod("a"))
    await until(lambda: node_of(simulator, "a"))
    await until(lambda: simulator.objects(EVENTS))
    simulator.answers = [conflict("pods/binding", "b", "already assigned")]
    simulator.put(PODS, pod("b"))
    await until(lambda: not simulator.answers)
    simulator.put(PODS, pod("c"))
    await until(lambda: node_of(simulator, "c"))
    assert node_of(simulator, "b") == ""


@pytest.mark.usefixtures("scheduler")
async def test_a_pod_of_the_same_name_is_another_pod(simulator: ApiSimulator) -> None:
    simulator.put(NODES, node("n", pods=1))
    simulator.put(PODS, pod("a"))
    await until(lambda: node_of(simulator, "a"))
    simulator.remove(PODS, "ns", "a")
    simulator.put(PODS, pod("a") | {"metadata": {"name": "a", "namespace": "ns", "uid": "new"}})
    await until(lambda: node_of(simulator, "a") == "n")


@pytest.mark.usefixtures("scheduler")
async def test_a_node_that_leaves_is_not_used(simulator: ApiSimulator) -> None:
    simulator.put(NODES, node("n"))
    simulator.put(NODES, node("m"))
    simulator.put(PODS, pod("a", nodeName="m"))
    simulator.remove(NODES, "", "n")
    simulator.put(PODS, pod("b"))
    await until(lambda: node_of(simulator, "b") == "m")
