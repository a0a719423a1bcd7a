"""Keeps the Node object and the node's Lease in the API.

1. The Node is registered as soon as any API server answers, with its status in the same breath.
2. The status is written again when it changed, when somebody else changed its conditions (a node
   that was thought dead), and now and then.
3. The Lease is renewed all the time; its age is how others see whether the node lives.

Source: Kubernetes v1.36, `pkg/kubelet/kubelet_node_status.go` and `component-helpers` `lease`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from podpass.api.errors import StatusError
from podpass.api.meta import (
    find_condition,
    format_micro_time,
    labels_of,
    name_of,
    uid_of,
)
from podpass.api.resources import LEASES, NODES, Object
from podpass.base.clock import Clock
from podpass.base.tasks import Backoff
from podpass.client.config import ConfigError
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.kubelet.events import Recorder
from podpass.kubelet.node_status import Machine, node_conditions, node_labels, node_status
from podpass.kubelet.pod_spec import node_reference
from podpass.kubelet.settings import KubeletSettings
from podpass.kubelet.wakeup import Wakeup

_log = logging.getLogger("kubelet.node")

LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
_FIRST_RETRY = 0.03
"""Seconds; the API server is mostly just starting, and a refused connection costs nothing."""
_LONGEST_RETRY = 1.0
_AWAY = (ConnectionFailed, ConfigError)


class NodeAgent:
    """Speaks for this node.

    Attributes:
        node: The Node object as last seen; None before the registration.
    """

    def __init__(
        self,
        client: RestClient,
        settings: KubeletSettings,
        machine: Machine,
        clock: Clock,
        *,
        port: int,
        runtime_version: Callable[[], Awaitable[str]],
    ) -> None:
        """Prepare; nothing is written yet.

        Args:
            client: The API server.
            settings: Name, address and labels of the node.
            machine: What the node has.
            clock: For heartbeats.
            port: Where the kubelet's server listens.
            runtime_version: Asks the runtime; fails when it is out of order.
        """
        self.node: Object | None = None
        self._client = client
        self._settings = settings
        self._machine = machine
        self._clock = clock
        self._port = port
        self._runtime_version = runtime_version
        self._recorder: Recorder | None = None
        self._wakeup = Wakeup(clock)
        self._backoff = Backoff(_FIRST_RETRY, _LONGEST_RETRY)

    async def register(self) -> None:
        """Return once the Node object is in the API and up to date; never gives up."""
        while True:
            try:
                await self._register_once()
            except _AWAY as error:
                _log.debug("not registered yet: %s", error)
            except StatusError as error:
                _log.info("not registered yet: %s", error.message)
            else:
                self._backoff.reset()
                _log.info("node %s is registered", self._settings.node_name)
                return
            await self._clock.sleep(self._backoff.next_delay())

    async def run(self, recorder: Recorder) -> None:
        """Keep Node and Lease fresh until cancelled; call after `register`."""
        self._recorder = recorder
        recorder.record(
            node_reference(self._settings.node_name), "Normal", "Starting", "Starting kubelet."
        )
        recorder.record(
            node_reference(self._settings.node_name),
            "Normal",
            "NodeReady",
            f"Node {self._settings.node_name} status is now: NodeReady",
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(self._report_status())
            group.create_task(self._renew_lease())

    def node_changed(self, node: Object | None) -> None:
        """Take over the Node object as the API shows it; None if it was deleted."""
        self.node = node
        if node is None or self._differs(node):
            self._wakeup.ring()

    def _differs(self, node: Object) -> bool:
        conditions = (node.get("status") or {}).get("conditions") or []
        ready = find_condition(conditions, "Ready")
        return ready is None or ready.get("status") == "Unknown"

    async def _register_once(self) -> None:
        status = await self._status([])
        labels = node_labels(self._settings.node_name, self._machine, self._settings.node_labels)
        wanted: Object = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self._settings.node_name, "labels": labels},
            "spec": {},
            "status": status,
        }
        try:
            node = await self._client.create(NODES, wanted)
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
            node = await self._client.get(NODES, None, self._settings.node_name)
        if not labels.items() <= labels_of(node).items():
            patch = {"metadata": {"labels": labels}}
            node = await self._client.patch(NODES, None, self._settings.node_name, patch)
        former = (node.get("status") or {}).get("conditions") or []
        ready = find_condition(former, "Ready")
        if ready is None or node["status"] != status:
            node = await self._write_status(former)
        self.node = node

    async def _status(self, former: list[Object]) -> Object:
        not_ready, version = "", "podpass://unknown"
        try:
            version = await self._runtime_version()
        except Exception as error:  # noqa: BLE001 - whatever it is, the node must say so
            not_ready = f"container runtime is down: {error}"
        return node_status(
            self._machine,
            name=self._settings.node_name,
            ip=self._settings.node_ip,
            port=self._port,
            runtime_version=version,
            conditions=node_conditions(former, self._clock.now(), not_ready),
        )

    async def _write_status(self, former: list[Object]) -> Object:
        status = await self._status(former)
        return await self._client.patch(
            NODES, None, self._settings.node_name, {"status": status}, subresource="status"
        )

    async def _report_status(self) -> None:
        """Write the status when there is reason to; rule 2."""
        wait = self._settings.status_report
        while True:
            await self._wakeup.wait(wait)
            try:
                if self.node is None:
                    await self._register_once()
                else:
                    former = (self.node.get("status") or {}).get("conditions") or []
                    self.node = await self._write_status(former)
            except (*_AWAY, StatusError) as error:
                _log.info("node status not written: %s", error)
                if isinstance(error, StatusError) and error.reason == "NotFound":
                    self.node = None
                wait = _LONGEST_RETRY
            else:
                wait = self._settings.status_report

    async def _renew_lease(self) -> None:
        """Renew the Lease; rule 3."""
        while True:
            wait = self._settings.lease_renewal
            try:
                await self._renew_once()
            except (*_AWAY, StatusError) as error:
                _log.info("lease not renewed: %s", error)
                wait = _LONGEST_RETRY
            await self._clock.sleep(wait)

    async def _renew_once(self) -> None:
        name = self._settings.node_name
        renewed = {"renewTime": format_micro_time(self._clock.now())}
        try:
            await self._client.patch(LEASES, LEASE_NAMESPACE, name, {"spec": renewed})
        except StatusError as error:
            if error.reason != "NotFound":
                raise
            await self._client.create(LEASES, self._lease(renewed))

    def _lease(self, renewed: Object) -> Object:
        metadata: Object = {"name": self._settings.node_name, "namespace": LEASE_NAMESPACE}
        if self.node is not None:
            owner = {
                "apiVersion": "v1",
                "kind": "Node",
                "name": name_of(self.node),
                "uid": uid_of(self.node),
            }
            metadata["ownerReferences"] = [owner]
        holder = {
            "holderIdentity": self._settings.node_name,
            "leaseDurationSeconds": LEASE_SECONDS,
        }
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": metadata,
            "spec": holder | renewed,
        }
