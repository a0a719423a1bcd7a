"""Notices nodes that fell silent and keeps their taints true to their conditions.

Silence is measured by our own clock since we last saw a sign of life, so the clocks of the nodes
do not matter; after a change of leader it starts anew. `node_health` decides.

Source: Kubernetes, `pkg/controller/nodelifecycle`.
"""

from __future__ import annotations

import logging

from podpass.api.errors import StatusError
from podpass.api.meta import name_of, namespace_of, resource_version_of, uid_of
from podpass.api.resources import LEASES, NODES, PODS, Object
from podpass.base.clock import Clock
from podpass.client.controller import Controller, RetryAfter, object_key
from podpass.client.events import EventRecorder
from podpass.client.rest import RestClient
from podpass.controllers.node_health import (
    any_ready,
    heartbeat,
    ready_status,
    silenced_conditions,
    wanted_taints,
)
from podpass.controllers.pods import conditions_patch, is_finished, node_name_of
from podpass.controllers.refusals import is_conflict, is_not_found
from podpass.controllers.settings import ControllerManagerSettings
from podpass.controllers.shared_informers import SharedInformers

LEASE_NAMESPACE = "kube-node-lease"

_log = logging.getLogger("node-lifecycle")


class NodeLifecycleController:
    """Watches over nodes; keys are their names."""

    def __init__(
        self,
        client: RestClient,
        informers: SharedInformers,
        clock: Clock,
        recorder: EventRecorder,
        settings: ControllerManagerSettings,
    ) -> None:
        self._client = client
        self._informers = informers
        self._clock = clock
        self._recorder = recorder
        self._period = settings.node_monitor_period
        self._grace = settings.node_monitor_grace_period
        self._heartbeats: dict[str, tuple[tuple[str, str], float]] = {}
        self._controller = Controller("node-lifecycle", self.reconcile, clock=clock)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._informers.wait_synced(NODES, LEASES, PODS)
        self._informers[NODES].on_change(self._node_changed)
        self._informers[LEASES].on_change(self._lease_changed)
        await self._controller.run()

    async def reconcile(self, name: str) -> RetryAfter | None:
        """Judge one node, and look again after the monitor period.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        node = self._informers[NODES].get(None, name)
        if node is None:
            self._heartbeats.pop(name, None)
            return None
        self._observe(node)
        if self._clock.monotonic() - self._heartbeats[name][1] > self._grace:
            node = await self._silence(node)
        if ready_status(node) == "Unknown":
            await self._mark_pods_not_ready(name)
        evict = any_ready(self._informers[NODES].list())
        taints = wanted_taints(node, evict=evict, now=self._clock.now())
        if taints is not None:
            await self._patch(node, {"spec": {"taints": taints}})
        return RetryAfter(self._period)

    async def _silence(self, node: Object) -> Object:
        conditions = silenced_conditions(node, now=self._clock.now())
        if conditions is None:
            return node
        name = name_of(node)
        _log.warning("node %s was silent for %g seconds", name, self._grace)
        self._recorder.record(
            node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady"
        )
        return await self._patch(node, {"status": {"conditions": conditions}}, "status")

    async def _mark_pods_not_ready(self, node: str) -> None:
        for pod in self._informers[PODS].list():
            if node_name_of(pod) != node or is_finished(pod):
                continue
            conditions = (pod.get("status") or {}).get("conditions") or []
            if not any(
                one.get("type") == "Ready" and one["status"] == "True" for one in conditions
            ):
                continue
            patch = conditions_patch(
                pod, "Ready", "False", now=self._clock.now(), reason="NodeNotReady"
            )
            self._recorder.record(pod, "Warning", "NodeNotReady", "Node is not ready")
            try:
                await self._client.patch(
                    PODS, namespace_of(pod), name_of(pod), patch, subresource="status"
                )
            except StatusError as error:
                if not (is_not_found(error) or is_conflict(error)):
                    _log.warning("%s: %s", object_key(pod), error.message)

    async def _patch(self, node: Object, patch: Object, subresource: str = "") -> Object:
        same = {"uid": uid_of(node), "resourceVersion": resource_version_of(node)}
        return await self._client.patch(
            NODES, None, name_of(node), {"metadata": same} | patch, subresource=subresource
        )

    def _observe(self, node: Object) -> None:
        """Note the node's latest sign of life and when we saw it."""
        name = name_of(node)
        seen = heartbeat(node, self._informers[LEASES].get(LEASE_NAMESPACE, name))
        former = self._heartbeats.get(name)
        if former is None or former[0] != seen:
            self._heartbeats[name] = (seen, self._clock.monotonic())

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self._observe(new)
        node = new or old
        if node is None:
            return
        self._controller.enqueue(name_of(node))
        if old is None or new is None or ready_status(old) != ready_status(new):
            for other in self._informers[NODES].list():
                self._controller.enqueue(name_of(other))

    def _lease_changed(self, old: Object | None, new: Object | None) -> None:  # noqa: ARG002
        if new is not None and namespace_of(new) == LEASE_NAMESPACE:
            node = self._informers[NODES].get(None, name_of(new))
            if node is not None:
                self._observe(node)
