"""Events are written in the background, and repeats only count."""

import asyncio

import pytest

from podpass.api.errors import forbidden
from podpass.api.meta import name_of
from podpass.api.resources import EVENTS, Object
from podpass.client import events
from podpass.client.events import MAXIMUM_MESSAGE, EventRecorder, new_event
from podpass.client.rest import RestClient
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.fake_clock import FakeClock, until

POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "ns", "uid": "u", "resourceVersion": "7"},
}
NODE: Object = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "uid": "u"}}


@pytest.fixture
def recorder(client: RestClient, clock: FakeClock) -> EventRecorder:
    return EventRecorder(client, "kubelet", clock, host="master-0")


def test_an_event_says_who_what_and_when(clock: FakeClock) -> None:
    event = new_event(
        POD,
        "Normal",
        "Pulled",
        "image is there",
        field_path="spec.containers{nginx}",
        component="kubelet",
        host="master-0",
        now=clock.now(),
    )
    assert event["metadata"]["namespace"] == "ns"
    assert event["involvedObject"] == {
        "kind": "Pod",
        "namespace": "ns",
        "name": "p",
        "uid": "u",
        "apiVersion": "v1",
        "resourceVersion": "7",
        "fieldPath": "spec.containers{nginx}",
    }
    assert event["source"] == {"component": "kubelet", "host": "master-0"}
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-01-01T00:00:00Z"
    assert (event["type"], event["reason"], event["count"]) == ("Normal", "Pulled", 1)


def test_events_of_one_moment_have_different_names(clock: FakeClock) -> None:
    names = {
        name_of(
            new_event(POD, "Normal", "A", "b", component="c", now=clock.now(), sequence=sequence)
        )
        for sequence in (1, 2)
    }
    assert len(names) == 2


def test_an_event_about_a_cluster_object_lives_in_default(clock: FakeClock) -> None:
    event = new_event(NODE, "Normal", "A", "b", component="c", now=clock.now())
    assert event["metadata"]["namespace"] == "default"
    assert event["source"] == {"component": "c"}
    assert "namespace" not in event["involvedObject"]


@pytest.mark.parametrize(
    ("length", "kept"),
    [
        pytest.param(MAXIMUM_MESSAGE, MAXIMUM_MESSAGE, id="at the limit"),
        pytest.param(MAXIMUM_MESSAGE + 1, MAXIMUM_MESSAGE, id="over the limit"),
    ],
)
def test_long_messages_are_cut(clock: FakeClock, length: int, kept: int) -> None:
    event = new_event(POD, "Normal", "A", "x" * length, component="c", now=clock.now())
    assert len(event["message"]) == kept
    assert event["message"].endswith("...") is (length > kept)


async def test_repeats_raise_the_count(
    simulator: ApiSimulator, recorder: EventRecorder, clock: FakeClock
) -> None:
    recorder.record(POD, "Warning", "BackOff", "again")
    await clock.advance(60)
    recorder.record(POD, "Warning", "BackOff", "again")
    recorder.record(POD, "Warning", "BackOff", "something else")
    recorder.record(POD, "Warning", "BackOff", "again", field_path="spec.containers{a}")
    await recorder.flush()
    stored = simulator.objects(EVENTS)
    assert sorted(one["count"] for one in stored) == [1, 1, 2]
    (repeated,) = [one for one in stored if one["count"] == 2]
    assert repeated["firstTimestamp"] == "2026-01-01T00:00:00Z"
    assert repeated["lastTimestamp"] == "2026-01-01T00:01:00Z"


async def test_a_repeat_of_an_event_that_is_gone_is_a_new_event(
    simulator: ApiSimulator, recorder: EventRecorder
) -> None:
    recorder.record(POD, "Normal", "A", "b")
    await recorder.flush()
    simulator.remove(EVENTS, "ns", name_of(simulator.objects(EVENTS)[0]))
    recorder.record(POD, "Normal", "A", "b")
    await recorder.flush()
    assert [one["count"] for one in simulator.objects(EVENTS)] == [1]


@pytest.mark.parametrize("during", ["create", "patch"])
async def test_a_refused_event_is_dropped(
    simulator: ApiSimulator, recorder: EventRecorder, during: str
) -> None:
    if during == "patch":
        recorder.record(POD, "Normal", "A", "b")
        await recorder.flush()
    simulator.answers = [forbidden("events", "", "namespace is being terminated")]
    recorder.record(POD, "Normal", "A", "b")
    recorder.record(POD, "Normal", "C", "d")
    await recorder.flush()
    assert "C" in {one["reason"] for one in simulator.objects(EVENTS)}


async def test_an_event_waits_for_the_server(
    simulator: ApiSimulator, recorder: EventRecorder, clock: FakeClock
) -> None:
    await simulator.stop()
    task = asyncio.create_task(recorder.run())
    recorder.record(POD, "Normal", "A", "b")
    await until(lambda: clock.sleeping)
    await simulator.start()
    await clock.advance(1)
    await until(lambda: simulator.objects(EVENTS))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_an_event_is_given_up_in_the_end(
    simulator: ApiSimulator, recorder: EventRecorder, clock: FakeClock
) -> None:
    await simulator.stop()
    recorder.record(POD, "Normal", "A", "b")
    task = asyncio.create_task(recorder.flush())
    while not task.done():
        await until(lambda: clock.sleeping or task.done())
        await clock.advance(10)
    await task


async def test_a_full_queue_does_not_block(
    simulator: ApiSimulator,
    client: RestClient,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "QUEUE_LENGTH", 2)
    recorder = EventRecorder(client, "c", clock)
    for reason in "ABC":
        recorder.record(POD, "Normal", reason, "x")
    await recorder.flush()
    assert [one["reason"] for one in simulator.objects(EVENTS)] == ["A", "B"]


async def test_only_the_latest_events_are_remembered(
    simulator: ApiSimulator, recorder: EventRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "REMEMBERED", 2)
    for reason in ("A", "B", "C", "A"):
        recorder.record(POD, "Normal", reason, "x")
    await recorder.flush()
    assert [one["reason"] for one in simulator.objects(EVENTS)] == ["A", "B", "C", "A"]
