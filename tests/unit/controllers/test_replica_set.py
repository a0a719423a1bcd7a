"""A replica set has as many pods as it asks for, and never more by mistake."""

from __future__ import annotations

from typing import Any

import pytest
from controllers.workload_samples import names, owner_reference, pod, workload

from podpass.api.errors import forbidden
from podpass.api.resources import DEPLOYMENTS, PODS, REPLICA_SETS, Object
from podpass.client.events import EventRecorder
from podpass.client.rest import RestClient
from podpass.controllers.replica_set import ReplicaSetController
from podpass.controllers.shared_informers import SharedInformers
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.background import Background
from podpass.testing.fake_clock import FakeClock, until

OURS = owner_reference(REPLICA_SETS, "web", "uid-of-web")
READY = "2025-12-31T23:00:00Z"


@pytest.fixture
async def controller(
    client: RestClient,
    informers: SharedInformers,
    clock: FakeClock,
    recorder: EventRecorder,
    background: Background,
) -> ReplicaSetController:
    controller = ReplicaSetController(client, informers, clock, recorder)
    background.start(controller.run())
    return controller


def ask_for(simulator: ApiSimulator, replicas: int, **spec: Any) -> Object:
    former = simulator.object(REPLICA_SETS, "ns", "web") or {}
    made = workload(REPLICA_SETS, replicas=replicas, **spec)
    return simulator.put(REPLICA_SETS, made | {"status": former.get("status", {})})


async def watching(simulator: ApiSimulator, informers: SharedInformers) -> None:
    """Wait until all informers have sent their watch, so that they take no planned answer."""

    def watches() -> int:
        return sum("watch=true" in path for _, path, _ in simulator.requests)

    await until(lambda: watches() >= len(list(informers)))


def status(simulator: ApiSimulator) -> Object:
    found = simulator.object(REPLICA_SETS, "ns", "web")
    assert found is not None
    return dict(found["status"])


@pytest.mark.usefixtures("controller")
async def test_pods_are_created_and_deleted(simulator: ApiSimulator) -> None:
    ask_for(simulator, 5)
    await until(lambda: status(simulator).get("replicas") == 5)
    assert len(simulator.objects(PODS)) == 5
    for one in simulator.objects(PODS):
        assert one["metadata"]["ownerReferences"] == [OURS]
        assert one["metadata"]["name"].startswith("web-")
    ask_for(simulator, 2)
    await until(lambda: status(simulator).get("replicas") == 2)
    assert len(simulator.objects(PODS)) == 2


@pytest.mark.usefixtures("controller")
async def test_a_pod_that_is_deleted_or_ends_is_replaced(simulator: ApiSimulator) -> None:
    ask_for(simulator, 2)
    await until(lambda: status(simulator).get("replicas") == 2)
    first, second = simulator.objects(PODS)
    simulator.remove(PODS, "ns", names([first])[0])
    await until(lambda: len(simulator.objects(PODS)) == 2)
    simulator.put(PODS, second | {"status": {"phase": "Failed"}})
    await until(lambda: len(simulator.objects(PODS)) == 3)


@pytest.mark.usefixtures("controller")
async def test_orphans_are_adopted_rather_than_others_created(simulator: ApiSimulator) -> None:
    simulator.put(PODS, pod("orphan"))
    ask_for(simulator, 1)
    await until(lambda: status(simulator).get("replicas") == 1)
    assert names(simulator.objects(PODS)) == ["orphan"]
    assert simulator.objects(PODS)[0]["metadata"]["ownerReferences"] == [OURS]


@pytest.mark.usefixtures("controller")
async def test_while_the_picture_is_old_nothing_is_created_twice(
    simulator: ApiSimulator, informers: SharedInformers, clock: FakeClock
) -> None:
    await informers.wait_synced()
    ask_for(simulator, 2)
    await until(lambda: status(simulator).get("replicas") == 2)
    # The watch of pods breaks: the next creations are not seen.
    await until(lambda: not clock.sleeping)
    simulator.fail_watches(forbidden("pods", "", "no watch now"))
    await until(lambda: clock.sleeping)
    for replicas in (3, 4):
        ask_for(simulator, replicas)
    await clock.advance(10)
    await until(lambda: status(simulator).get("replicas") == 4)
    assert len(simulator.objects(PODS)) == 4


@pytest.mark.usefixtures("controller")
async def test_a_failure_is_a_condition_and_tried_again(
    simulator: ApiSimulator, informers: SharedInformers, clock: FakeClock
) -> None:
    ask_for(simulator, 0)
    await until(lambda: status(simulator).get("observedGeneration"))
    await watching(simulator, informers)
    simulator.answers = [forbidden("pods", "", "over quota")]
    ask_for(simulator, 1)
    await until(lambda: status(simulator).get("conditions"))
    (condition,) = status(simulator)["conditions"]
    assert (condition["type"], condition["reason"]) == ("ReplicaFailure", "FailedCreate")
    await until(lambda: clock.sleeping)
    await clock.advance(1)
    await until(lambda: status(simulator).get("replicas") == 1)
    assert "conditions" not in status(simulator)


@pytest.mark.usefixtures("controller")
async def test_pods_become_available_with_time(simulator: ApiSimulator, clock: FakeClock) -> None:
    since = clock.now().isoformat()
    simulator.put(PODS, pod("a", ready=since, owner=OURS))
    ask_for(simulator, 1, minReadySeconds=5)
    await until(lambda: status(simulator).get("readyReplicas") == 1)
    assert "availableReplicas" not in status(simulator)
    await until(lambda: clock.sleeping)
    for _ in range(6):
        await clock.advance(1)
    await until(lambda: status(simulator).get("availableReplicas") == 1)


@pytest.mark.usefixtures("controller")
async def test_of_two_pods_the_one_beside_a_relative_goes(simulator: ApiSimulator) -> None:
    deployment = owner_reference(DEPLOYMENTS, "d", "uid-of-d")
    other = workload(REPLICA_SETS, "other", replicas=1)
    other["metadata"]["ownerReferences"] = [deployment]
    other["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    simulator.put(REPLICA_SETS, other)
    theirs = owner_reference(REPLICA_SETS, "other", "uid-of-other")
    labels = {"app": "other"}
    simulator.put(PODS, pod("x", ready=READY, node="full", owner=theirs, labels=labels))
    simulator.put(PODS, pod("a", ready=READY, node="full", owner=OURS))
    simulator.put(PODS, pod("b", ready=READY, node="empty", owner=OURS))
    mine = workload(REPLICA_SETS, replicas=1)
    mine["metadata"]["ownerReferences"] = [deployment]
    simulator.put(REPLICA_SETS, mine)
    await until(lambda: len(simulator.objects(PODS)) == 2)
    assert sorted(names(simulator.objects(PODS))) == ["b", "x"]


@pytest.mark.usefixtures("controller")
async def test_a_replica_set_that_goes_creates_nothing(
    simulator: ApiSimulator, controller: ReplicaSetController
) -> None:
    going = workload(REPLICA_SETS, replicas=2)
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    simulator.put(REPLICA_SETS, going)
    await until(lambda: status(simulator).get("observedGeneration") == 1)
    assert simulator.objects(PODS) == []
    assert await controller.reconcile("ns/nobody") is None
