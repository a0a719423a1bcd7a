"""A kubelet that runs no container: its pods are Running and Ready at once, and end at once.

For tests of controllers against a real API server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from podpass.api.errors import StatusError
from podpass.api.meta import (
    format_micro_time,
    format_time,
    is_terminating,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)
from podpass.api.resources import LEASES, NODES, PODS, Object
from podpass.api.workload_defaults import JOB_NAME_LABEL
from podpass.base.clock import Clock
from podpass.client.informer import Informer
from podpass.client.rest import RestClient


def _phase(pod: Object) -> str:
    return "Succeeded" if JOB_NAME_LABEL in labels_of(pod) else "Running"


@dataclass(slots=True)
class InstantKubelet:
    """Stands for the kubelets of all nodes.

    Attributes:
        client: An administrator.
        clock: For times.
        phase: The phase that a bound pod gets; empty to leave it Pending. Pods of jobs succeed.
    """

    client: RestClient
    clock: Clock
    phase: Callable[[Object], str] = _phase
    _changes: asyncio.Queue[Object] = field(default_factory=asyncio.Queue)

    async def add_node(self, name: str) -> None:
        """Make a node that is ready and says so."""
        now = self.clock.now()
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
        await self.client.create(NODES, node)
        status = {
            "allocatable": {"pods": "110", "cpu": "8", "memory": "8Gi"},
            "conditions": [
                {"type": "Ready", "status": "True", "lastHeartbeatTime": format_time(now)}
            ],
        }
        await self.client.patch(NODES, None, name, {"status": status}, subresource="status")
        lease = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": name, "namespace": "kube-node-lease"},
            "spec": {"holderIdentity": name, "renewTime": format_micro_time(now)},
        }
        await self.client.create(LEASES, lease)

    async def run(self) -> None:
        """Run pods until cancelled."""
        pods = Informer(self.client, PODS, clock=self.clock)
        pods.on_change(self._changed)
        async with asyncio.TaskGroup() as group:
            group.create_task(pods.run())
            group.create_task(self._work())

    def _changed(self, old: Object | None, new: Object | None) -> None:  # noqa: ARG002
        if new is not None and new["spec"].get("nodeName"):
            self._changes.put_nowait(new)

    async def _work(self) -> None:
        while True:
            pod = await self._changes.get()
            try:
                await self._look_at(pod)
            except StatusError as error:
                if error.reason not in ("NotFound", "Conflict"):
                    raise

    async def _look_at(self, pod: Object) -> None:
        namespace, name = namespace_of(pod), name_of(pod)
        if is_terminating(pod):
            await self.client.delete(PODS, namespace, name, grace_period_seconds=0, uid=uid_of(pod))
            return
        phase = self.phase(pod)
        if not phase or pod["status"]["phase"] == phase:
            return
        ready = {
            "type": "Ready",
            "status": "True" if phase == "Running" else "False",
            "lastTransitionTime": format_time(self.clock.now()),
        }
        status = {"phase": phase, "conditions": [ready]}
        patch = {"metadata": {"uid": uid_of(pod)}, "status": status}
        await self.client.patch(PODS, namespace, name, patch, subresource="status")
