"""Keeps one entry of `nodeStatuses` for every node that an API server belongs on.

An entry goes when its node has been away for REMOVAL_SECONDS: a node that registers late, at the
very first start, would otherwise lose what is known of it and be installed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from podpass.api.meta import find_condition, name_of
from podpass.api.resources import Object
from podpass.operator.conditions import Condition
from podpass.operator.node_status import NodeStatus, node_statuses, write_node_statuses
from podpass.operator.observations import master_nodes
from podpass.operator.parts import Parts
from podpass.operator.sync_loop import DegradedWords, SyncLoop

CONDITION = "NodeControllerDegraded"
REASON = "MasterNodesReady"
REMOVAL_SECONDS = 30.0


def follow_nodes(known: Sequence[NodeStatus], nodes: Iterable[str]) -> list[NodeStatus]:
    """Return the entries for these nodes: known ones in their order, then new ones."""
    wanted = list(nodes)
    kept = [one for one in known if one.name in wanted]
    there = {one.name for one in kept}
    return kept + [NodeStatus(name) for name in wanted if name not in there]


def nodes_condition(nodes: Iterable[Object]) -> Condition:
    """Return the condition that names the nodes that are not ready."""
    complaints = []
    for node in nodes:
        ready = find_condition((node.get("status") or {}).get("conditions") or (), "Ready")
        if ready is None:
            complaints.append(
                f'node "{name_of(node)}" not ready, no Ready condition found in status block'
            )
        elif ready.get("status") != "True":
            complaints.append(
                f'node "{name_of(node)}" not ready since {ready.get("lastTransitionTime")} '
                f"because {ready.get('reason', '')} ({ready.get('message', '')})"
            )
    message = "The master nodes not ready: " + ", ".join(complaints)
    return Condition(
        CONDITION,
        bool(complaints),
        REASON,
        message if complaints else "All master nodes are ready",
    )


class NodeController:
    """The controller."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._said = ""
        self._missing_since: dict[str, float] = {}

    def loop(self) -> SyncLoop:
        """Return the loop that runs it."""
        loop = self._parts.loop(DegradedWords("NodeController", silent=True), self.sync)
        loop.follow(self._parts.live.nodes)
        return loop

    async def sync(self) -> timedelta | None:
        """Add the nodes that came, remove those that went, say which are not ready."""
        nodes = master_nodes(self._parts.live.nodes.list())
        there = [name_of(one) for one in nodes]
        came: list[str] = []
        went: list[str] = []

        def change(operator: Object) -> None:
            known = node_statuses(operator)
            names = [one.name for one in known]
            away = self._away([one for one in names if one not in there])
            came[:] = [one for one in there if one not in names]
            went[:] = [one for one in names if one in away]
            if came or went:
                kept = [one for one in names if one not in away]
                write_node_statuses(operator, follow_nodes(known, kept + came))

        condition = nodes_condition(nodes)
        await self._parts.status.update_status(change, [condition])
        self._tell(came, went, condition)
        return timedelta(seconds=REMOVAL_SECONDS) if self._missing_since else None

    def _away(self, missing: Sequence[str]) -> set[str]:
        """Return the nodes that have been missing for long."""
        now = self._parts.clock.monotonic()
        since = {one: self._missing_since.get(one, now) for one in missing}
        self._missing_since = since
        return {one for one in missing if now - since[one] >= REMOVAL_SECONDS}

    def _tell(self, came: Iterable[str], went: Iterable[str], condition: Condition) -> None:
        objects = self._parts.objects
        for name in came:
            objects.event("Normal", "MasterNodeObserved", f"Observed new master node {name}")
        for name in went:
            objects.event("Warning", "MasterNodeRemoved", f"Observed removal of master node {name}")
        if self._said and self._said != condition.message:
            objects.event(
                "Normal",
                "MasterNodesReadyChanged",
                f'{CONDITION} message changed from "{self._said}" to "{condition.message}"',
            )
        self._said = condition.message
