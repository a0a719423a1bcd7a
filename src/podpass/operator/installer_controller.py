"""Carries out the steps of the rollout, one a look.

1. A step is decided on the object as the API has it now, and written only if the node's entry is
   still what it was and no other node has a target.
2. While objects of the latest revision are missing nothing is installed.
"""

from __future__ import annotations

from datetime import timedelta

from podpass.api.meta import name_of
from podpass.api.resources import CONFIG_MAPS, PODS, SECRETS, Object, Resource
from podpass.operator import names
from podpass.operator.installer import (
    CreateInstaller,
    Rollout,
    UpdateNode,
    Wait,
    decide_step,
    min_ready_wait,
)
from podpass.operator.node_status import (
    is_managed,
    latest_revision,
    node_statuses,
    write_node_statuses,
)
from podpass.operator.observations import address_of, installer_pods, master_nodes, static_pods
from podpass.operator.parts import Parts
from podpass.operator.pod_manifests import NodeAddress, installer_pod
from podpass.operator.sync_loop import DegradedWords, SyncError, SyncLoop

_AGAIN = timedelta(0)


class Superseded(SyncError):
    """Somebody else changed the rollout between the decision and its write."""


class InstallerController:
    """The controller."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._created: set[str] = set()

    def loop(self) -> SyncLoop:
        """Return the loop that runs it."""
        loop = self._parts.loop(DegradedWords("InstallerController", "Error", ""), self.sync)
        loop.follow(self._parts.live.pods)
        loop.follow(self._parts.live.nodes)
        return loop

    async def sync(self) -> timedelta | None:
        """Do one step; return when the next one may be due.

        Raises:
            SyncError: Objects of the latest revision are missing.
        """
        parts = self._parts
        operator = await parts.status.read()
        if not is_managed(operator):
            return None
        await parts.status.update_status()  # conditions follow what is there
        nodes = node_statuses(operator)
        latest = latest_revision(operator)
        if any(node.current_revision != latest for node in nodes):
            await self._require_resources(latest)
        pods = parts.live.pods.list()
        rollout = Rollout(nodes, latest, static_pods(pods), installer_pods(pods))
        now = parts.clock.now()
        timing = parts.settings.timing.installer
        if wait := min_ready_wait(rollout.static_pods, timing, now):
            return wait
        step = decide_step(rollout, timing, now)
        if isinstance(step, Wait):
            return step.delay
        if isinstance(step, CreateInstaller):
            await self._create(step)
        elif isinstance(step, UpdateNode):
            await self._update(step, latest)
            return _AGAIN
        return None

    async def _update(self, step: UpdateNode, latest: int) -> None:
        if step.delete_pod:
            await self._parts.objects.delete(PODS, names.OPERAND_NAMESPACE, step.delete_pod)

        def change(operator: Object) -> None:
            nodes = node_statuses(operator)
            others = [one for one in nodes if one.name != step.before.name]
            if (
                step.before not in nodes
                or latest_revision(operator) != latest
                or any(one.target_revision for one in others)
            ):
                raise Superseded(f"the rollout went on without node {step.before.name}")
            write_node_statuses(
                operator, [step.after if one == step.before else one for one in nodes]
            )

        try:
            await self._parts.status.update_status(change)
        except Superseded:
            return
        self._tell(step)

    def _tell(self, step: UpdateNode) -> None:
        before, after, objects = step.before, step.after, self._parts.objects
        if after.last_failed_count != before.last_failed_count:
            errors = "\n".join(after.last_failed_errors)
            objects.event("Warning", "InstallerPodFailed", f"installer errors: {errors}")
        elif after.current_revision != before.current_revision:
            objects.event(
                "Normal",
                "NodeCurrentRevisionChanged",
                f'Updated node "{after.name}" from revision {before.current_revision} to '
                f"{after.current_revision} because {step.reason}",
            )
        elif after.target_revision != before.target_revision:
            objects.event(
                "Normal",
                "NodeTargetRevisionChanged",
                f'Updating node "{after.name}" from revision {before.current_revision} to '
                f"{after.target_revision} because {step.reason}",
            )

    async def _create(self, step: CreateInstaller) -> None:
        objects = self._parts.objects
        owner = await objects.find(
            CONFIG_MAPS,
            names.OPERAND_NAMESPACE,
            names.revisioned(names.REVISION_STATUS, step.revision),
        )
        if owner is None:
            raise SyncError(f'configmaps "{names.REVISION_STATUS}-{step.revision}" not found')
        name = step.pod_name
        if name in self._created:
            objects.event(
                "Warning", "InstallerPodDisappeared", f"pod {name} is gone, creating it again"
            )
        pod = installer_pod(
            name, step.revision, self._address(step.node), owner, self._parts.settings
        )
        await objects.create_pod(pod)
        self._created.add(name)

    def _address(self, name: str) -> NodeAddress:
        for node in master_nodes(self._parts.live.nodes.list()):
            if name_of(node) == name:
                return address_of(node)
        raise SyncError(f'nodes "{name}" not found')

    async def _require_resources(self, latest: int) -> None:
        """Make sure that there is all that an installer reads (rule 2)."""
        wanted: list[tuple[Resource, str, str]] = [
            (CONFIG_MAPS, "configmaps", names.revisioned(one, latest))
            for one in names.REQUIRED_CONFIG_MAPS
        ]
        wanted += [(CONFIG_MAPS, "configmaps", one) for one in names.CERT_CONFIG_MAPS]
        wanted += [
            (SECRETS, "secrets", names.revisioned(one, latest)) for one in names.REQUIRED_SECRETS
        ]
        wanted += [(SECRETS, "secrets", one) for one in names.CERT_SECRETS]
        live = self._parts.live
        missing: dict[str, list[str]] = {}
        for resource, kind, name in wanted:
            informer = live.config_maps if resource is CONFIG_MAPS else live.secrets
            if informer.get(names.OPERAND_NAMESPACE, name) is None:
                found = await self._parts.objects.find(resource, names.OPERAND_NAMESPACE, name)
                if found is None:
                    missing.setdefault(kind, []).append(name)
        if missing:
            text = ", ".join(f"{kind}: {','.join(sorted(them))}" for kind, them in missing.items())
            self._parts.objects.event("Warning", "RequiredInstallerResourcesMissing", text)
            raise SyncError(f"missing required resources: {text}")
