"""Where a pod goes: filter the nodes, then score what is left. Pure.

Filters, in the order in which their reasons are counted:

1. the node takes pods: it is Ready and not cordoned (or the pod tolerates that);
2. it has the labels that the pod insists on;
3. the pod tolerates its NoSchedule and NoExecute taints;
4. number of pods, requests and host ports fit.

Scores, first difference wins: preferred labels, fewer PreferNoSchedule taints, fewer pods. Affinity
between pods and topology spread constraints are not looked at.
Source: Kubernetes, `pkg/scheduler/framework/plugins` and `types.go` (`FitError`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from podpass.api.meta import find_condition, name_of
from podpass.api.resources import Object
from podpass.controllers.node_affinity import matches_required, preference
from podpass.controllers.node_load import NodeLoad, PodDemand
from podpass.controllers.taints import (
    NOT_READY,
    UNREACHABLE,
    UNSCHEDULABLE,
    first_untolerated,
    taints_of,
)

_HARD = ("NoSchedule", "NoExecute")


@dataclass(frozen=True, slots=True)
class Placement:
    """The outcome for one pod.

    Attributes:
        best: Names of the nodes that are equally good; empty if none fits.
        message: Why none fits, as the FailedScheduling event says it.
    """

    best: tuple[str, ...]
    message: str = ""


def place(pod: Object, nodes: Sequence[Object], loads: Mapping[str, NodeLoad]) -> Placement:
    """Decide where a pod may go.

    Args:
        pod: The pod.
        nodes: All nodes.
        loads: What is on each node, by name; one that is missing is empty.
    """
    if not nodes:
        return Placement((), "no nodes available to schedule pods")
    demand = PodDemand.of(pod)
    reasons: Counter[str] = Counter()
    best: list[str] = []
    best_score: tuple[int, int, int] | None = None
    for node in nodes:
        load = loads.get(name_of(node)) or NodeLoad()
        obstacles = _obstacles(pod, demand, node, load)
        if obstacles:
            reasons.update(obstacles)
            continue
        score = _score(pod, node, load)
        if best_score is None or score > best_score:
            best, best_score = [], score
        if score == best_score:
            best.append(name_of(node))
    if best:
        return Placement(tuple(best))
    return Placement((), _message(len(nodes), reasons))


def _obstacles(pod: Object, demand: PodDemand, node: Object, load: NodeLoad) -> list[str]:
    if (node.get("spec") or {}).get("unschedulable") and first_untolerated(
        pod, [{"key": UNSCHEDULABLE, "effect": "NoSchedule"}], _HARD
    ):
        return ["node(s) were unschedulable"]  # 1
    if not matches_required(pod, node):
        return ["node(s) didn't match Pod's node affinity/selector"]  # 2
    taint = first_untolerated(pod, [*taints_of(node), *_implied_taints(node)], _HARD)
    if taint is not None:  # 1 and 3
        pair = f"{taint.get('key')}: {taint.get('value') or ''}"
        return [f"node(s) had untolerated taint {{{pair}}}"]
    return load.shortages(demand, (node.get("status") or {}).get("allocatable") or {})  # 4


def _implied_taints(node: Object) -> Iterable[Object]:
    """Return the taint that a node which is not Ready will get in a moment."""
    ready = find_condition((node.get("status") or {}).get("conditions") or (), "Ready")
    status = (ready or {}).get("status")
    if status == "True":
        return ()
    key = UNREACHABLE if status == "Unknown" else NOT_READY
    return ({"key": key, "effect": "NoSchedule"},)


def _score(pod: Object, node: Object, load: NodeLoad) -> tuple[int, int, int]:
    disliked = sum(
        first_untolerated(pod, [taint], ("PreferNoSchedule",)) is not None
        for taint in taints_of(node)
    )
    return preference(pod, node), -disliked, -len(load.pods)


def _message(count: int, reasons: Mapping[str, int]) -> str:
    listed = sorted(f"{number} {reason}" for reason, number in reasons.items())
    return f"0/{count} nodes are available: {', '.join(listed)}."
