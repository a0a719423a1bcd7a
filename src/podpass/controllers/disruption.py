"""Keeps the status of disruption budgets up to date; evictions are judged by it.

Source: Kubernetes, `pkg/controller/disruption/disruption.go`.
"""

from __future__ import annotations

from collections.abc import Sequence

from podpass.api.meta import labels_of, namespace_of, uid_of
from podpass.api.resources import (
    DEPLOYMENTS,
    POD_DISRUPTION_BUDGETS,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    Object,
    Resource,
)
from podpass.api.selectors import matches_label_selector
from podpass.base.clock import Clock
from podpass.client.controller import Controller, RetryAfter, object_key, split_key
from podpass.client.events import EventRecorder
from podpass.client.rest import RestClient
from podpass.controllers.claims import controller_of
from podpass.controllers.deployment_limits import replicas_of
from podpass.controllers.disruption_budget import budget_status, needs_scale, seconds_to_void
from podpass.controllers.shared_informers import SharedInformers
from podpass.controllers.workload_status import write_status

_SCALED = (DEPLOYMENTS, REPLICA_SETS, STATEFUL_SETS)


class DisruptionController:
    """Counts pods; keys are budgets."""

    def __init__(
        self,
        client: RestClient,
        informers: SharedInformers,
        clock: Clock,
        recorder: EventRecorder,
    ) -> None:
        self._client = client
        self._informers = informers
        self._clock = clock
        self._recorder = recorder
        self._controller = Controller("disruption", self.reconcile, clock=clock)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._informers.wait_synced(POD_DISRUPTION_BUDGETS, PODS, *_SCALED)
        self._informers[POD_DISRUPTION_BUDGETS].on_change(self._changed)
        self._informers[PODS].on_change(self._pod_changed)
        for resource in _SCALED:
            self._informers[resource].on_change(self._scale_changed)
        await self._controller.run()

    async def reconcile(self, key: str) -> RetryAfter | None:
        """Count for one budget.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        budget = self._informers[POD_DISRUPTION_BUDGETS].get(*split_key(key))
        if budget is None:
            return None
        pods = [
            pod for pod in self._informers[PODS].list(namespace_of(budget)) if _selects(budget, pod)
        ]
        scale = self._scale(budget, pods) if needs_scale(budget) else 0
        now = self._clock.now()
        status = budget_status(budget, pods, scale, now=now)
        await write_status(self._client, POD_DISRUPTION_BUDGETS, budget, status)
        left = seconds_to_void(status["disruptedPods"], now)
        return None if left is None else RetryAfter(left)

    def _scale(self, budget: Object, pods: Sequence[Object]) -> int | None:
        """Return the sum of the sizes of the pods' controllers, or None if one has no size."""
        sizes: dict[str, int] = {}
        for pod in pods:
            reference = controller_of(pod)
            if reference is None:
                continue
            found = self._scaled_owner(namespace_of(pod), reference)
            if found is None:
                text = (
                    "Failed to calculate the number of expected pods: the controller of pod "
                    f"{object_key(pod)} cannot be scaled"
                )
                self._recorder.record(budget, "Warning", "CalculateExpectedPodCountFailed", text)
                return None
            sizes[uid_of(found)] = replicas_of(found)
        return sum(sizes.values())

    def _scaled_owner(self, namespace: str, reference: Object) -> Object | None:
        """Return the topmost controller that has a size."""
        owner = self._find(namespace, reference)
        above = controller_of(owner) if owner is not None else None
        return (self._find(namespace, above) if above is not None else None) or owner

    def _find(self, namespace: str, reference: Object) -> Object | None:
        for resource in _SCALED:
            if _names(reference, resource):
                found = self._informers[resource].get(namespace, reference.get("name", ""))
                if found is not None and uid_of(found) == reference.get("uid"):
                    return found
        return None

    def _changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old
        if obj is not None:
            self._controller.enqueue(object_key(obj))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for pod in (old, new):
            if pod is None:
                continue
            for budget in self._informers[POD_DISRUPTION_BUDGETS].list(namespace_of(pod)):
                if _selects(budget, pod):
                    self._controller.enqueue(object_key(budget))

    def _scale_changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old
        if obj is None or (old and new and replicas_of(old) == replicas_of(new)):
            return
        for budget in self._informers[POD_DISRUPTION_BUDGETS].list(namespace_of(obj)):
            self._controller.enqueue(object_key(budget))


def _names(reference: Object, resource: Resource) -> bool:
    return (reference.get("apiVersion"), reference.get("kind")) == (
        resource.api_version,
        resource.kind,
    )


def _selects(budget: Object, pod: Object) -> bool:
    return matches_label_selector((budget.get("spec") or {}).get("selector"), labels_of(pod))
