"""Removes pods that nobody else will.

1. Pods of a node that is gone: after a quarantine, and a look at the API server, they are marked
   Failed and deleted without grace.
2. Pods that are being deleted and were never bound.
3. The oldest finished pods beyond a threshold.

Source: Kubernetes, `pkg/controller/podgc/gc_controller.go`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from podpass.api.errors import StatusError
from podpass.api.meta import is_terminating, name_of, namespace_of, uid_of
from podpass.api.resources import NODES, PODS, Object
from podpass.base.clock import Clock
from podpass.client.config import ConfigError
from podpass.client.controller import object_key
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.controllers.pods import conditions_patch, is_finished, node_name_of
from podpass.controllers.refusals import is_conflict, is_not_found
from podpass.controllers.shared_informers import SharedInformers

PERIOD_SECONDS = 20.0
QUARANTINE_SECONDS = 40.0

_log = logging.getLogger("pod-gc")


def never_bound(pods: Iterable[Object]) -> list[Object]:
    """Return the pods of rule 2."""
    return [pod for pod in pods if is_terminating(pod) and not node_name_of(pod)]


def overflow(pods: Iterable[Object], threshold: int) -> list[Object]:
    """Return the pods of rule 3, oldest first; a threshold of 0 or less keeps all."""
    finished = [pod for pod in pods if is_finished(pod) and not is_terminating(pod)]
    excess = len(finished) - threshold
    if threshold <= 0 or excess <= 0:
        return []
    finished.sort(key=lambda pod: (pod["metadata"].get("creationTimestamp") or "", name_of(pod)))
    return finished[:excess]


class PodGarbageCollector:
    """Looks over all pods now and then."""

    def __init__(
        self, client: RestClient, informers: SharedInformers, clock: Clock, threshold: int
    ) -> None:
        self._client = client
        self._informers = informers
        self._clock = clock
        self._threshold = threshold
        self._missing_since: dict[str, float] = {}

    async def run(self) -> None:
        """Work until cancelled."""
        await self._informers.wait_synced(NODES, PODS)
        while True:
            await self.sweep()
            await self._clock.sleep(PERIOD_SECONDS)

    async def sweep(self) -> None:
        """Apply the three rules once; what fails is tried again by the next sweep."""
        pods = self._informers[PODS].list()
        gone = await self._gone_nodes(pods)
        for pod in pods:
            if node_name_of(pod) in gone:
                await self._attempt(pod, "PodGC: node no longer exists")  # 1
        for pod in never_bound(pods):
            await self._attempt(pod)  # 2
        for pod in overflow(pods, self._threshold):
            await self._attempt(pod)  # 3

    async def _gone_nodes(self, pods: Iterable[Object]) -> set[str]:
        now = self._clock.monotonic()
        used = {node_name_of(pod) for pod in pods} - {""}
        missing = {name for name in used if self._informers[NODES].get(None, name) is None}
        self._missing_since = {name: self._missing_since.get(name, now) for name in missing}
        quarantined = [
            name for name, since in self._missing_since.items() if now - since >= QUARANTINE_SECONDS
        ]
        return {name for name in quarantined if await self._is_gone(name)}

    async def _is_gone(self, node: str) -> bool:
        try:
            await self._client.get(NODES, None, node)
        except StatusError as error:
            return is_not_found(error)
        except (ConnectionFailed, ConfigError):
            return False
        return False

    async def _attempt(self, pod: Object, failure: str = "") -> None:
        try:
            if failure and not is_finished(pod):
                await self._mark_failed(pod, failure)
            await self._client.delete(
                PODS, namespace_of(pod), name_of(pod), grace_period_seconds=0, uid=uid_of(pod)
            )
        except StatusError as error:
            if not (is_not_found(error) or is_conflict(error)):
                _log.warning("%s: %s", object_key(pod), error.message)
        except (ConnectionFailed, ConfigError) as error:
            _log.warning("%s: %s", object_key(pod), error)

    async def _mark_failed(self, pod: Object, message: str) -> None:
        patch = conditions_patch(
            pod,
            "DisruptionTarget",
            "True",
            now=self._clock.now(),
            phase="Failed",
            reason="DeletionByPodGC",
            message=message,
        )
        if patch is not None:
            await self._client.patch(
                PODS, namespace_of(pod), name_of(pod), patch, subresource="status"
            )
