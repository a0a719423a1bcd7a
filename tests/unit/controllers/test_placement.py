"""Filters with their reasons, and the order among the nodes that are left."""

from typing import Any

import pytest

from podpass.api.resources import Object
from podpass.controllers.node_load import NodeLoad, PodDemand
from podpass.controllers.placement import Placement, place


def node(name: str, *, ready: str = "True", labels: Any = None, **spec: Any) -> Object:
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec,
        "status": {
            "conditions": [{"type": "Ready", "status": ready}],
            "allocatable": {"pods": "3"},
        },
    }


def with_pods(**counts: int) -> dict[str, NodeLoad]:
    empty = PodDemand({}, frozenset())
    return {
        name: NodeLoad({str(number): empty for number in range(count)})
        for name, count in counts.items()
    }


POD: Object = {"metadata": {"name": "p"}, "spec": {}}
TAINT = {"key": "role", "value": "db", "effect": "NoSchedule"}
SOFT = {"key": "soft", "effect": "PreferNoSchedule"}
EVERYTHING: Object = {"spec": {"tolerations": [{"operator": "Exists"}]}}


def test_no_nodes() -> None:
    assert place(POD, [], {}) == Placement((), "no nodes available to schedule pods")


@pytest.mark.parametrize(
    ("pod", "nodes", "loads", "best"),
    [
        pytest.param(POD, [node("a"), node("b")], {}, ("a", "b"), id="equals"),
        pytest.param(
            POD, [node("a"), node("b")], with_pods(a=1), ("b",), id="the one with fewer pods"
        ),
        pytest.param(
            POD, [node("a"), node("b")], with_pods(a=1, b=1), ("a", "b"), id="as many pods"
        ),
        pytest.param(
            POD, [node("a", taints=[SOFT]), node("b")], with_pods(b=2), ("b",),
            id="a soft taint weighs more than pods",
        ),
        pytest.param(
            EVERYTHING, [node("a", taints=[SOFT]), node("b")], with_pods(b=2), ("a",),
            id="a tolerated soft taint does not",
        ),
        pytest.param(
            POD, [node("a", taints=[TAINT]), node("b")], with_pods(b=2), ("b",), id="a hard taint"
        ),
        pytest.param(EVERYTHING, [node("a", taints=[TAINT])], {}, ("a",), id="tolerated"),
        pytest.param(POD, [node("a", ready="False"), node("b")], {}, ("b",), id="not ready"),
        pytest.param(EVERYTHING, [node("a", ready="False")], {}, ("a",), id="not ready, tolerated"),
        pytest.param(EVERYTHING, [node("a", unschedulable=True)], {}, ("a",), id="cordon ignored"),
        pytest.param(
            {"spec": {"nodeSelector": {"disk": "ssd"}}},
            [node("a"), node("b", labels={"disk": "ssd"})], with_pods(b=2), ("b",),
            id="the label asked for",
        ),
    ],
)  # fmt: skip
def test_best_nodes(
    pod: Object, nodes: list[Object], loads: dict[str, NodeLoad], best: tuple[str, ...]
) -> None:
    assert place(pod, nodes, loads) == Placement(best)


def test_preferred_labels_weigh_most() -> None:
    term = {"matchExpressions": [{"key": "disk", "operator": "Exists"}]}
    preferred = [{"weight": 1, "preference": term}]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    nodes = [node("a"), node("b", labels={"disk": "x"}, taints=[SOFT])]
    assert place({"spec": {"affinity": affinity}}, nodes, with_pods(b=2)).best == ("b",)


def test_the_message_counts_the_reasons() -> None:
    nodes = [
        node("a", taints=[TAINT]),
        node("b", unschedulable=True),
        node("c", ready="Unknown"),
        node("d"),
        node("e"),
        node("f", labels={"disk": "ssd"}),
    ]
    pod: Object = {"spec": {}}
    loads = with_pods(d=3, e=3, f=3)
    assert place(pod, nodes, loads).message == (
        "0/6 nodes are available: 1 node(s) had untolerated taint "
        "{node.kubernetes.io/unreachable: }, 1 node(s) had untolerated taint {role: db}, "
        "1 node(s) were unschedulable, 3 Too many pods."
    )
    pod = {"spec": {"nodeSelector": {"disk": "none"}}}
    assert place(pod, nodes[3:], {}).message == (
        "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."
    )


def test_a_node_without_conditions_is_not_ready() -> None:
    bare = {"metadata": {"name": "n"}}
    assert "{node.kubernetes.io/not-ready: }" in place(POD, [bare], {}).message
