"""Heartbeats, conditions and taints of nodes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from podpass.api.resources import Object
from podpass.controllers.node_health import (
    any_ready,
    heartbeat,
    ready_status,
    silenced_conditions,
    wanted_taints,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STAMP = "2026-01-01T00:00:00Z"
NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"


def node(ready: str | None = "True", *others: Object, taints: Any = (), **spec: Any) -> Object:
    conditions = [{"type": "Ready", "status": ready}] if ready else []
    return {
        "metadata": {"name": "n"},
        "spec": {"taints": [*taints]} | spec,
        "status": {"conditions": [*conditions, *others]},
    }


def pairs(taints: list[Object] | None) -> set[tuple[str, str]] | None:
    return None if taints is None else {(one["key"], one["effect"]) for one in taints}


@pytest.mark.parametrize(
    ("given", "status"),
    [
        pytest.param(node("True"), "True", id="ready"),
        pytest.param(node("False"), "False", id="not ready"),
        pytest.param(node(None), "", id="did not say yet"),
        pytest.param({"metadata": {}}, "", id="no status at all"),
    ],
)
def test_ready_status(given: Object, status: str) -> None:
    assert ready_status(given) == status


def test_a_heartbeat_is_a_new_lease_time_or_a_new_report() -> None:
    def beat(renewed: str, reported: str, reason: str = "KubeletReady") -> tuple[str, str]:
        condition = {"type": "Ready", "lastHeartbeatTime": reported, "reason": reason}
        return heartbeat({"status": {"conditions": [condition]}}, {"spec": {"renewTime": renewed}})

    assert beat("1", "1") == beat("1", "1")
    assert beat("1", "1") != beat("2", "1")
    assert beat("1", "1") != beat("1", "2")
    assert beat("1", "1", "NodeStatusUnknown") == beat("1", "2", "NodeStatusUnknown")
    assert heartbeat({}, None) == ("", "")


def test_a_silent_node_has_all_conditions_unknown() -> None:
    conditions = silenced_conditions(node("True", {"type": "Custom", "status": "True"}), now=NOW)
    assert conditions is not None
    by_type = {one["type"]: one for one in conditions}
    assert by_type["Ready"] == {
        "type": "Ready",
        "status": "Unknown",
        "reason": "NodeStatusUnknown",
        "message": "Kubelet stopped posting node status.",
        "lastTransitionTime": STAMP,
    }
    assert by_type["DiskPressure"]["reason"] == "NodeStatusNeverUpdated"
    assert by_type["Custom"]["status"] == "True"
    silenced = node(None) | {"status": {"conditions": conditions}}
    assert silenced_conditions(silenced, now=NOW) is None


@pytest.mark.parametrize(
    ("given", "evict", "expected"),
    [
        pytest.param(node(), True, None, id="a healthy node has none"),
        pytest.param(
            node("False"), True, {(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")},
            id="not ready",
        ),
        pytest.param(
            node("Unknown"), True, {(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")},
            id="unreachable",
        ),
        pytest.param(node(None), True, None, id="did not say yet"),
        pytest.param(
            node("Unknown"), False, {(UNREACHABLE, "NoSchedule")}, id="nobody is driven off"
        ),
        pytest.param(
            node("True", {"type": "DiskPressure", "status": "True"}), True,
            {("node.kubernetes.io/disk-pressure", "NoSchedule")}, id="pressure",
        ),
        pytest.param(
            node("True", {"type": "DiskPressure", "status": "False"}), True, None,
            id="no pressure",
        ),
        pytest.param(
            node(unschedulable=True), True, {("node.kubernetes.io/unschedulable", "NoSchedule")},
            id="cordoned",
        ),
        pytest.param(
            node(taints=[{"key": NOT_READY, "effect": "NoExecute", "timeAdded": STAMP}]), True,
            set(), id="recovered",
        ),
        pytest.param(
            node("Unknown", taints=[{"key": NOT_READY, "effect": "NoSchedule"}]), False,
            {(UNREACHABLE, "NoSchedule")}, id="from not ready to unreachable",
        ),
        pytest.param(
            node("False", taints=[{"key": "mine", "effect": "NoExecute"}]), False,
            {("mine", "NoExecute"), (NOT_READY, "NoSchedule")}, id="taints of others stay",
        ),
        pytest.param(
            node(taints=[{"key": "mine", "effect": "NoExecute"}]), True, None,
            id="only taints of others",
        ),
    ],
)  # fmt: skip
def test_wanted_taints(given: Object, evict: bool, expected: set[tuple[str, str]] | None) -> None:
    assert pairs(wanted_taints(given, evict=evict, now=NOW)) == expected


def test_a_taint_that_stands_keeps_its_time() -> None:
    standing = {"key": NOT_READY, "effect": "NoSchedule", "timeAdded": "2025-01-01T00:00:00Z"}
    taints = wanted_taints(node("False", taints=[standing]), evict=True, now=NOW)
    assert taints == [standing, {"key": NOT_READY, "effect": "NoExecute", "timeAdded": STAMP}]


def test_any_ready() -> None:
    assert any_ready([node("False"), node("True")])
    assert not any_ready([node("False"), node("Unknown")])
    assert not any_ready([])
