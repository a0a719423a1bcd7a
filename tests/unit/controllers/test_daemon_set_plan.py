"""Where daemons run, and which are replaced next."""

from datetime import UTC, datetime
from typing import Any

import pytest
from controllers.workload_samples import names, pod, workload

from podpass.api.resources import DAEMON_SETS, Object
from podpass.controllers.daemon_set_plan import (
    by_node,
    daemon_set_status,
    next_steps,
    pinned,
    placement,
    target_node,
    with_tolerations,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
EARLY, LATE = "2026-01-01T10:00:00Z", "2026-01-01T11:59:59Z"
GOING: dict[str, Any] = {"deletionTimestamp": EARLY}
SURGE = {"updateStrategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}


def daemon_set(pod_spec: Object | None = None, **spec: Any) -> Object:
    made = workload(DAEMON_SETS, **spec)
    made["spec"]["template"]["spec"] |= pod_spec or {}
    return made


def node(name: str, *taints: tuple[str, str], **labels: str) -> Object:
    listed = [{"key": key, "effect": effect} for key, effect in taints]
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": listed}}


def daemon(
    name: str, node: str, revision: str = "new", *, ready: str | None = EARLY, **fields: Any
) -> Object:
    labels = {"app": "web", "controller-revision-hash": revision}
    return pod(name, node=node, ready=ready, labels=labels, **fields)


@pytest.mark.parametrize(
    ("pod_spec", "where", "runs", "stays"),
    [
        pytest.param({}, node("a"), True, True, id="everywhere"),
        pytest.param({"nodeName": "b"}, node("a"), False, False, id="on another node"),
        pytest.param({"nodeName": "a"}, node("a"), True, True, id="on this node"),
        pytest.param({"nodeSelector": {"disk": "ssd"}}, node("a"), False, False, id="no label"),
        pytest.param(
            {"nodeSelector": {"disk": "ssd"}}, node("a", disk="ssd"), True, True, id="the label"
        ),
        pytest.param({}, node("a", ("k", "NoSchedule")), False, True, id="no more pods"),
        pytest.param({}, node("a", ("k", "NoExecute")), False, False, id="no pods"),
        pytest.param(
            {"tolerations": [{"operator": "Exists"}]}, node("a", ("k", "NoExecute")), True, True,
            id="tolerated",
        ),
        pytest.param(
            {}, node("a", ("node.kubernetes.io/unschedulable", "NoSchedule")), True, True,
            id="a cordoned node",
        ),
        pytest.param(
            {}, node("a", ("node.kubernetes.io/unreachable", "NoExecute")), True, True,
            id="a silent node",
        ),
        pytest.param(
            {}, node("a", ("node.kubernetes.io/network-unavailable", "NoSchedule")), False, True,
            id="no network",
        ),
        pytest.param(
            {"hostNetwork": True},
            node("a", ("node.kubernetes.io/network-unavailable", "NoSchedule")), True, True,
            id="no network needed",
        ),
    ],
)  # fmt: skip
def test_placement(pod_spec: Object, where: Object, runs: bool, stays: bool) -> None:
    assert placement(daemon_set(pod_spec), where) == (runs, stays)


def test_tolerations_are_added_once() -> None:
    once = with_tolerations({"tolerations": [{"key": "mine"}]})
    assert once["tolerations"][0] == {"key": "mine"}
    assert with_tolerations(once) == once


def test_a_pinned_pod_keeps_its_preferences() -> None:
    preferred = [{"weight": 1, "preference": {}}]
    affinity = {
        "podAffinity": {},
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": preferred,
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{}]},
        },
    }
    spec = pinned({"affinity": affinity}, "a")
    assert target_node({"spec": spec}) == "a"
    assert spec["affinity"]["podAffinity"] == {}
    found = spec["affinity"]["nodeAffinity"]
    assert found["preferredDuringSchedulingIgnoredDuringExecution"] == preferred
    assert target_node({"spec": pinned({}, "a") | {"nodeName": "b"}}) == "b"
    assert target_node({"spec": {}}) == ""


def test_pods_by_node_oldest_first_without_those_that_ended_and_go() -> None:
    pods = [
        daemon("young", "a", creationTimestamp=LATE),
        daemon("old", "a", creationTimestamp=EARLY),
        daemon("over", "b", phase="Failed", **GOING),
        daemon("failed", "b", phase="Failed"),
    ]
    assert {key: names(found) for key, found in by_node(pods).items()} == {
        "a": ["old", "young"],
        "b": ["failed"],
    }


def steps(given: Object, nodes: list[Object], *pods: Object) -> tuple[list[str], ...]:
    found = next_steps(given, nodes, by_node(pods), revision="new", now=NOW)
    return found.create, names(found.delete), names(found.failed)


def waiting(name: str, node: str) -> Object:
    return daemon(name, "", ready=None, phase="Pending", spec=pinned({}, node))


