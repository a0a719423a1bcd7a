"""The gate over an event loop: turns, seats of long requests, and those who leave the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from podpass.api.errors import StatusError
from podpass.api.meta import UserInfo
from podpass.apiserver.overload.flow_metrics import FlowMetrics
from podpass.apiserver.overload.gate import Gate
from podpass.apiserver.overload.inflight_limit import InflightLimit
from podpass.apiserver.request_info import RequestInfo
from podpass.base.clock import SystemClock
from podpass.base.metrics import Registry
from podpass.testing.fake_clock import settle

ALICE = UserInfo("alice", groups=("system:authenticated",))
BOB = UserInfo("bob", groups=("system:authenticated",))
NODE = UserInfo("system:node:n", groups=("system:nodes",))
ADMIN = UserInfo("admin", groups=("system:masters",))
GET = RequestInfo("/api/v1/pods", "get", is_resource=True, resource="pods")
POST = RequestInfo("/api/v1/pods", "create", is_resource=True, resource="pods")
WATCH = RequestInfo("/api/v1/pods", "watch", is_resource=True, resource="pods")
EXEC = RequestInfo("/x", "create", is_resource=True, resource="pods", subresource="exec")
PREFIX = "apiserver_flowcontrol_"


class Bench:
    """A gate whose workload lane has four seats, two for each flow; and what ran behind it."""

    def __init__(self, wait_seconds: float = 30.0) -> None:
        self.registry = Registry()
        self.metrics = FlowMetrics(self.registry)
        self.gate = Gate(
            seats=10, metrics=self.metrics, clock=SystemClock(), wait_seconds=wait_seconds
        )
        self.running: list[str] = []
        self.tasks: set[asyncio.Task[str]] = set()

    def request(
        self, user: UserInfo, name: str, until: asyncio.Event | None, info: RequestInfo = GET
    ) -> asyncio.Task[str]:
        async def serve() -> str:
            self.running.append(name)
            if until is not None:
                await until.wait()
            return name

        task = asyncio.create_task(self.gate.run(user, info, serve))
        self.tasks.add(task)
        return task

    def shown(self, family: str) -> list[str]:
        """Return the samples of a family that are not 0."""
        lines = self.registry.render().splitlines()
        found = [one for one in lines if one.startswith(PREFIX + family + "{")]
        return [one.removeprefix(PREFIX + family) for one in found if not one.endswith(" 0")]


async def refusal(task: Awaitable[str]) -> StatusError:
    with pytest.raises(StatusError) as caught:
        await task
    return caught.value


async def test_requests_that_wait_for_nothing_run_a_few_a_turn() -> None:
    bench = Bench()
    per_turn: list[int] = []
    requests = [bench.request(ALICE, f"a{number}", None) for number in range(9)]
    while not all(one.done() for one in requests):
        before = len(bench.running)
        await asyncio.sleep(0)
        per_turn.append(len(bench.running) - before)
    assert max(per_turn) == 2
    assert bench.running == [f"a{number}" for number in range(9)]


async def test_a_node_does_not_wait_for_workloads() -> None:
    bench = Bench()
    until = asyncio.Event()
    for number in range(20):
        bench.request(ALICE, f"a{number}", until)
        bench.request(BOB, f"b{number}", until)
    await settle()
    assert sorted(bench.running) == ["a0", "a1", "b0", "b1"]
    assert await bench.request(NODE, "node", None) == "node"
    assert await bench.request(ADMIN, "admin", None) == "admin"
    level = '{priority_level="workload",flow_schema="global-default"} '
    assert bench.shown("current_executing_requests") == [f"{level}4"]
    assert bench.shown("current_inqueue_requests") == [f"{level}36"]
    until.set()
    await asyncio.gather(*bench.tasks)
    assert f"{level}40" in bench.shown("dispatched_requests_total")
    assert bench.shown("current_executing_requests") == []
    assert bench.shown("current_inqueue_requests") == []


async def test_a_full_queue_is_429() -> None:
    bench = Bench()
    until = asyncio.Event()
    waiting = [bench.request(ALICE, f"a{number}", until) for number in range(42)]
    refused = bench.request(ALICE, "a42", until)
    error = await refusal(refused)
    assert (error.code, error.reason) == (429, "TooManyRequests")
    assert bench.shown("rejected_requests_total") == [
        '{priority_level="workload",flow_schema="global-default",reason="queue-full"} 1'
    ]
    until.set()
    await asyncio.gather(*waiting)
    assert len(bench.running) == 42


async def test_who_is_displaced_is_429() -> None:
    bench = Bench()
    until = asyncio.Event()
    for user in (ALICE, BOB):
        for number in range(42):
            bench.request(user, f"{user.name}{number}", until)
    await settle()
    newcomer = bench.request(UserInfo("carol"), "carol", until)
    until.set()
    assert await newcomer == "carol"
    outcomes = await asyncio.gather(*bench.tasks, return_exceptions=True)
    assert sum(isinstance(one, StatusError) for one in outcomes) == 1


async def test_nobody_waits_for_ever() -> None:
    bench = Bench(wait_seconds=0.01)
    until = asyncio.Event()
    served = [bench.request(ALICE, f"a{number}", until) for number in range(2)]
    late = await refusal(bench.request(ALICE, "late", until))
    assert late.code == 429
    assert 'reason="time-out"} 1' in bench.shown("rejected_requests_total")[0]
    until.set()
    assert await asyncio.gather(*served) == ["a0", "a1"]
    assert await bench.request(ALICE, "next", None) == "next"


@pytest.mark.parametrize(
    "info", [pytest.param(WATCH, id="a watch"), pytest.param(EXEC, id="an exec")]
)
async def test_what_lasts_gives_its_seat_back_when_it_begins(info: RequestInfo) -> None:
    bench = Bench()
    until = asyncio.Event()
    for number in range(10):
        bench.request(ALICE, f"w{number}", until, info)
    await settle()
    assert len(bench.running) == 10
    assert await bench.request(ALICE, "get", None) == "get"
    until.set()
    await asyncio.gather(*bench.tasks)


async def test_who_leaves_the_queue_is_not_served_and_costs_no_seat() -> None:
    bench = Bench()
    until = asyncio.Event()
    first = [bench.request(ALICE, f"a{number}", until) for number in range(2)]
    gone, stays = (bench.request(ALICE, name, None) for name in ("gone", "stays"))
    await settle()
    gone.cancel()
    await settle()
    until.set()
    assert await stays == "stays"
    assert await asyncio.gather(*first) == ["a0", "a1"]
    assert gone.cancelled()
    assert "gone" not in bench.running


async def test_a_seat_given_to_who_has_just_left_goes_on_to_the_next() -> None:
    bench = Bench()
    until = asyncio.Event()
    first = [bench.request(ALICE, f"a{number}", until) for number in range(2)]
    gone = bench.request(ALICE, "gone", None)
    stays = bench.request(ALICE, "stays", None)
    await settle()
    until.set()
    await first[0]
    # The seat is given in this turn, the request is woken in the next one.
    asyncio.get_running_loop().call_soon(gone.cancel)
    assert await stays == "stays"
    await asyncio.gather(*first, gone, return_exceptions=True)
    full = asyncio.Event()
    again = [bench.request(ALICE, f"again{number}", full) for number in range(2)]
    await settle()
    assert bench.running[-2:] == ["again0", "again1"]
    full.set()
    await asyncio.gather(*again)


async def test_a_failing_handler_gives_its_seat_back() -> None:
    bench = Bench()

    async def fail() -> str:
        raise ValueError("on purpose")

    for _ in range(5):
        with pytest.raises(ValueError, match="on purpose"):
            await bench.gate.run(ALICE, GET, fail)
    assert await bench.request(ALICE, "next", None) == "next"


class Inflight:
    def __init__(self, reads: int, writes: int) -> None:
        self.registry = Registry()
        self.limit = InflightLimit(
            reads=reads, writes=writes, metrics=FlowMetrics(self.registry), clock=SystemClock()
        )


def held(until: asyncio.Event) -> Callable[[], Awaitable[str]]:
    async def serve() -> str:
        await until.wait()
        return "served"

    return serve


async def test_without_fairness_reads_and_writes_are_counted_apart() -> None:
    bench = Inflight(1, 1)
    until = asyncio.Event()
    run = bench.limit.run
    served = [asyncio.create_task(run(ALICE, info, held(until))) for info in (GET, POST)]
    await settle()
    for info in (GET, POST):
        assert (await refusal(run(BOB, info, held(until)))).code == 429
    served += [
        asyncio.create_task(run(ADMIN, GET, held(until))),
        asyncio.create_task(run(BOB, WATCH, held(until))),
    ]
    await settle()
    until.set()
    assert await asyncio.gather(*served) == ["served"] * 4
    assert await run(BOB, GET, held(until)) == "served"
    assert 'reason="concurrency-limit"} 2' in bench.registry.render()


async def test_without_fairness_zero_is_no_limit() -> None:
    bench = Inflight(0, 1)
    until = asyncio.Event()
    served = [asyncio.create_task(bench.limit.run(ALICE, GET, held(until))) for _ in range(50)]
    await settle()
    until.set()
    assert await asyncio.gather(*served) == ["served"] * 50
