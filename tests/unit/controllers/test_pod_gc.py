"""Pods that nobody else removes."""

from typing import Any

import pytest

from podpass.api.errors import forbidden, internal
from podpass.api.resources import NODES, PODS, Object
from podpass.client.rest import RestClient
from podpass.controllers.pod_gc import (
    PERIOD_SECONDS,
    QUARANTINE_SECONDS,
    PodGarbageCollector,
    never_bound,
    overflow,
)
from podpass.controllers.shared_informers import SharedInformers
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.background import Background
from podpass.testing.fake_clock import FakeClock, until


def pod(name: str, phase: str = "Running", node: str = "", **metadata: Any) -> Object:
    return {
        "metadata": {"name": name, "namespace": "ns"} | metadata,
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": phase},
    }


def names(pods: list[Object]) -> list[str]:
    return [one["metadata"]["name"] for one in pods]


def test_never_bound() -> None:
    pods = [
        pod("waiting"),
        pod("bound", node="n", deletionTimestamp="t"),
        pod("lost", deletionTimestamp="t"),
    ]
    assert names(never_bound(pods)) == ["lost"]


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        pytest.param(3, [], id="as many as allowed"),
        pytest.param(2, ["old"], id="one too many"),
        pytest.param(1, ["old", "middle"], id="oldest first"),
        pytest.param(0, [], id="no limit"),
    ],
)
def test_overflow(threshold: int, expected: list[str]) -> None:
    pods = [
        pod("middle", "Failed", creationTimestamp="2026-01-02T00:00:00Z"),
        pod("new", "Succeeded", creationTimestamp="2026-01-03T00:00:00Z"),
        pod("old", "Succeeded", creationTimestamp="2026-01-01T00:00:00Z"),
        pod("running", creationTimestamp="2020-01-01T00:00:00Z"),
        pod("going", "Failed", deletionTimestamp="t"),
    ]
    assert names(overflow(pods, threshold)) == expected


@pytest.fixture
async def collector(
    client: RestClient, informers: SharedInformers, clock: FakeClock
) -> PodGarbageCollector:
    await informers.wait_synced()
    return PodGarbageCollector(client, informers, clock, threshold=1)


async def seen(informers: SharedInformers, *pods: str) -> None:
    await until(lambda: {one["metadata"]["name"] for one in informers[PODS].list()} == {*pods})


async def test_pods_of_a_missing_node_go_after_the_quarantine(
    simulator: ApiSimulator,
    informers: SharedInformers,
    collector: PodGarbageCollector,
    clock: FakeClock,
) -> None:
    simulator.put(NODES, {"metadata": {"name": "there"}})
    simulator.put(PODS, pod("stays", node="there"))
    simulator.put(PODS, pod("goes", node="gone"))
    simulator.put(PODS, pod("finished", "Succeeded", node="gone"))
    await seen(informers, "stays", "goes", "finished")
    await until(informers[NODES].list)
    await collector.sweep()
    await clock.advance(QUARANTINE_SECONDS - 0.1)
    await collector.sweep()
    assert len(simulator.objects(PODS)) == 3
    await clock.advance(0.2)
    await collector.sweep()
    assert names(simulator.objects(PODS)) == ["stays"]


async def test_a_pod_is_marked_failed_before_it_goes(
    simulator: ApiSimulator,
    informers: SharedInformers,
    collector: PodGarbageCollector,
    clock: FakeClock,
) -> None:
    simulator.put(PODS, pod("goes", node="gone"))
    await seen(informers, "goes")
    await collector.sweep()
    await clock.advance(QUARANTINE_SECONDS)
    simulator.requests.clear()
    await collector.sweep()
    assert [(method, path) for method, path, _ in simulator.requests if method != "GET"] == [
        ("PATCH", "/api/v1/namespaces/ns/pods/goes/status"),
        ("DELETE", "/api/v1/namespaces/ns/pods/goes"),
    ]


@pytest.mark.parametrize("answer", ["there", "refusal", "no connection"])
async def test_a_node_that_may_be_there_is_not_gone(
    simulator: ApiSimulator,
    informers: SharedInformers,
    collector: PodGarbageCollector,
    clock: FakeClock,
    answer: str,
) -> None:
    simulator.put(PODS, pod("stays", node="n"))
    await seen(informers, "stays")
    await collector.sweep()
    await clock.advance(QUARANTINE_SECONDS)
    if answer == "there":
        simulator.put(NODES, {"metadata": {"name": "n"}})
    elif answer == "refusal":
        simulator.answers = [internal("x")]
    else:
        simulator.breaks = 2
    await collector.sweep()
    assert names(simulator.objects(PODS)) == ["stays"]


async def test_a_refusal_does_not_stop_the_sweep(
    simulator: ApiSimulator, informers: SharedInformers, collector: PodGarbageCollector
) -> None:
    simulator.put(PODS, pod("a", deletionTimestamp="t"))
    simulator.put(PODS, pod("b", deletionTimestamp="t"))
    simulator.put(PODS, pod("c", deletionTimestamp="t"))
    await seen(informers, "a", "b", "c")
    simulator.answers = [forbidden("pods", "a", "no")]
    await collector.sweep()
    assert names(simulator.objects(PODS)) == ["a"]


async def test_it_sweeps_again_and_again(
    simulator: ApiSimulator,
    collector: PodGarbageCollector,
    clock: FakeClock,
    background: Background,
) -> None:
    background.start(collector.run())
    await until(lambda: clock.sleeping)
    simulator.put(PODS, pod("a", "Succeeded", node="n", creationTimestamp="1"))
    simulator.put(PODS, pod("b", "Succeeded", node="n", creationTimestamp="2"))

    async def swept() -> None:
        while len(simulator.objects(PODS)) > 1:
            await until(lambda: clock.sleeping)
            await clock.advance(PERIOD_SECONDS)

    await swept()
    assert names(simulator.objects(PODS)) == ["b"]
