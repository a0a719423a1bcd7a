"""The strings that users compare, for both generations of words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from podpass.api.resources import Object
from podpass.operator.conditions import Condition, apply_conditions, degraded, rollout_conditions
from podpass.operator.node_status import NodeStatus
from podpass.operator.profiles import LEGACY, TRUST_24H

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DONE = "AllNodesAtLatestRevision"


def nodes(*currents: int) -> list[NodeStatus]:
    return [NodeStatus(f"n{i}", current_revision=one) for i, one in enumerate(currents)]


VECTORS = [
    ((12, 12, 12), 12, False, "3 nodes are at revision 12", ""),
    (
        (11, 11, 11), 12, True,
        "3 nodes are at revision 11; 0 nodes have achieved new revision 12", "",
    ),
    (
        (12, 11, 11), 12, True,
        "2 nodes are at revision 11; 1 nodes are at revision 12",
        "2 nodes are at revision 11; 1 node is at revision 12",
    ),
    (
        (12, 12, 11), 12, True,
        "1 nodes are at revision 11; 2 nodes are at revision 12",
        "1 node is at revision 11; 2 nodes are at revision 12",
    ),
    (
        (12, 11, 11), 13, True,
        ("2 nodes are at revision 11; 1 nodes are at revision 12; "
        "0 nodes have achieved new revision 13"),
        ("2 nodes are at revision 11; 1 node is at revision 12; "
        "0 nodes have achieved new revision 13"),
    ),
    (
        (13, 12, 11), 13, True,
        "1 nodes are at revision 11; 1 nodes are at revision 12; 1 nodes are at revision 13",
        "1 node is at revision 11; 1 node is at revision 12; 1 node is at revision 13",
    ),
    (
        (9, 10, 10), 10, True,
        "1 nodes are at revision 9; 2 nodes are at revision 10",
        "1 node is at revision 9; 2 nodes are at revision 10",
    ),
    (
        (11,), 12, True,
        "1 nodes are at revision 11; 0 nodes have achieved new revision 12",
        "1 node is at revision 11; 0 nodes have achieved new revision 12",
    ),
    ((12,), 12, False, "1 nodes are at revision 12", "1 node is at revision 12"),
    (
        (12, 12, 12, 0), 12, True,
        "1 nodes are at revision 0; 3 nodes are at revision 12",
        "1 node is at revision 0; 3 nodes are at revision 12",
    ),
    (
        (0, 0, 0), 2, True,
        "3 nodes are at revision 0; 0 nodes have achieved new revision 2", "",
    ),
    (
        (0, 0, 2), 3, True,
        ("2 nodes are at revision 0; 1 nodes are at revision 2; "
        "0 nodes have achieved new revision 3"),
        ("2 nodes are at revision 0; 1 node is at revision 2; "
        "0 nodes have achieved new revision 3"),
    ),
    ((0, 0, 0), 0, False, "3 nodes are at revision 0", ""),
    ((), 5, False, "", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("currents", "latest", "progressing", "plural", "singular"),
    [pytest.param(*row, id=f"{row[0]} with {row[1]} available") for row in VECTORS],
)
def test_progressing_says_to_the_letter(
    currents: tuple[int, ...], latest: int, progressing: bool, plural: str, singular: str
) -> None:
    reason = "" if progressing else DONE
    found = rollout_conditions(nodes(*currents), latest, LEGACY)[0]
    assert found == Condition("NodeInstallerProgressing", progressing, reason, plural)
    newer = rollout_conditions(nodes(*currents), latest, TRUST_24H)[0]
    assert newer == Condition("NodeInstallerProgressing", progressing, reason, singular or plural)


@pytest.mark.parametrize(
    ("currents", "latest", "available", "message"),
    [
        pytest.param(
            (12, 12, 12), 12, True, "3 nodes are active; 3 nodes are at revision 12", id="all run"
        ),
        pytest.param(
            (12, 0), 12, True,
            "1 nodes are active; 1 nodes are at revision 0; 1 nodes are at revision 12",
            id="one runs",
        ),
        pytest.param(
            (0, 0, 0), 2, False,
            "0 nodes are active; 3 nodes are at revision 0; "
            "0 nodes have achieved new revision 2",
            id="none runs",
        ),
        pytest.param((), 5, False, "0 nodes are active; ", id="there is none"),
    ],
)  # fmt: skip
def test_available_counts_what_runs(
    currents: tuple[int, ...], latest: int, available: bool, message: str
) -> None:
    reason = "" if available else "ZeroNodesActive"
    found = rollout_conditions(nodes(*currents), latest, LEGACY)[1]
    assert found == Condition("StaticPodsAvailable", available, reason, message)


def failing(name: str, revision: int, target: int, *errors: str, why: str = "") -> NodeStatus:
    return NodeStatus(
        name, 11, target, revision, NOW, why or "InstallerFailed", 1, last_failed_errors=errors
    )


@pytest.mark.parametrize(
    ("status", "message"),
    [
        pytest.param(
            [failing("a", 12, 12, "installer: no space")],
            "1 nodes are failing on revision 12:\ninstaller: no space",
            id="one node",
        ),
        pytest.param(
            [failing("a", 12, 12, "x", "y"), failing("b", 9, 9, "z")],
            "1 nodes are failing on revision 9:\nz; 1 nodes are failing on revision 12:\nx\ny",
            id="revisions ascend",
        ),
        pytest.param([failing("a", 12, 0, "x")], "", id="a failure of the past"),
        pytest.param([failing("a", 11, 12, "x")], "", id="a failure of another revision"),
        pytest.param(
            [failing("a", 12, 12, "x", why="OperandFailedFallback")], "", id="it fell back"
        ),
    ],
)
def test_degraded_speaks_of_what_is_being_installed(status: list[NodeStatus], message: str) -> None:
    found = rollout_conditions(status, 12, LEGACY)[2]
    reason = "InstallerPodFailed" if message else ""
    assert found == Condition("NodeInstallerDegraded", bool(message), reason, message)


def test_an_empty_reason_is_left_out_or_empty() -> None:
    legacy: list[Object] = []
    newer: list[Object] = []
    wanted = [Condition("X", status=True)]
    assert apply_conditions(legacy, wanted, now=NOW, profile=LEGACY)
    assert apply_conditions(newer, wanted, now=NOW, profile=TRUST_24H)
    assert "reason" not in legacy[0]
    assert newer[0]["reason"] == newer[0]["message"] == ""


def test_only_status_moves_the_time_of_transition() -> None:
    conditions: list[Object] = []
    apply_conditions(conditions, [Condition("X", True, "A", "a")], now=NOW, profile=LEGACY)
    later = NOW + timedelta(seconds=5)
    changed = [Condition("X", True, "B", "b")]
    assert apply_conditions(conditions, changed, now=later, profile=LEGACY)
    assert conditions[0]["lastTransitionTime"] == "2026-01-01T00:00:00Z"
    assert not apply_conditions(conditions, changed, now=later, profile=LEGACY)
    apply_conditions(conditions, [Condition("X", False, "B", "b")], now=later, profile=LEGACY)
    assert conditions[0]["lastTransitionTime"] == "2026-01-01T00:00:05Z"


def test_a_controller_is_well_or_says_why() -> None:
    assert degraded("Revision", "") == Condition("RevisionDegraded", False, "AsExpected")
    assert degraded("Revision", "x") == Condition("RevisionDegraded", True, "SyncError", "x")
