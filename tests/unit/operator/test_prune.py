"""Which revisions may go."""

from __future__ import annotations

import pytest

from podpass.operator.node_status import NodeStatus
from podpass.operator.prune import (
    Limits,
    protected_revisions,
    prunable_revisions,
    read_limits,
)


@pytest.mark.parametrize(
    ("nodes", "limits", "kept"),
    [
        pytest.param([NodeStatus("a", 12)], Limits(), range(8, 13), id="five up to what runs"),
        pytest.param([NodeStatus("a", 12)], Limits(5, 2), range(11, 13), id="a lower limit"),
        pytest.param(
            [NodeStatus("a", 12), NodeStatus("b", 4)],
            Limits(1, 1),
            [4, 12],
            id="each node keeps its own",
        ),
        pytest.param(
            [NodeStatus("a", 4, 9)], Limits(2, 1), [4, 8, 9, 11, 12], id="a target, and the newest"
        ),
        pytest.param(
            [NodeStatus("a", 12, last_failed_revision=7)], Limits(2, 1), [6, 7, 12], id="failures"
        ),
        pytest.param([NodeStatus("a", 12)], Limits(-1, 1), range(1, 13), id="everything stays"),
        pytest.param(
            [NodeStatus("a", 3)], Limits(), [1, 2, 3, *range(8, 13)], id="a node that is behind"
        ),
        pytest.param([], Limits(2, 2), [11, 12], id="no nodes: the newest"),
    ],
)
def test_what_stays(nodes: list[NodeStatus], limits: Limits, kept: list[int]) -> None:
    found = protected_revisions(nodes, 12, limits)
    assert found == set(kept)


def test_what_goes_is_neither_protected_nor_newer_than_the_latest() -> None:
    assert prunable_revisions([3, 1, 2, 14, 12], {2, 12}, 12) == [1, 3]


@pytest.mark.parametrize(
    ("spec", "limits"),
    [
        pytest.param({}, Limits(5, 5), id="absent"),
        pytest.param(
            {"failedRevisionLimit": 0, "succeededRevisionLimit": 0}, Limits(5, 5), id="zero"
        ),
        pytest.param(
            {"failedRevisionLimit": -1, "succeededRevisionLimit": 3}, Limits(-1, 3), id="given"
        ),
    ],
)
def test_limits(spec: dict[str, int], limits: Limits) -> None:
    assert read_limits(spec) == limits
