"""Controllers that only tell: the health of the pods, and the ClusterOperator."""

from __future__ import annotations

from datetime import timedelta

import podpass
from podpass.api.meta import find_condition
from podpass.api.resources import CLUSTER_OPERATORS, Object
from podpass.client.rest import RestClient
from podpass.operator.cluster_operator import apply_summaries, summaries
from podpass.operator.names import CLUSTER_OPERATOR
from podpass.operator.node_status import node_statuses, status_of
from podpass.operator.parts import Parts
from podpass.operator.static_pod_health import (
    installer_conditions,
    missing_static_pods,
    static_pods_condition,
)
from podpass.operator.sync_loop import DegradedWords, SyncLoop

VERSIONS = ("raw-internal", "operator", "kube-apiserver")


class StaticPodHealthController:
    """Says which installers hang and which static pods fail."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def loop(self) -> SyncLoop:
        """Return the loop that runs it."""
        loop = self._parts.loop(DegradedWords("StaticPodStateController", silent=True), self.sync)
        loop.follow(self._parts.live.pods)
        return loop

    async def sync(self) -> timedelta | None:
        """Write the conditions; a hanging pod is looked at again when it is due."""
        parts = self._parts
        timing = parts.settings.timing
        pods = parts.live.pods.list()
        now = parts.clock.now()
        currents = {one.name: one.current_revision for one in node_statuses(parts.live.operator)}
        limit = timing.termination_grace + timing.static_pod_missing
        missing = missing_static_pods(pods, now=now, limit=limit)
        before = find_condition(
            status_of(parts.live.operator).get("conditions") or (), missing.type
        )
        await parts.status.update_status(
            conditions=[
                static_pods_condition(pods),
                *installer_conditions(pods, currents, now=now, limit=timing.installer_pending),
                missing,
            ]
        )
        if missing.status and (before or {}).get("status") != "True":
            parts.objects.event("Normal", "MissingStaticPod", missing.message)
        rolling = any(one.target_revision for one in node_statuses(parts.live.operator))
        return min(timing.installer_pending, timedelta(seconds=5)) if rolling else None


class ClusterOperatorController:
    """Keeps the ClusterOperator `kube-apiserver`."""

    def __init__(self, parts: Parts, client: RestClient) -> None:
        self._parts = parts
        self._client = client

    def loop(self) -> SyncLoop:
        """Return the loop that runs it."""
        loop = self._parts.loop(DegradedWords("StatusSyncer", silent=True), self.sync)
        loop.follow(self._parts.live.cluster_operators)
        return loop

    async def sync(self) -> timedelta | None:
        """Summarize the conditions of the KubeAPIServer; sluggish ones are due again."""
        parts = self._parts
        conditions = status_of(parts.live.operator).get("conditions") or []
        inertia = parts.settings.timing.degraded_inertia
        now = parts.clock.now()
        found = parts.live.cluster_operators.get(None, CLUSTER_OPERATOR)
        if found is None:
            found = await self._create()
        status: Object = {**(found.get("status") or {})}
        status["conditions"] = [dict(one) for one in status.get("conditions") or ()]
        changed = apply_summaries(status, summaries(conditions, now=now, inertia=inertia), now=now)
        wanted = [{"name": name, "version": podpass.__version__} for name in VERSIONS]
        if status.get("versions") != wanted:
            status["versions"] = wanted
            changed = True
        if changed:
            await self._client.update(
                CLUSTER_OPERATORS, found | {"status": status}, subresource="status"
            )
            told = ",".join(f"{one['type']}={one['status']}" for one in status["conditions"])
            parts.objects.event(
                "Normal",
                "OperatorStatusChanged",
                f"Status for clusteroperator/{CLUSTER_OPERATOR} changed: {told}",
            )
        trouble = any(
            one.get("status") == "True" and str(one.get("type", "")).endswith("Degraded")
            for one in conditions
        )
        return inertia if trouble else None

    async def _create(self) -> Object:
        return await self._parts.objects.create(
            CLUSTER_OPERATORS,
            {
                "apiVersion": CLUSTER_OPERATORS.api_version,
                "kind": CLUSTER_OPERATORS.kind,
                "metadata": {"name": CLUSTER_OPERATOR},
                "spec": {},
            },
        )
