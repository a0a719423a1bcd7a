"""Which node is next, rule by rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from podpass.operator.node_choice import StaticPod, choose_start, next_target
from podpass.operator.node_status import NodeStatus

A, B, C = (NodeStatus(name, current_revision=11) for name in "abc")


def pods(**revisions: int) -> dict[str, StaticPod]:
    return {name: StaticPod(number, str(number), ready=True) for name, number in revisions.items()}


ALL_READY = pods(a=11, b=11, c=11)


@pytest.mark.parametrize(
    ("nodes", "static", "reason"),
    [
        pytest.param(
            [A, replace(B, target_revision=12), C],
            {},
            "node b is progressing towards 12",
            id="1: one is being installed",
        ),
        pytest.param(
            [A, replace(B, last_failed_revision=12), C],
            {},
            "node b is progressing with failed revisions",
            id="2: one failed at a newer revision",
        ),
        pytest.param(
            [A, replace(B, last_failed_revision=11), C],
            ALL_READY,
            "node a with revision 11 is the oldest",
            id="2: a failure of the past does not count",
        ),
        pytest.param(
            [A, B, C], pods(a=11, c=11), "node b static pod not found", id="3: one has no pod"
        ),
        pytest.param(
            [A, B, C],
            {**ALL_READY, "c": StaticPod(None, "x")},
            'node c has an invalid current revision "x"',
            id="3: one does not say its revision",
        ),
        pytest.param(
            [A, B, C],
            {**ALL_READY, "b": StaticPod(12), "c": StaticPod(10)},
            "node c with revision 10 is the oldest not ready",
            id="4: the oldest of those that are not ready",
        ),
        pytest.param(
            [A, B, C],
            pods(a=11, b=12, c=10),
            "node c with revision 10 is the oldest not matching its expected revision 11",
            id="5: the oldest of those that run something else",
        ),
        pytest.param(
            [replace(A, current_revision=12), B, C],
            pods(a=12, b=11, c=11),
            "node b with revision 11 is the oldest",
            id="6: the oldest",
        ),
        pytest.param(
            [A, B, C],
            ALL_READY,
            "node a with revision 11 is the oldest",
            id="6: the first of equals",
        ),
    ],
)
def test_the_node_to_begin_with(
    nodes: list[NodeStatus], static: dict[str, StaticPod], reason: str
) -> None:
    assert choose_start(nodes, static).reason == reason


def test_the_chosen_node_goes_to_the_latest_revision() -> None:
    start = choose_start([A, B, C], ALL_READY)
    assert next_target([A, B, C], 13, start) == (start, 13)


def test_a_later_node_follows_the_one_before_it() -> None:
    """The first node is done and not ready: the rollout goes on behind it."""
    nodes = [replace(A, current_revision=12), B, C]
    start = choose_start(nodes, {**ALL_READY, "a": StaticPod(12)})
    assert start.index == 0
    found = next_target(nodes, 12, start)
    assert found is not None
    assert (found[0].index, found[1]) == (1, 12)


def test_the_walk_goes_once_around() -> None:
    """Behind the last node comes the first."""
    nodes = [A, B, replace(C, current_revision=12)]
    start = choose_start(nodes, {**ALL_READY, "c": StaticPod(12)})
    assert start.index == 2
    found = next_target(nodes, 12, start)
    assert found is not None
    assert (found[0].index, found[1]) == (0, 12)


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(replace(B, last_failed_revision=12), id="that failed there"),
        pytest.param(replace(B, current_revision=12), id="that is there"),
    ],
)
def test_a_later_node_does_not_follow(second: NodeStatus) -> None:
    nodes = [replace(A, current_revision=12), second]
    start = choose_start(nodes, {"a": StaticPod(12), "b": StaticPod(11, "11", ready=True)})
    assert next_target(nodes, 12, start) is None


def test_all_are_there() -> None:
    assert next_target([A, B, C], 11, choose_start([A, B, C], ALL_READY)) is None
