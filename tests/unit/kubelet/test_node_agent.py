"""`kubelet.node_agent` and `kubelet.node_status` at an API that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from podpass.api.errors import conflict, service_unavailable
from podpass.api.meta import find_condition
from podpass.api.resources import LEASES, NODES, Object
from podpass.client.config import ClientConfig
from podpass.client.rest import RestClient
from podpass.kubelet.node_agent import LEASE_NAMESPACE, NodeAgent
from podpass.kubelet.node_status import Machine, node_conditions, node_labels, read_machine
from podpass.kubelet.runtime.interface import RuntimeFailure
from podpass.kubelet.settings import KubeletSettings
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.event_list import EventList
from podpass.testing.fake_clock import FakeClock, until

MACHINE = Machine("amd64", "6.1", "Linux", "m", "b", {"cpu": "2", "memory": "1Ki", "pods": "1"})
NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def version() -> str:
    return "podpass://1"


async def broken() -> str:
    raise RuntimeFailure("no namespaces")


class Node:
    """An agent, and the API it speaks to."""

    def __init__(self, api: ApiSimulator, client: RestClient) -> None:
        self.api = api
        self.client = client
        self.clock = FakeClock()
        self.told = EventList()
        self.agent = self.make()

    def make(self, runtime_version: Callable[[], Awaitable[str]] = version) -> NodeAgent:
        here = Path("/nowhere")
        settings = KubeletSettings(
            "n", "127.0.0.11", here, here, here, here, here, node_labels={"role": "x"}
        )
        return NodeAgent(
            self.client, settings, MACHINE, self.clock, port=1234, runtime_version=runtime_version
        )

    def stored(self) -> Object | None:
        return self.api.object(NODES, "", "n")

    def ready(self) -> str:
        conditions = ((self.stored() or {}).get("status") or {}).get("conditions") or []
        return str((find_condition(conditions, "Ready") or {}).get("status"))

    def lease(self) -> Object | None:
        return self.api.object(LEASES, LEASE_NAMESPACE, "n")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.agent.run(self.told))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def advance_until(self, condition: Callable[[], object]) -> None:
        """Let time pass until the API shows what is expected."""
        for _ in range(200):
            if condition():
                return
            await self.clock.advance(0.5)
            await asyncio.sleep(0.005)
        raise AssertionError("the condition did not come true")


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with ApiSimulator() as api, RestClient(ClientConfig(api.url)) as client:
        yield Node(api, client)


async def test_registration_goes_on_until_an_api_answers(node: Node) -> None:
    node.api.breaks = 1
    node.api.answers = [service_unavailable("starting")]
    task = asyncio.create_task(node.agent.register())
    await node.advance_until(task.done)
    stored = node.stored()
    assert stored is not None
    assert node.ready() == "True"
    assert stored["metadata"]["labels"]["role"] == "x"
    assert stored["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] == 1234


async def test_a_node_that_is_there_gets_our_labels_and_status(node: Node) -> None:
    old = {"type": "Ready", "status": "Unknown", "lastTransitionTime": "2025-01-01T00:00:00Z"}
    node.api.put(
        NODES,
        {"metadata": {"name": "n", "labels": {"mine": "y"}}, "status": {"conditions": [old]}},
    )
    await node.agent.register()
    stored = node.stored()
    assert stored is not None
    assert stored["metadata"]["labels"]["mine"] == "y"
    assert stored["metadata"]["labels"]["role"] == "x"
    assert node.ready() == "True"


async def test_a_runtime_that_is_down_makes_the_node_not_ready(node: Node) -> None:
    node.agent = node.make(broken)
    await node.agent.register()
    stored = node.stored()
    assert stored is not None
    ready = find_condition(stored["status"]["conditions"], "Ready")
    assert ready is not None
    assert (ready["status"], ready["reason"], ready["message"]) == (
        "False", "KubeletNotReady", "container runtime is down: no namespaces",
    )  # fmt: skip


async def test_the_lease_is_made_and_renewed(node: Node) -> None:
    await node.agent.register()
    async with node.running():
        await until(node.lease)
        first = node.lease()
        assert first is not None
        assert first["metadata"]["ownerReferences"][0]["kind"] == "Node"

        def renewed() -> bool:
            now = node.lease()
            return now is not None and now["spec"]["renewTime"] != first["spec"]["renewTime"]

        await node.advance_until(renewed)
        node.api.answers = [service_unavailable("not now")]
        again = (node.lease() or {})["spec"]["renewTime"]
        await node.advance_until(lambda: (node.lease() or {})["spec"]["renewTime"] != again)
    assert node.told.reasons == ["Starting", "NodeReady"]


async def test_a_node_that_is_thought_dead_speaks_up(node: Node) -> None:
    await node.agent.register()
    async with node.running():
        stored = node.stored()
        assert stored is not None
        for one in stored["status"]["conditions"]:
            one["status"] = "Unknown"
        node.api.answers = [conflict("nodes", "n")]
        node.agent.node_changed(node.api.put(NODES, stored))
        await node.advance_until(lambda: node.ready() == "True")


async def test_a_node_that_was_deleted_registers_again(node: Node) -> None:
    await node.agent.register()
    async with node.running():
        node.api.remove(NODES, "", "n")
        node.agent.node_changed(None)
        await node.advance_until(lambda: node.ready() == "True")


async def test_a_deletion_is_noticed_by_the_next_report(node: Node) -> None:
    await node.agent.register()
    async with node.running():
        node.api.remove(NODES, "", "n")
        for _ in range(10):
            await node.clock.advance(31)
            await asyncio.sleep(0.01)
        await node.advance_until(lambda: node.ready() == "True")


def test_a_condition_keeps_its_time_while_its_status_does() -> None:
    first = node_conditions([], NOW, "")
    later = NOW.replace(hour=1)
    second = node_conditions(first, later, "")
    third = node_conditions(second, later, "runtime is down")
    for before, after in zip(first, second, strict=True):
        assert after["lastTransitionTime"] == before["lastTransitionTime"]
        assert after["lastHeartbeatTime"] != before["lastHeartbeatTime"]
    ready = find_condition(third, "Ready")
    assert ready is not None
    assert (ready["status"], ready["lastTransitionTime"]) == ("False", "2026-01-01T01:00:00Z")


def test_our_own_machine_can_be_read() -> None:
    machine = read_machine(110)
    assert int(machine.capacity["cpu"]) >= 1
    assert machine.capacity["memory"].endswith("Ki")
    assert machine.capacity["pods"] == "110"
    assert machine.kernel
    labels = node_labels("n", machine, {"a": "b"})
    assert labels["kubernetes.io/hostname"] == "n"
    assert labels["kubernetes.io/arch"] == machine.architecture
    assert labels["a"] == "b"
