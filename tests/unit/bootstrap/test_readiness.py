"""`bootstrap.readiness`: which nodes count as Ready."""

from __future__ import annotations

from typing import Any

from podpass.bootstrap.readiness import ready_nodes


def node(name: str, status: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "status": {
            "conditions": [
                {"type": "Ready", "status": status, "lastHeartbeatTime": "2026-01-01T12:00:00Z"}
            ]
        },
    }


def test_only_nodes_whose_condition_is_true_are_ready() -> None:
    nodes: list[dict[str, Any]] = [
        node("a", "True"),
        node("b", "Unknown"),
        node("c", "False"),
        {"metadata": {}},
    ]
    assert ready_nodes(nodes) == {"a"}


def test_an_old_report_does_not_count() -> None:
    nodes = [node("a", "True")]
    assert ready_nodes(nodes, since="2026-01-01T12:00:00Z") == {"a"}
    assert ready_nodes(nodes, since="2026-01-01T12:00:01Z") == set()
