"""Pods leave tainted nodes when their time is up."""

from typing import Any

import pytest

from podpass.api.errors import conflict
from podpass.api.resources import EVENTS, NODES, PODS, Object
from podpass.client.events import EventRecorder
from podpass.client.rest import RestClient
from podpass.controllers.shared_informers import SharedInformers
from podpass.controllers.taint_eviction import TaintEvictionController
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.background import Background
from podpass.testing.fake_clock import FakeClock, until

UNREACHABLE: Object = {
    "key": "node.kubernetes.io/unreachable",
    "effect": "NoExecute",
    "timeAdded": "2026-01-01T00:00:00Z",
}
MAINTENANCE: Object = {"key": "maintenance", "effect": "NoExecute"}


def node(*taints: Object) -> Object:
    return {"metadata": {"name": "n"}, "spec": {"taints": [*taints]}}


def pod(name: str, *tolerations: Object, node: str = "n", **annotations: str) -> Object:
    return {
        "metadata": {"name": name, "namespace": "ns", "annotations": annotations},
        "spec": {"nodeName": node, "tolerations": [*tolerations]},
        "status": {"phase": "Running"},
    }


@pytest.fixture
async def controller(
    client: RestClient,
    informers: SharedInformers,
    clock: FakeClock,
    recorder: EventRecorder,
    background: Background,
) -> TaintEvictionController:
    controller = TaintEvictionController(client, informers, clock, recorder, 300)
    background.start(controller.run())
    return controller


def present(simulator: ApiSimulator) -> set[str]:
    return {one["metadata"]["name"] for one in simulator.objects(PODS)}


async def tainted(simulator: ApiSimulator, informers: SharedInformers, *taints: Object) -> None:
    """Wait until all pods and the taints are known."""
    await until(lambda: len(informers[PODS].list()) == len(simulator.objects(PODS)))
    simulator.put(NODES, node(*taints))
    await until(lambda: any(one["spec"]["taints"] for one in informers[NODES].list()))


@pytest.mark.usefixtures("controller")
async def test_pods_go_when_their_toleration_ends(
    simulator: ApiSimulator, informers: SharedInformers, clock: FakeClock
) -> None:
    def tolerating(**fields: Any) -> Object:
        return {"key": UNREACHABLE["key"], "operator": "Exists"} | fields

    simulator.put(PODS, pod("default"))
    simulator.put(PODS, pod("short", tolerating(tolerationSeconds=10)))
    simulator.put(PODS, pod("ever", tolerating()))
    simulator.put(PODS, pod("elsewhere", node="m"))
    simulator.put(PODS, pod("mirror", **{"kubernetes.io/config.mirror": "hash"}))
    await tainted(simulator, informers, UNREACHABLE)
    await until(lambda: len(clock.sleeping) == 2)
    await clock.advance(9.9)
    assert "short" in present(simulator)
    await clock.advance(0.2)
    await until(lambda: "short" not in present(simulator))
    await clock.advance(289.8)
    assert "default" in present(simulator)
    await clock.advance(0.2)
    await until(lambda: "default" not in present(simulator))
    assert present(simulator) == {"ever", "elsewhere", "mirror"}
    await until(lambda: len(simulator.objects(EVENTS)) == 2)
    assert {one["message"] for one in simulator.objects(EVENTS)} == {
        "Marking for deletion Pod ns/short",
        "Marking for deletion Pod ns/default",
    }


@pytest.mark.usefixtures("controller")
async def test_a_taint_that_goes_in_time_spares_the_pods(
    simulator: ApiSimulator, informers: SharedInformers, clock: FakeClock
) -> None:
    simulator.put(PODS, pod("a"))
    await tainted(simulator, informers, UNREACHABLE)
    await until(lambda: clock.sleeping)
    await clock.advance(200)
    simulator.put(NODES, node())
    await until(lambda: not informers[NODES].list()[0]["spec"]["taints"])
    await clock.advance(200)
    assert present(simulator) == {"a"}


@pytest.mark.usefixtures("controller")
async def test_a_taint_without_time_counts_from_when_it_was_seen(
    simulator: ApiSimulator, informers: SharedInformers, clock: FakeClock
) -> None:
    simulator.put(PODS, pod("a", {"key": "maintenance", "tolerationSeconds": 20}))
    await tainted(simulator, informers, MAINTENANCE)
    await until(lambda: clock.sleeping)
    await clock.advance(10)
    labelled = node(MAINTENANCE)
    labelled["metadata"]["labels"] = {"x": "y"}
    simulator.put(NODES, labelled)
    await until(lambda: informers[NODES].list()[0]["metadata"].get("labels"))
    await clock.advance(10)
    await until(lambda: present(simulator) == set())


@pytest.mark.usefixtures("controller")
async def test_a_pod_that_arrives_later_is_judged_too(
    simulator: ApiSimulator, informers: SharedInformers
) -> None:
    await tainted(simulator, informers, MAINTENANCE)
    simulator.put(PODS, pod("a"))
    await until(lambda: present(simulator) == set())


@pytest.mark.usefixtures("controller")
async def test_a_conflict_is_tried_again(
    simulator: ApiSimulator, informers: SharedInformers, clock: FakeClock
) -> None:
    await tainted(simulator, informers, MAINTENANCE)
    simulator.answers = [conflict("pods", "a")]
    simulator.put(PODS, pod("a"))
    await until(lambda: clock.sleeping)
    await clock.advance(1)
    await until(lambda: present(simulator) == set())


@pytest.mark.usefixtures("controller")
async def test_a_deleted_node_is_forgotten(
    simulator: ApiSimulator, informers: SharedInformers
) -> None:
    await tainted(simulator, informers, MAINTENANCE)
    simulator.remove(NODES, "", "n")
    await until(lambda: not informers[NODES].list())
    simulator.put(PODS, pod("a"))
    await until(informers[PODS].list)
    assert present(simulator) == {"a"}
