"""Binds pods to nodes as soon as they appear.

1. `placement` decides; among equals the choice is random.
2. A pod that was just bound counts as being there, before the API server's answer comes back.
3. A pod that fits nowhere gets condition and event, and another try when a node or a pod's room
   changes, at the latest after five minutes.

Source: Kubernetes, `pkg/scheduler/schedule_one.go`.
"""

from __future__ import annotations

from podpass.api.errors import StatusError
from podpass.api.meta import is_terminating, name_of, namespace_of, uid_of
from podpass.api.resources import NODES, PODS, Object
from podpass.base.clock import Clock
from podpass.base.tasks import random_index
from podpass.client.controller import Controller, RetryAfter, object_key, split_key
from podpass.client.events import EventRecorder
from podpass.client.rest import RestClient
from podpass.controllers.node_load import NodeLoad, PodDemand
from podpass.controllers.placement import place
from podpass.controllers.pods import conditions_patch, is_finished, node_name_of
from podpass.controllers.refusals import is_conflict, is_not_found
from podpass.controllers.shared_informers import SharedInformers

SCHEDULER_NAME = "default-scheduler"
LATEST_RETRY_SECONDS = 300.0
_WORKERS = 8


def waits_for_node(pod: Object) -> bool:
    """Tell whether this scheduler is to bind the pod."""
    spec = pod.get("spec") or {}
    return (
        not spec.get("nodeName")
        and spec.get("schedulerName", SCHEDULER_NAME) == SCHEDULER_NAME
        and not spec.get("schedulingGates")
        and not is_terminating(pod)
        and not is_finished(pod)
    )


class Scheduler:
    """Binds pods; keys are pods."""

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
        self._controller = Controller("scheduler", self.reconcile, clock=clock, workers=_WORKERS)
        self._loads: dict[str, NodeLoad] = {}
        self._node_of: dict[str, str] = {}
        self._unschedulable: set[str] = set()

    async def run(self) -> None:
        """Work until cancelled."""
        await self._informers.wait_synced(NODES, PODS)
        self._informers[PODS].on_change(self._pod_changed)
        self._informers[NODES].on_change(self._node_changed)
        await self._controller.run()

    async def reconcile(self, key: str) -> RetryAfter | None:
        """Bind one pod, or say why not.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        pod = self._informers[PODS].get(*split_key(key))
        if pod is None or not waits_for_node(pod) or key in self._node_of:
            return None
        placement = place(pod, self._informers[NODES].list(), self._loads)
        if not placement.best:
            self._unschedulable.add(key)
            await self._report(pod, placement.message)
            return RetryAfter(LATEST_RETRY_SECONDS)
        self._unschedulable.discard(key)
        node = placement.best[random_index(len(placement.best))]
        self._account(key, node, pod)  # 2
        try:
            await self._bind(pod, node)
        except StatusError as error:
            self._account(key, "", pod)
            if is_not_found(error) or is_conflict(error):
                return None  # gone or bound; the informer will tell
            raise
        except BaseException:
            self._account(key, "", pod)
            raise
        self._recorder.record(pod, "Normal", "Scheduled", f"Successfully assigned {key} to {node}")
        return None

    async def _bind(self, pod: Object, node: str) -> None:
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {
                "name": name_of(pod),
                "namespace": namespace_of(pod),
                "uid": uid_of(pod),
            },
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        await self._client.create(
            PODS, binding, namespace=namespace_of(pod), name=name_of(pod), subresource="binding"
        )

    async def _report(self, pod: Object, message: str) -> None:
        self._recorder.record(pod, "Warning", "FailedScheduling", message)
        patch = conditions_patch(
            pod,
            "PodScheduled",
            "False",
            now=self._clock.now(),
            reason="Unschedulable",
            message=message,
        )
        if patch is None:
            return
        try:
            await self._client.patch(
                PODS, namespace_of(pod), name_of(pod), patch, subresource="status"
            )
        except StatusError as error:
            if not (is_not_found(error) or is_conflict(error)):
                raise

    def _account(self, key: str, node: str, pod: Object) -> None:
        """Note that the pod takes room on `node`, or on none."""
        former = self._node_of.pop(key, "")
        if former:
            self._loads[former].pods.pop(key, None)
        if node:
            self._node_of[key] = node
            self._loads.setdefault(node, NodeLoad()).pods[key] = PodDemand.of(pod)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new or old
        if pod is None:
            return
        key = object_key(pod)
        if new is not None and waits_for_node(new):
            if old is None or uid_of(old) != uid_of(new):
                self._account(key, "", new)
            if old is None or old.get("spec") != new.get("spec"):
                self._controller.enqueue(key)
            return
        self._unschedulable.discard(key)
        gone = new is None or is_finished(new)
        self._account(key, "" if gone else node_name_of(pod), pod)
        if gone and node_name_of(pod):
            self._retry_all()

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            if old is not None and (load := self._loads.get(name_of(old))) and not load.pods:
                del self._loads[name_of(old)]
        elif old is None or _scheduling_view(old) != _scheduling_view(new):
            self._retry_all()

    def _retry_all(self) -> None:
        for key in self._unschedulable:
            self._controller.enqueue(key)


def _scheduling_view(node: Object) -> Object:
    """Return what `placement` reads of a node, without the times of heartbeats."""
    status = node.get("status") or {}
    return {
        "labels": node["metadata"].get("labels"),
        "spec": node.get("spec"),
        "allocatable": status.get("allocatable"),
        "conditions": {
            one.get("type"): one.get("status") for one in status.get("conditions") or []
        },
    }
