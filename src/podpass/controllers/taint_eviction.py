"""Deletes pods from nodes whose NoExecute taints they do not tolerate any longer.

`taints.eviction_time` decides when. Mirror pods stay: their kubelet alone can end them.

Source: Kubernetes, `pkg/controller/tainteviction/taint_eviction.go`.
"""

from __future__ import annotations

from datetime import timedelta

from podpass.api.errors import StatusError
from podpass.api.meta import (
    format_time,
    is_terminating,
    name_of,
    namespace_of,
    uid_of,
)
from podpass.api.resources import NODES, PODS, Object
from podpass.base.clock import Clock
from podpass.client.controller import Controller, RetryAfter, object_key, split_key
from podpass.client.events import EventRecorder
from podpass.client.rest import RestClient
from podpass.controllers.pods import conditions_patch, is_mirror, node_name_of
from podpass.controllers.refusals import is_conflict, is_not_found
from podpass.controllers.shared_informers import SharedInformers
from podpass.controllers.taints import eviction_time, taints_of, tolerations_of


class TaintEvictionController:
    """Evicts pods; keys are pods."""

    def __init__(
        self,
        client: RestClient,
        informers: SharedInformers,
        clock: Clock,
        recorder: EventRecorder,
        default_toleration_seconds: float,
    ) -> None:
        self._client = client
        self._informers = informers
        self._clock = clock
        self._recorder = recorder
        self._default = timedelta(seconds=default_toleration_seconds)
        self._first_seen: dict[str, dict[tuple[str, str], str]] = {}
        self._controller = Controller("taint-eviction", self.reconcile, clock=clock)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._informers.wait_synced(NODES, PODS)
        self._informers[NODES].on_change(self._node_changed)
        self._informers[PODS].on_change(self._pod_changed)
        await self._controller.run()

    async def reconcile(self, key: str) -> RetryAfter | None:
        """Evict one pod if its time has come.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        pod = self._informers[PODS].get(*split_key(key))
        if pod is None or is_terminating(pod) or is_mirror(pod):
            return None
        taints = self._timed_taints(node_name_of(pod))
        now = self._clock.now()
        due = eviction_time(pod, taints, default=self._default, now=now)
        if due is None:
            return None
        if due > now:
            return RetryAfter((due - now).total_seconds())
        self._recorder.record(
            pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key}"
        )
        await self._evict(pod)
        return None

    async def _evict(self, pod: Object) -> None:
        patch = conditions_patch(
            pod,
            "DisruptionTarget",
            "True",
            now=self._clock.now(),
            reason="DeletionByTaintManager",
            message="Taint manager: deleting due to NoExecute taint",
        )
        try:
            if patch is not None:
                await self._client.patch(
                    PODS, namespace_of(pod), name_of(pod), patch, subresource="status"
                )
            await self._client.delete(PODS, namespace_of(pod), name_of(pod), uid=uid_of(pod))
        except StatusError as error:
            if is_conflict(error):
                raise RetryAfter(0.1) from error
            if not is_not_found(error):
                raise

    def _timed_taints(self, node: str) -> list[Object]:
        """Return the node's NoExecute taints, each with the time since when we know it."""
        seen = self._first_seen.get(node, {})
        return [
            taint | {"timeAdded": taint.get("timeAdded") or seen[_identity(taint)]}
            for taint in _evicting_taints(self._informers[NODES].get(None, node))
            if _identity(taint) in seen
        ]

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        node = new or old
        if node is None:
            return
        name = name_of(node)
        former = self._first_seen.get(name, {})
        now = format_time(self._clock.now())
        current = {
            _identity(taint): former.get(_identity(taint), now) for taint in _evicting_taints(new)
        }
        self._first_seen[name] = current
        if new is None:
            del self._first_seen[name]
        if current and _evicting_taints(old) != _evicting_taints(new):
            for pod in self._informers[PODS].list():
                if node_name_of(pod) == name:
                    self._controller.enqueue(object_key(pod))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None or not self._first_seen.get(node_name_of(new)):
            return
        if (
            old is None
            or node_name_of(old) != node_name_of(new)
            or tolerations_of(old) != tolerations_of(new)
        ):
            self._controller.enqueue(object_key(new))


def _evicting_taints(node: Object | None) -> list[Object]:
    return [one for one in taints_of(node or {}) if one.get("effect") == "NoExecute"]


def _identity(taint: Object) -> tuple[str, str]:
    return taint.get("key", ""), taint.get("value") or ""
