"""Deletes revisions that nobody needs, first from the API, then from the disks.

It waits until no rollout is under way: what an installer may still read is not touched.
"""

from __future__ import annotations

from podpass.api.meta import name_of
from podpass.api.resources import CONFIG_MAPS, PODS, SECRETS, Object
from podpass.operator import names
from podpass.operator.node_status import (
    NodeStatus,
    is_managed,
    latest_revision,
    node_statuses,
)
from podpass.operator.observations import address_of, master_nodes
from podpass.operator.parts import Parts
from podpass.operator.pod_manifests import pruner_pod
from podpass.operator.prune import protected_revisions, prunable_revisions, read_limits
from podpass.operator.revision_controller import INPUTS, read_records
from podpass.operator.sync_loop import DegradedWords, SyncLoop


class PruneController:
    """The controller."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def loop(self) -> SyncLoop:
        """Return the loop that runs it."""
        return self._parts.loop(DegradedWords("PruneController", silent=True), self.sync)

    async def sync(self) -> None:
        """Delete what may go."""
        operator = self._parts.live.operator
        nodes, latest = node_statuses(operator), latest_revision(operator)
        if not is_managed(operator) or not nodes or not _settled(nodes, latest):
            return
        limits = read_limits(operator.get("spec") or {})
        protected = protected_revisions(nodes, latest, limits)
        if protected >= set(range(1, latest + 1)):
            return
        await self._prune_objects(protected, latest)
        await self._prune_disks(protected, latest)

    async def _prune_objects(self, protected: set[int], latest: int) -> None:
        objects = self._parts.objects
        live = self._parts.live
        known = {name_of(one): one for one in live.config_maps.list()}
        numbers = [one.number for one in read_records(known)]
        for revision in prunable_revisions(numbers, protected, latest):
            for one in INPUTS:  # the garbage collector would do it too, for copies with an owner
                copy = names.revisioned(one.name, revision)
                resource = SECRETS if one.kind == "secret" else CONFIG_MAPS
                informer = live.secrets if one.kind == "secret" else live.config_maps
                if informer.get(names.OPERAND_NAMESPACE, copy) is not None:
                    await objects.delete(resource, names.OPERAND_NAMESPACE, copy)
            record = names.revisioned(names.REVISION_STATUS, revision)
            await objects.delete(CONFIG_MAPS, names.OPERAND_NAMESPACE, record)

    async def _prune_disks(self, protected: set[int], latest: int) -> None:
        objects, live = self._parts.objects, self._parts.live
        owner: Object | None = None
        for node in master_nodes(live.nodes.list()):
            name = f"revision-pruner-{latest}-{name_of(node)}"
            if live.pods.get(names.OPERAND_NAMESPACE, name) is not None:
                continue
            if await objects.find(PODS, names.OPERAND_NAMESPACE, name) is not None:
                continue
            owner = owner or await objects.find(
                CONFIG_MAPS,
                names.OPERAND_NAMESPACE,
                names.revisioned(names.REVISION_STATUS, latest),
            )
            if owner is None:
                return
            await objects.create_pod(
                pruner_pod(name, latest, protected, address_of(node), owner, self._parts.settings)
            )


def _settled(nodes: list[NodeStatus], latest: int) -> bool:
    return all(one.current_revision == latest and not one.target_revision for one in nodes)