@pytest.mark.parametrize(
    ("nodes", "pods", "expected"),
    [
        pytest.param([node("a"), node("b")], [], (["a", "b"], [], []), id="one a node"),
        pytest.param([node("a")], [daemon("p", "a")], ([], [], []), id="it is there"),
        pytest.param([node("a")], [waiting("p", "a")], ([], [], []), id="it waits for its node"),
        pytest.param([node("a")], [daemon("p", "a", **GOING)], ([], [], []), id="it is going"),
        pytest.param(
            [node("a")], [daemon("p", "a", phase="Failed")], ([], [], ["p"]), id="it failed"
        ),
        pytest.param(
            [node("a")], [daemon("p", "a", phase="Succeeded")], ([], ["p"], []), id="it ended"
        ),
        pytest.param(
            [node("a")],
            [daemon("p", "a", creationTimestamp=EARLY), daemon("q", "a", creationTimestamp=LATE)],
            ([], ["q"], []),
            id="two on a node",
        ),
        pytest.param(
            [node("a", ("k", "NoExecute"))],
            [daemon("p", "a"), daemon("q", "a", **GOING)],
            ([], ["p"], []),
            id="it must leave",
        ),
        pytest.param(
            [node("a", ("k", "NoSchedule"))], [daemon("p", "a")], ([], [], []), id="it may stay"
        ),
        pytest.param([], [waiting("p", "gone")], ([], ["p"], []), id="its node never came"),
        pytest.param([], [daemon("p", "gone")], ([], [], []), id="its node is gone: not our job"),
    ],
)
def test_next_steps(
    nodes: list[Object], pods: list[Object], expected: tuple[list[str], ...]
) -> None:
    assert steps(daemon_set(), nodes, *pods) == expected


NODES = [node("a"), node("b"), node("c")]


def unavailable(limit: Any) -> Object:
    return {"updateStrategy": {"rollingUpdate": {"maxUnavailable": limit}}}


@pytest.mark.parametrize(
    ("spec", "pods", "create", "delete"),
    [
        pytest.param(
            {}, [daemon(n, n, "old") for n in "abc"], [], ["a"], id="one at a time"
        ),
        pytest.param(
            unavailable(2), [daemon(n, n, "old") for n in "abc"], [], ["a", "b"], id="two at a time"
        ),
        pytest.param(
            unavailable("34%"), [daemon(n, n, "old") for n in "abc"], [], ["a", "b"],
            id="a third, rounded up",
        ),
        pytest.param(
            {}, [daemon("a", "a", ready=None), daemon("b", "b", "old"), daemon("c", "c", "old")],
            [], [], id="wait for the new one",
        ),
        pytest.param(
            {}, [daemon("a", "a"), daemon("b", "b", "old", ready=None), daemon("c", "c", "old")],
            [], ["b"], id="a sick one of the old costs nothing",
        ),
        pytest.param(
            {},
            [daemon("a", "a", "old", **GOING), daemon("b", "b", "old"), daemon("c", "c", "old")],
            [], [], id="wait for the one that goes",
        ),
        pytest.param({}, [daemon(n, n) for n in "abc"], [], [], id="done"),
        pytest.param(
            {"updateStrategy": {"type": "OnDelete"}}, [daemon(n, n, "old") for n in "abc"], [], [],
            id="not unless somebody deletes them",
        ),
        pytest.param(
            SURGE, [daemon(n, n, "old") for n in "abc"], ["a"], [], id="the new one first"
        ),
        pytest.param(
            SURGE,
            [*(daemon(n, n, "old") for n in "abc"), daemon("new", "a", ready=None)],
            [], [], id="wait until it is ready",
        ),
        pytest.param(
            SURGE, [*(daemon(n, n, "old") for n in "abc"), daemon("new", "a")],
            ["b"], ["a"], id="then the old one goes",
        ),
        pytest.param(
            SURGE,
            [daemon("a", "a", "old", ready=None), daemon("b", "b"), daemon("c", "c")],
            ["a"], [], id="beside a sick one",
        ),
        pytest.param(
            SURGE, [*(daemon(n, n) for n in "abc"), daemon("x", "a"), daemon("y", "a", "old")],
            [], ["x"], id="two new ones on a node",
        ),
    ],
)  # fmt: skip
def test_a_rolling_update(
    spec: Object, pods: list[Object], create: list[str], delete: list[str]
) -> None:
    assert steps(daemon_set(**spec), NODES, *pods) == (create, delete, [])


def test_a_sick_node_of_two_pods_waits_its_turn() -> None:
    pods = [
        daemon("old", "a", "old", **GOING),
        daemon("new", "a"),
        daemon("b", "b", "old"),
    ]
    assert steps(daemon_set(), NODES[:2], *pods) == ([], [], [])


def test_status() -> None:
    nodes = [*NODES, node("d", ("k", "NoSchedule")), node("e", ("k", "NoExecute"))]
    pods = [
        daemon("a", "a", "old"),
        daemon("b", "b", ready=LATE),
        daemon("d", "d"),
    ]
    found = daemon_set_status(
        daemon_set(minReadySeconds=5), nodes, by_node(pods), revision="new", now=NOW
    )
    assert found == {
        "desiredNumberScheduled": 3,
        "currentNumberScheduled": 2,
        "numberMisscheduled": 1,
        "numberReady": 2,
        "updatedNumberScheduled": 1,
        "numberAvailable": 1,
        "numberUnavailable": 2,
        "observedGeneration": 1,
        "collisionCount": None,
    }
