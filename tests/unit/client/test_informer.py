"""The informer's copy follows the server through everything that goes wrong."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from podpass.api.errors import StatusError, forbidden, unauthorized
from podpass.api.meta import name_of
from podpass.api.resources import CONFIG_MAPS, PODS, Object
from podpass.client.informer import Informer
from podpass.client.rest import RestClient
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.fake_clock import FakeClock, settle, until

Changes = list[tuple[str, str]]


def config_map(name: str, value: str = "", namespace: str = "ns") -> Object:
    return {"metadata": {"name": name, "namespace": namespace}, "data": {"k": value}}


def noted(informer: Informer) -> Changes:
    changes: Changes = []

    def note(old: Object | None, new: Object | None) -> None:
        obj = new or old or {}
        kind = "added" if old is None else "deleted" if new is None else "changed"
        changes.append((kind, name_of(obj)))

    informer.on_change(note)
    return changes


@contextlib.asynccontextmanager
async def running(informer: Informer) -> AsyncIterator[None]:
    task = asyncio.create_task(informer.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def informer(client: RestClient, clock: FakeClock) -> Informer:
    return Informer(client, CONFIG_MAPS, clock=clock)


async def awake(clock: FakeClock, informer: Informer, count: int) -> None:
    """Let backoffs pass until the copy has so many objects."""
    for _ in range(1000):
        if len(informer.list()) == count:
            return
        await clock.advance(1)
        with contextlib.suppress(AssertionError):
            await until(lambda: len(informer.list()) == count, seconds=0.02)
    raise AssertionError(informer.list())


async def test_list_then_watch(simulator: ApiSimulator, informer: Informer) -> None:
    simulator.put(CONFIG_MAPS, config_map("a"))
    changes = noted(informer)
    assert not informer.synced
    async with running(informer):
        await informer.wait_synced()
        assert informer.synced
        simulator.put(CONFIG_MAPS, config_map("b"))
        simulator.put(CONFIG_MAPS, config_map("a", "new"))
        simulator.remove(CONFIG_MAPS, "ns", "b")
        await until(lambda: len(changes) == 4)
    assert changes == [("added", "a"), ("added", "b"), ("changed", "a"), ("deleted", "b")]
    found = informer.get("ns", "a")
    assert found is not None
    assert found["data"] == {"k": "new"}
    assert informer.get("ns", "b") is None


async def test_list_by_namespace(simulator: ApiSimulator, informer: Informer) -> None:
    simulator.put(CONFIG_MAPS, config_map("a"))
    simulator.put(CONFIG_MAPS, config_map("a", namespace="other"))
    async with running(informer):
        await informer.wait_synced()
    assert len(informer.list()) == 2
    assert [one["metadata"]["namespace"] for one in informer.list("other")] == ["other"]
    assert informer.list("none") == []


async def test_a_late_listener_hears_of_what_is_there(
    simulator: ApiSimulator, informer: Informer
) -> None:
    simulator.put(CONFIG_MAPS, config_map("a"))
    async with running(informer):
        await informer.wait_synced()
        assert noted(informer) == [("added", "a")]


async def test_namespace_and_field_selector_limit_the_copy(
    simulator: ApiSimulator, client: RestClient, clock: FakeClock
) -> None:
    def pod(name: str, node: str, namespace: str = "ns") -> Object:
        return {"metadata": {"name": name, "namespace": namespace}, "spec": {"nodeName": node}}

    for one in (pod("a", "n"), pod("b", "m"), pod("c", "n", "other")):
        simulator.put(PODS, one)
    informer = Informer(client, PODS, clock=clock, namespace="ns", field_selector="spec.nodeName=n")
    async with running(informer):
        await informer.wait_synced()
        simulator.put(PODS, pod("d", "m"))
        simulator.put(PODS, pod("e", "n"))
        await until(lambda: informer.get("ns", "e"))
    assert sorted(name_of(one) for one in informer.list()) == ["a", "e"]


async def test_only_what_is_kept_stays_in_memory(
    simulator: ApiSimulator, client: RestClient, clock: FakeClock
) -> None:
    informer = Informer(
        client, CONFIG_MAPS, clock=clock, keep=lambda obj: {"metadata": obj["metadata"]}
    )
    simulator.put(CONFIG_MAPS, config_map("a", "large"))
    changes: list[tuple[Object | None, Object | None]] = []
    informer.on_change(lambda old, new: changes.append((old, new)))
    async with running(informer):
        await informer.wait_synced()
        assert all("data" not in one for one in informer.list())
        simulator.remove(CONFIG_MAPS, "ns", "a")
        await until(lambda: len(changes) == 2)
    assert all("data" not in (one or {}) for pair in changes for one in pair)


async def test_a_cut_watch_is_resumed_where_it_was(
    simulator: ApiSimulator, informer: Informer, clock: FakeClock
) -> None:
    changes = noted(informer)
    async with running(informer):
        await informer.wait_synced()
        simulator.put(CONFIG_MAPS, config_map("a"))
        await until(lambda: changes)
        simulator.drop_watches()
        simulator.put(CONFIG_MAPS, config_map("b"))
        await awake(clock, informer, 2)
    assert changes == [("added", "a"), ("added", "b")]
    assert sum("watch=true" not in path for _, path, _ in simulator.requests) == 1


async def test_after_410_the_difference_is_told(
    simulator: ApiSimulator, informer: Informer, clock: FakeClock
) -> None:
    for name in "abc":
        simulator.put(CONFIG_MAPS, config_map(name))
    changes = noted(informer)
    async with running(informer):
        await informer.wait_synced()
        changes.clear()
        await simulator.stop()
        simulator.remove(CONFIG_MAPS, "ns", "a")
        simulator.put(CONFIG_MAPS, config_map("b", "new"))
        simulator.put(CONFIG_MAPS, config_map("d"))
        simulator.put(CONFIG_MAPS, config_map("e"))
        simulator.compact()
        await simulator.start()
        await awake(clock, informer, 4)
    assert sorted(changes) == [
        ("added", "d"),
        ("added", "e"),
        ("changed", "b"),
        ("deleted", "a"),
    ]


async def test_an_error_event_makes_it_list_again(
    simulator: ApiSimulator, informer: Informer, clock: FakeClock
) -> None:
    async with running(informer):
        await informer.wait_synced()
        await until(lambda: len(simulator.requests) == 2)
        simulator.fail_watches(StatusError(410, "Expired", "too old"))
        await until(lambda: clock.sleeping)
        simulator.put(CONFIG_MAPS, config_map("a"))
        await awake(clock, informer, 1)
    assert sum("watch=true" not in path for _, path, _ in simulator.requests) == 2


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(unauthorized(), id="401"),
        pytest.param(forbidden("configmaps", "", "no rule"), id="403"),
        pytest.param(StatusError(500, "InternalError", "x"), id="500"),
    ],
)
async def test_it_does_not_give_up_on_refusals(
    simulator: ApiSimulator, informer: Informer, clock: FakeClock, refusal: StatusError
) -> None:
    simulator.put(CONFIG_MAPS, config_map("a"))
    simulator.answers = [refusal] * 8
    async with running(informer):
        await awake(clock, informer, 1)
    assert informer.synced


async def test_it_backs_off_while_the_server_is_away(
    simulator: ApiSimulator, informer: Informer, clock: FakeClock
) -> None:
    await simulator.stop()
    async with running(informer):
        delays = []
        for _ in range(10):
            await until(lambda: clock.sleeping)
            delays.append(clock.sleeping[0])
            await clock.advance(clock.sleeping[0])
        await simulator.start()
        simulator.put(CONFIG_MAPS, config_map("a"))
        await awake(clock, informer, 1)
    assert 0.1 <= delays[0] <= 0.15
    assert all(5 <= delay <= 7.5 for delay in delays[6:])


async def test_a_listener_that_fails_does_not_stop_the_others(
    simulator: ApiSimulator, informer: Informer
) -> None:
    def fail(old: Object | None, new: Object | None) -> None:
        raise ValueError(old, new)

    informer.on_change(fail)
    changes = noted(informer)
    async with running(informer):
        await informer.wait_synced()
        simulator.put(CONFIG_MAPS, config_map("a"))
        await until(lambda: changes)
    await settle()
    assert changes == [("added", "a")]
