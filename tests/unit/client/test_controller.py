"""The work queue: once, one at a time, and again after a failure."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from podpass.api.errors import StatusError, conflict
from podpass.client.controller import (
    FIRST_RETRY_SECONDS,
    LONGEST_RETRY_SECONDS,
    Controller,
    RetryAfter,
    object_key,
    running_controllers,
    split_key,
)
from podpass.client.rest import ConnectionFailed
from podpass.testing.fake_clock import FakeClock, settle


class Recorder:
    """A reconcile that notes its calls, and does what it is told next."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.outcomes: list[BaseException | RetryAfter] = []
        self.returned: list[RetryAfter] = []
        self.gate: asyncio.Event | None = None
        self.running = 0
        self.most_running = 0

    async def __call__(self, key: str) -> RetryAfter | None:
        self.calls.append(key)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            if self.gate is not None:
                await self.gate.wait()
        finally:
            self.running -= 1
        if self.outcomes:
            raise self.outcomes.pop(0)
        return self.returned.pop(0) if self.returned else None


@contextlib.asynccontextmanager
async def running(controller: Controller) -> AsyncIterator[None]:
    task = asyncio.create_task(controller.run())
    try:
        await settle()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def reconcile() -> Recorder:
    return Recorder()


async def test_a_key_queued_twice_is_reconciled_once(clock: FakeClock, reconcile: Recorder) -> None:
    controller = Controller("test", reconcile, clock=clock)
    controller.enqueue("a")
    controller.enqueue("b")
    controller.enqueue("a")
    async with running(controller):
        assert reconcile.calls == ["a", "b"]


async def test_a_key_queued_during_its_reconcile_is_reconciled_again_afterwards(
    clock: FakeClock, reconcile: Recorder
) -> None:
    reconcile.gate = asyncio.Event()
    controller = Controller("test", reconcile, clock=clock, workers=4)
    async with running(controller):
        controller.enqueue("a")
        await settle()
        controller.enqueue("a")
        controller.enqueue("a")
        await settle()
        assert reconcile.calls == ["a"]
        reconcile.gate.set()
        await settle()
        assert reconcile.calls == ["a", "a"]
    assert reconcile.most_running == 1


async def test_what_happened_is_counted(clock: FakeClock, reconcile: Recorder) -> None:
    reconcile.outcomes = [ConnectionFailed("away"), RetryAfter(100)]
    controller = Controller("test", reconcile, clock=clock)
    for key in "aba":
        controller.enqueue(key)
    assert controller.depth == 2
    async with running(controller):
        await clock.advance(FIRST_RETRY_SECONDS)  # a failed, b is to come back, a succeeds
        assert controller.depth == 0
        counts = controller.counts
        assert (counts.added, counts.retried) == (3, 2)
        assert (counts.succeeded, counts.failed, counts.postponed) == (1, 1, 1)
        assert running_controllers() == [controller]
    assert running_controllers() == []


async def test_workers_share_different_keys(clock: FakeClock, reconcile: Recorder) -> None:
    reconcile.gate = asyncio.Event()
    controller = Controller("test", reconcile, clock=clock, workers=2)
    async with running(controller):
        for key in "abc":
            controller.enqueue(key)
        await settle()
        assert reconcile.most_running == 2
        reconcile.gate.set()
        await settle()
        assert sorted(reconcile.calls) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ValueError("bug"), id="a bug"),
        pytest.param(StatusError(500, "InternalError", "x"), id="a refusal"),
        pytest.param(conflict("pods", "a"), id="a conflict"),
        pytest.param(ConnectionFailed("x"), id="a broken connection"),
    ],
)
async def test_a_failure_is_repeated_with_growing_delay(
    clock: FakeClock, reconcile: Recorder, error: Exception
) -> None:
    reconcile.outcomes = [error, error, error]
    controller = Controller("test", reconcile, clock=clock)
    async with running(controller):
        controller.enqueue("a")
        await settle()
        for failures, delay in enumerate((0.005, 0.010, 0.020), start=1):
            assert len(reconcile.calls) == failures
            assert clock.sleeping == [pytest.approx(delay)]
            await clock.advance(delay)
        assert len(reconcile.calls) == 4
        assert clock.sleeping == []


async def test_the_delay_has_a_ceiling_and_success_resets_it(
    clock: FakeClock, reconcile: Recorder
) -> None:
    reconcile.outcomes = [ValueError("bug")] * 20
    controller = Controller("test", reconcile, clock=clock)
    async with running(controller):
        controller.enqueue("a")
        await settle()
        while reconcile.outcomes:
            longest = clock.sleeping[0]
            await clock.advance(longest)
        assert longest == LONGEST_RETRY_SECONDS
        await clock.advance(LONGEST_RETRY_SECONDS)
        reconcile.outcomes = [ValueError("bug")]
        controller.enqueue("a")
        await settle()
        assert clock.sleeping == [pytest.approx(FIRST_RETRY_SECONDS)]


@pytest.mark.parametrize(
    "raised", [pytest.param(True, id="raised"), pytest.param(False, id="returned")]
)
async def test_retry_after_is_no_failure(
    clock: FakeClock, reconcile: Recorder, raised: bool
) -> None:
    if raised:
        reconcile.outcomes = [RetryAfter(30)]
    else:
        reconcile.returned = [RetryAfter(30)]
    controller = Controller("test", reconcile, clock=clock)
    async with running(controller):
        controller.enqueue("a")
        await clock.advance(29.9)
        assert len(reconcile.calls) == 1
        await clock.advance(0.2)
        assert len(reconcile.calls) == 2


async def test_of_two_delays_the_shorter_counts(clock: FakeClock, reconcile: Recorder) -> None:
    controller = Controller("test", reconcile, clock=clock)
    async with running(controller):
        controller.enqueue_after("a", 10)
        controller.enqueue_after("a", 5)
        controller.enqueue_after("a", 7)
        await clock.advance(5)
        assert reconcile.calls == ["a"]
        await clock.advance(20)
        assert reconcile.calls == ["a"]


async def test_no_delay_is_now(clock: FakeClock, reconcile: Recorder) -> None:
    controller = Controller("test", reconcile, clock=clock)
    async with running(controller):
        controller.enqueue_after("a", 0)
        await settle()
        assert reconcile.calls == ["a"]


async def test_the_end_cancels_what_was_delayed(clock: FakeClock, reconcile: Recorder) -> None:
    controller = Controller("test", reconcile, clock=clock)
    async with running(controller):
        controller.enqueue_after("a", 10)
        await settle()
    await clock.advance(20)
    assert reconcile.calls == []


@pytest.mark.parametrize(
    ("namespace", "name", "key"),
    [
        pytest.param("ns", "a", "ns/a", id="namespaced"),
        pytest.param("", "a", "a", id="of the cluster"),
    ],
)
def test_keys(namespace: str, name: str, key: str) -> None:
    assert object_key({"metadata": {"namespace": namespace, "name": name}}) == key
    assert split_key(key) == (namespace, name)
