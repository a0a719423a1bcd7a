"""Pods are created and deleted, and events tell about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from controllers.workload_samples import pod, workload

from podpass.api.errors import StatusError, already_exists, conflict, forbidden, not_found
from podpass.api.resources import EVENTS, PODS, REPLICA_SETS
from podpass.client.events import EventRecorder
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.controllers.expectations import Expectations
from podpass.controllers.pod_control import PodControl, all_at_once, slow_start
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.fake_clock import FakeClock, until

OWNER = workload(REPLICA_SETS)


@pytest.fixture
def expectations(clock: FakeClock) -> Expectations:
    return Expectations(clock)


@pytest.fixture
def control(client: RestClient, recorder: EventRecorder, expectations: Expectations) -> PodControl:
    return PodControl(client, recorder, expectations)


async def told(simulator: ApiSimulator) -> tuple[str, str]:
    await until(lambda: simulator.objects(EVENTS))
    (event,) = simulator.objects(EVENTS)
    return event["reason"], event["message"]


async def test_a_pod_is_created(
    simulator: ApiSimulator, control: PodControl, expectations: Expectations
) -> None:
    await control.create(OWNER, pod("a"))
    assert simulator.object(PODS, "ns", "a") is not None
    assert expectations.remaining_seconds("ns/web") > 0
    assert await told(simulator) == ("SuccessfulCreate", "Created pod: a")


async def test_a_refused_pod_is_told_and_no_longer_expected(
    simulator: ApiSimulator, control: PodControl, expectations: Expectations
) -> None:
    simulator.answers = [forbidden("pods", "a", "over quota")]
    with pytest.raises(StatusError, match="over quota"):
        await control.create(OWNER, pod("a"))
    assert expectations.remaining_seconds("ns/web") == 0
    text = 'Error creating: pods "a" is forbidden: over quota'
    assert await told(simulator) == ("FailedCreate", text)


async def test_a_taken_name_is_no_event(
    simulator: ApiSimulator, control: PodControl, recorder: EventRecorder
) -> None:
    simulator.answers = [already_exists("pods", "a")]
    with pytest.raises(StatusError, match="already exists"):
        await control.create(OWNER, pod("a"))
    await recorder.flush()
    assert simulator.objects(EVENTS) == []


async def test_in_a_namespace_that_goes_nothing_is_created(
    simulator: ApiSimulator, control: PodControl, expectations: Expectations
) -> None:
    text = "unable to create new content in namespace ns because it is being terminated"
    simulator.answers = [forbidden("pods", "a", text)]
    await control.create(OWNER, pod("a"))
    assert expectations.remaining_seconds("ns/web") == 0


async def test_a_pod_is_deleted_with_words_of_its_own(
    simulator: ApiSimulator, control: PodControl, expectations: Expectations
) -> None:
    simulator.put(PODS, pod("a"))
    await control.delete(OWNER, pod("a"), told="it is done")
    assert simulator.objects(PODS) == []
    assert expectations.remaining_seconds("ns/web") > 0
    assert await told(simulator) == ("SuccessfulDelete", "it is done")


@pytest.mark.parametrize(
    "answer", [not_found("pods", "a"), conflict("pods", "a")], ids=["gone", "another one"]
)
async def test_what_is_gone_need_not_be_deleted(
    simulator: ApiSimulator,
    control: PodControl,
    expectations: Expectations,
    answer: StatusError,
) -> None:
    simulator.answers = [answer]
    await control.delete(OWNER, pod("a"))
    assert expectations.remaining_seconds("ns/web") == 0


async def test_a_failed_deletion_is_told(simulator: ApiSimulator, control: PodControl) -> None:
    simulator.breaks = 1
    with pytest.raises(ConnectionFailed):
        await control.delete(OWNER, pod("a"))
    reason, message = await told(simulator)
    assert reason == "FailedDelete"
    assert message.startswith("Error deleting: ")


def actions(count: int, fails: int | None, log: list[int]) -> list[Callable[[], Awaitable[None]]]:
    def action(number: int) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            log.append(number)
            if number == fails:
                raise ConnectionFailed(f"number {number}")

        return run

    return [action(number) for number in range(count)]


@pytest.mark.parametrize(
    ("fails", "tried"),
    [
        pytest.param(None, 10, id="none fails"),
        pytest.param(0, 1, id="the first fails"),
        pytest.param(2, 3, id="one of the next two"),
        pytest.param(3, 7, id="one of the next four"),
    ],
)
async def test_a_slow_start_ends_with_the_batch_that_fails(fails: int | None, tried: int) -> None:
    log: list[int] = []
    failure = await slow_start(actions(10, fails, log))
    assert len(log) == tried
    assert (str(failure) if failure else None) == (None if fails is None else f"number {fails}")


async def test_all_at_once_tries_all() -> None:
    log: list[int] = []
    assert str(await all_at_once(actions(5, 1, log))) == "number 1"
    assert len(log) == 5
    assert await all_at_once([]) is None
