"""One leads; the next one takes over when the lease is free or silent for long enough."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from podpass.api.resources import LEASES, Object
from podpass.client.config import ClientConfig
from podpass.client.leader import LeaderElector
from podpass.client.rest import RestClient
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.fake_clock import FakeClock, until


class Candidate:
    """An elector whose work is to note when it leads."""

    def __init__(self, client: RestClient, clock: FakeClock, identity: str) -> None:
        self.elector = LeaderElector(
            client, namespace="kube-system", name="cm", identity=identity, clock=clock
        )
        self.leading = False
        self.terms = 0
        self.failure: Exception | None = None
        self.task: asyncio.Task[None] | None = None

    async def lead(self) -> None:
        self.leading = True
        self.terms += 1
        try:
            if self.failure is not None:
                raise self.failure
            await asyncio.Event().wait()
        finally:
            self.leading = False

    def start(self) -> None:
        self.task = asyncio.create_task(self.elector.run(self.lead))

    async def stop(self) -> None:
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@contextlib.asynccontextmanager
async def started(*candidates: Candidate) -> AsyncIterator[None]:
    for candidate in candidates:
        candidate.start()
    try:
        yield
    finally:
        for candidate in candidates:
            await candidate.stop()


async def pass_time(clock: FakeClock, seconds: float) -> None:
    """Let time pass slowly enough for requests to be answered in between."""
    end = clock.monotonic() + seconds
    while clock.monotonic() < end:
        await until(lambda: clock.sleeping)
        await clock.advance(min(0.5, end - clock.monotonic()))
        with contextlib.suppress(AssertionError):
            await until(lambda: False, seconds=0.005)


def lease_of(simulator: ApiSimulator) -> Object:
    lease = simulator.object(LEASES, "kube-system", "cm")
    assert lease is not None
    spec: Object = lease["spec"]
    return spec


@pytest.fixture
def first(client: RestClient, clock: FakeClock) -> Candidate:
    return Candidate(client, clock, "first")


@pytest.fixture
async def second(simulator: ApiSimulator, clock: FakeClock) -> AsyncIterator[Candidate]:
    async with RestClient(ClientConfig(simulator.url)) as client:
        yield Candidate(client, clock, "second")


async def test_the_first_creates_the_lease_and_renews_it(
    simulator: ApiSimulator, first: Candidate, clock: FakeClock
) -> None:
    async with started(first):
        await until(lambda: first.leading)
        assert first.elector.leading
        spec = lease_of(simulator)
        assert spec["holderIdentity"] == "first"
        assert spec["leaseDurationSeconds"] == 15
        assert spec["leaseTransitions"] == 0
        assert spec["acquireTime"] == spec["renewTime"] == "2026-01-01T00:00:00.000000Z"
        await pass_time(clock, 4)
        spec = lease_of(simulator)
        assert spec["acquireTime"] == "2026-01-01T00:00:00.000000Z"
        assert spec["renewTime"] > spec["acquireTime"]
        assert first.terms == 1


async def test_a_standby_waits_while_the_leader_renews(
    first: Candidate, second: Candidate, clock: FakeClock
) -> None:
    async with started(first):
        await until(lambda: first.leading)
        async with started(second):
            await pass_time(clock, 30)
            assert first.leading
            assert second.terms == 0


@pytest.mark.parametrize("step", [3600, -3600], ids=["forward", "back"])
async def test_a_clock_that_is_set_changes_no_leader(
    simulator: ApiSimulator, first: Candidate, second: Candidate, clock: FakeClock, step: float
) -> None:
    async with started(first):
        await until(lambda: first.leading)
        async with started(second):
            await pass_time(clock, 3)
            before = lease_of(simulator)["renewTime"]
            clock.step(step)
            await pass_time(clock, 20)
            assert (first.terms, second.terms) == (1, 0)
            assert (lease_of(simulator)["renewTime"] > before) == (step > 0)


async def test_a_leader_that_ends_frees_the_lease_at_once(
    simulator: ApiSimulator, first: Candidate, second: Candidate, clock: FakeClock
) -> None:
    first.start()
    await until(lambda: first.leading)
    async with started(second):
        await pass_time(clock, 3)
        await first.stop()
        assert not first.leading
        assert lease_of(simulator)["holderIdentity"] == ""
        await pass_time(clock, 3)
        assert second.leading
        assert lease_of(simulator)["leaseTransitions"] == 1


async def test_a_silent_leader_is_replaced_after_the_lease_duration(
    simulator: ApiSimulator, second: Candidate, clock: FakeClock
) -> None:
    simulator.put(
        LEASES,
        {
            "metadata": {"name": "cm", "namespace": "kube-system"},
            "spec": {
                "holderIdentity": "killed",
                "leaseDurationSeconds": 15,
                "renewTime": "2020-01-01T00:00:00.000000Z",
                "leaseTransitions": 4,
            },
        },
    )
    async with started(second):
        await pass_time(clock, 14.5)
        assert second.terms == 0, "the clocks of others are not trusted"
        await pass_time(clock, 2)
        await until(lambda: second.leading)
        assert lease_of(simulator)["leaseTransitions"] == 5


async def test_a_leader_that_cannot_renew_stops_in_time_and_comes_back(
    simulator: ApiSimulator, first: Candidate, clock: FakeClock
) -> None:
    async with started(first):
        await until(lambda: first.leading)
        await simulator.stop()
        await pass_time(clock, 8)
        assert first.leading
        await pass_time(clock, 6)
        assert not first.leading
        await simulator.start()
        await pass_time(clock, 3)
        assert first.leading
        assert first.terms == 2


async def test_a_leader_whose_lease_was_taken_stops_at_once(
    simulator: ApiSimulator, first: Candidate, clock: FakeClock
) -> None:
    async with started(first):
        await until(lambda: first.leading)
        lease = simulator.object(LEASES, "kube-system", "cm")
        assert lease is not None
        simulator.put(LEASES, lease | {"spec": lease["spec"] | {"holderIdentity": "thief"}})
        await pass_time(clock, 3)
        assert not first.leading
    assert lease_of(simulator)["holderIdentity"] == "thief", "only our own lease is freed"


async def test_a_lease_that_was_changed_by_hand_is_kept(
    simulator: ApiSimulator, first: Candidate, clock: FakeClock
) -> None:
    async with started(first):
        await until(lambda: first.leading)
        lease = simulator.object(LEASES, "kube-system", "cm")
        assert lease is not None
        simulator.put(LEASES, lease | {"spec": lease["spec"] | {"strategy": "x"}})
        await pass_time(clock, 3)
        assert first.leading
        assert lease_of(simulator)["strategy"] == "x"
        simulator.remove(LEASES, "kube-system", "cm")
        await pass_time(clock, 3)
        assert first.leading
        assert lease_of(simulator)["holderIdentity"] == "first"


async def test_what_the_work_raises_ends_the_run_and_frees_the_lease(
    simulator: ApiSimulator, first: Candidate
) -> None:
    first.failure = ValueError("bug")
    first.start()
    assert first.task is not None
    with pytest.raises(ValueError, match="bug"):
        await first.task
    assert lease_of(simulator)["holderIdentity"] == ""


async def test_a_standby_does_not_hurry_while_the_server_is_away(
    simulator: ApiSimulator, first: Candidate, second: Candidate, clock: FakeClock
) -> None:
    async with started(first):
        await until(lambda: first.leading)
        async with started(second):
            await pass_time(clock, 3)
            await simulator.stop()
            await first.stop()
            delays = []
            while clock.monotonic() < 60:
                await until(lambda: clock.sleeping)
                delays.append(clock.sleeping[0])
                await clock.advance(clock.sleeping[0])
            assert len(delays) < 50
            assert delays[-1] >= 2
            await simulator.start()
            await pass_time(clock, 3)
            assert second.leading
