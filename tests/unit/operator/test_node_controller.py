"""Nodes that come, go and fail."""

from __future__ import annotations

from datetime import timedelta

import pytest

from podpass.api.resources import NODES, Object
from podpass.client.events import EventRecorder
from podpass.operator.conditions import Condition
from podpass.operator.live import Live
from podpass.operator.node_controller import (
    REMOVAL_SECONDS,
    NodeController,
    follow_nodes,
    nodes_condition,
)
from podpass.operator.node_status import NodeStatus, node_statuses, read_node_status
from podpass.operator.objects import OperatorObjects
from podpass.operator.observations import address_of
from podpass.operator.operator_status import OperatorStatus
from podpass.operator.parts import Parts
from podpass.testing.fake_clock import FakeClock, until
from podpass.testing.operator_cluster import OperatorCluster

SINCE = "2026-01-01T00:00:00Z"


def node(name: str, *conditions: Object) -> Object:
    return {"metadata": {"name": name}, "status": {"conditions": list(conditions)}}


def ready(status: str, reason: str = "", message: str = "") -> Object:
    return {
        "type": "Ready", "status": status, "reason": reason, "message": message,
        "lastTransitionTime": SINCE,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        pytest.param([node("a", ready("True"))], "", id="well"),
        pytest.param([], "", id="no nodes"),
        pytest.param(
            [node("a", ready("True")), node("b", ready("Unknown", "NodeStatusUnknown", "silent"))],
            f'The master nodes not ready: node "b" not ready since {SINCE} because '
            "NodeStatusUnknown (silent)",
            id="one is silent",
        ),
        pytest.param(
            [node("a"), node("b")],
            'The master nodes not ready: node "a" not ready, no Ready condition found in status '
            'block, node "b" not ready, no Ready condition found in status block',
            id="two say nothing",
        ),
    ],
)
def test_the_condition_names_nodes(nodes: list[Object], message: str) -> None:
    text = message or "All master nodes are ready"
    expected = Condition("NodeControllerDegraded", bool(message), "MasterNodesReady", text)
    assert nodes_condition(nodes) == expected


def test_entries_keep_their_order_and_what_they_know() -> None:
    known = [NodeStatus("b", 3), NodeStatus("a", 2)]
    assert follow_nodes(known, ["a", "b", "c"]) == [*known, NodeStatus("c")]
    assert follow_nodes(known, ["a"]) == [NodeStatus("a", 2)]


def test_an_entry_survives_the_wire() -> None:
    entry = {
        "nodeName": "a", "nodeUID": "u", "currentRevision": 11, "targetRevision": 12,
        "lastFailedRevision": 12, "lastFailedTime": SINCE, "lastFailedReason": "InstallerFailed",
        "lastFailedCount": 2, "lastFallbackCount": 1, "lastFailedRevisionErrors": ["x"],
    }  # fmt: skip
    assert read_node_status(entry).to_json() == entry
    assert NodeStatus("a").to_json() == {"nodeName": "a"}


def test_an_address_or_the_name() -> None:
    with_address = node("a")
    with_address["status"]["addresses"] = [
        {"type": "Hostname", "address": "a"},
        {"type": "InternalIP", "address": "127.0.0.11"},
    ]
    assert address_of(with_address).ip == "127.0.0.11"
    assert address_of(node("a")).ip == "a"


async def test_a_new_node_is_brought_to_the_latest_revision(cluster: OperatorCluster) -> None:
    cluster.simulator.put(
        NODES,
        {
            "metadata": {"name": "master-3", "labels": {"node-role.kubernetes.io/master": ""}},
            "status": {"conditions": [ready("False", "KubeletNotReady", "starting")]},
        },
    )
    await until(lambda: cluster.currents == [1, 1, 1, 1])
    assert cluster.nodes.installed == [("master-3", 1)]
    await until(lambda: cluster.events("MasterNodeObserved"))
    assert cluster.condition("NodeControllerDegraded")["status"] == "True"


async def test_a_worker_is_none_of_its_business(cluster: OperatorCluster) -> None:
    cluster.simulator.put(NODES, node("worker-0", ready("True")))
    cluster.edit_operator(forceRedeploymentReason="x")
    await cluster.rolled_out(2)
    assert cluster.currents == [2, 2, 2]


async def test_a_node_is_forgotten_when_it_has_been_away_for_long(
    cluster: OperatorCluster,
) -> None:
    await cluster.kill_operator()
    client = cluster.client
    clock = FakeClock()
    live = Live(client, clock)
    recorder = EventRecorder(client, "x", clock)
    parts = Parts(
        live,
        OperatorStatus(client, clock, cluster.settings.profile),
        OperatorObjects(client, recorder),
        cluster.settings,
        clock,
    )
    controller = NodeController(parts)
    await live.nodes._relist()
    assert await controller.sync() is None
    cluster.simulator.remove(NODES, "", "master-1")
    await live.nodes._relist()
    assert await controller.sync() == timedelta(seconds=REMOVAL_SECONDS)
    await clock.advance(REMOVAL_SECONDS - 1)
    await controller.sync()
    assert len(node_statuses(cluster.operator)) == 3
    await clock.advance(1)
    await controller.sync()
    assert [one.name for one in node_statuses(cluster.operator)] == ["master-0", "master-2"]
    await controller.sync()
    await recorder.flush()
    assert cluster.events("MasterNodeRemoved") == ["Observed removal of master node master-1"]
