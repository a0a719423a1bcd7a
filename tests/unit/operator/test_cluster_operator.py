"""Many conditions boiled down to four."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from podpass.api.meta import format_time
from podpass.api.resources import Object
from podpass.operator.cluster_operator import Summary, apply_summaries, summaries, summarize

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INERTIA = timedelta(minutes=2)
ROLLING = "3 nodes are at revision 11; 0 nodes have achieved new revision 12"


def condition(
    type_: str, status: str, reason: str = "", message: str = "", age: int = 3600
) -> Object:
    since = format_time(NOW - timedelta(seconds=age))
    return {
        "type": type_, "status": status, "reason": reason, "message": message,
        "lastTransitionTime": since,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("group", "conditions", "expected"),
    [
        pytest.param("Available", [], ("Unknown", "NoData", ""), id="nothing is known"),
        pytest.param(
            "Degraded",
            [condition("XDegraded", "False")],
            ("False", "AsExpected", "All is well"),
            id="nothing to say",
        ),
        pytest.param(
            "Progressing",
            [condition("NodeInstallerProgressing", "False", "All", "3 nodes are at revision 12")],
            ("False", "AsExpected", "NodeInstallerProgressing: 3 nodes are at revision 12"),
            id="good ones speak too",
        ),
        pytest.param(
            "Progressing",
            [condition("NodeInstallerProgressing", "True", "", ROLLING)],
            ("True", "NodeInstaller", f"NodeInstallerProgressing: {ROLLING}"),
            id="a rollout",
        ),
        pytest.param(
            "Degraded",
            [
                condition("ZDegraded", "True", "Error", "z"),
                condition("NodeInstallerDegraded", "True", "InstallerPodFailed", "a\nb\na"),
                condition("GoodDegraded", "False", "AsExpected", "fine"),
            ],
            (
                "True",
                "NodeInstaller_InstallerPodFailed::Z_Error",
                "NodeInstallerDegraded: a\nNodeInstallerDegraded: b\nZDegraded: z",
            ),
            id="only bad ones speak, sorted, each line once",
        ),
        pytest.param(
            "Available",
            [condition("StaticPodsAvailable", "False", "ZeroNodesActive", "0 nodes are active; ")],
            (
                "False",
                "StaticPods_ZeroNodesActive",
                "StaticPodsAvailable: 0 nodes are active; ",
            ),
            id="good is True here",
        ),
        pytest.param(
            "Upgradeable",
            [condition("XUpgradeable", "Unknown", "?")],
            ("Unknown", "X_?", ""),
            id="nobody knows",
        ),
        pytest.param(
            "Degraded",
            [condition("XDegraded", "True", "Error", "x", age=119)],
            ("False", "AsExpected", "XDegraded: x"),
            id="trouble that is too young",
        ),
        pytest.param(
            "Degraded",
            [condition("XDegraded", "True", "Error", "x", age=120)],
            ("True", "X_Error", "XDegraded: x"),
            id="trouble that is old enough",
        ),
    ],
)
def test_a_summary(group: str, conditions: list[Object], expected: tuple[str, str, str]) -> None:
    assert summarize(group, conditions, now=NOW, inertia=INERTIA) == Summary(group, *expected)


def test_there_are_four() -> None:
    status: Object = {}
    wanted = summaries([], now=NOW, inertia=INERTIA)
    assert apply_summaries(status, wanted, now=NOW)
    assert [one["type"] for one in status["conditions"]] == [
        "Degraded", "Progressing", "Available", "Upgradeable",
    ]  # fmt: skip
    assert not apply_summaries(status, wanted, now=NOW)
