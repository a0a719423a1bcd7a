"""Which node is next, and to which revision it goes.

Rules of choice, first match wins, ties go to the first in the list of nodes:

1. a node that is being installed;
2. a node whose last failure is of a newer revision than runs anywhere;
3. a node without static pod, or with one that does not say its revision;
4. the oldest node whose static pod is not ready;
5. the oldest node whose static pod runs another revision than it should;
6. the node with the oldest revision.

From there the list is walked once around. The node of the choice goes to the latest revision; a
later one only follows the one before it.

Source: openshift/library-go, `staticpod/controller/installer`, `nodeToStartRevisionWith`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from podpass.operator.node_status import NodeStatus


@dataclass(frozen=True, slots=True)
class StaticPod:
    """What the mirror pod of a node tells.

    Attributes:
        revision: Its label; None if that is no number.
        label: The label as it is.
        ready: Whether its condition Ready is True.
        ready_since: Since when.
        failed: Whether its phase is Failed.
    """

    revision: int | None
    label: str = ""
    ready: bool = False
    ready_since: datetime | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A node and why it is the one.

    Attributes:
        index: Its place in the list of nodes.
        reason: For events.
    """

    index: int
    reason: str


def choose_start(nodes: Sequence[NodeStatus], pods: Mapping[str, StaticPod]) -> Choice:
    """Return the node to begin with.

    Args:
        nodes: At least one.
        pods: Static pods by node; a node that is missing has none.
    """
    for index, node in enumerate(nodes):  # 1
        if node.target_revision:
            return Choice(index, f"node {node.name} is progressing towards {node.target_revision}")
    highest = max(node.current_revision for node in nodes)
    for index, node in enumerate(nodes):  # 2
        if node.last_failed_revision > highest:
            return Choice(index, f"node {node.name} is progressing with failed revisions")
    for index, node in enumerate(nodes):  # 3
        pod = pods.get(node.name)
        if pod is None:
            return Choice(index, f"node {node.name} static pod not found")
        if pod.revision is None:
            return Choice(index, f'node {node.name} has an invalid current revision "{pod.label}"')
    revisions = [pods[node.name].revision or 0 for node in nodes]
    by_age = sorted(range(len(nodes)), key=lambda index: revisions[index])
    for index in by_age:  # 4
        if not pods[nodes[index].name].ready:
            return Choice(
                index,
                f"node {nodes[index].name} with revision {revisions[index]} is the oldest "
                "not ready",
            )
    for index in by_age:  # 5
        node = nodes[index]
        if revisions[index] != node.current_revision:
            return Choice(
                index,
                f"node {node.name} with revision {revisions[index]} is the oldest not matching "
                f"its expected revision {node.current_revision}",
            )
    oldest = min(range(len(nodes)), key=lambda index: nodes[index].current_revision)  # 6
    node = nodes[oldest]
    return Choice(oldest, f"node {node.name} with revision {node.current_revision} is the oldest")


def next_target(
    nodes: Sequence[NodeStatus], latest: int, start: Choice
) -> tuple[Choice, int] | None:
    """Return the node that is to be given a target, and that revision; None if there is none."""
    count = len(nodes)
    for step in range(count):
        index = (start.index + step) % count
        node = nodes[index]
        if step == 0:
            if node.current_revision != latest:
                return start, latest
            continue
        before = nodes[(index - 1) % count]
        if (
            not before.target_revision
            and before.current_revision > node.current_revision
            and node.last_failed_revision != before.current_revision
        ):
            reason = f"node {before.name} before it is at revision {before.current_revision}"
            return Choice(index, reason), before.current_revision
    return None
