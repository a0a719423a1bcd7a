"""Writes the pods' status to the API, and deletes pods that have ended.

1. Only the latest status of a pod is written; what did not change is not written again.
2. While the API is away the latest status waits.
3. A static pod's status goes to its mirror; a mirror that was made anew gets it again.
4. A pod whose deletion was asked for is deleted for good once nothing of it runs any more.

Source: Kubernetes v1.36, `pkg/kubelet/status/status_manager.go`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from podpass.api.errors import StatusError
from podpass.api.meta import name_of, namespace_of, uid_of
from podpass.api.resources import PODS, Object
from podpass.base.clock import Clock
from podpass.client.config import ConfigError
from podpass.client.controller import Controller, RetryAfter
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.kubelet.pod_spec import is_static

_RETRY_SECONDS = 0.5
_GONE = (404, 409)


@dataclass(slots=True)
class _Entry:
    pod: Object
    status: Object
    written: tuple[str, Object] | None = None
    ended: bool = False


class StatusManager:
    """Keeps the API's view of this node's pods true."""

    def __init__(
        self, client: RestClient, clock: Clock, find_pod: Callable[[Object], Object | None]
    ) -> None:
        """Prepare; `run` writes.

        Args:
            client: The API server.
            clock: For retries.
            find_pod: Returns the API's pod for one of ours: itself, or its mirror.
        """
        self._client = client
        self._find_pod = find_pod
        self._entries: dict[str, _Entry] = {}
        self._controller = Controller("kubelet.status", self._write, clock=clock, workers=4)

    async def run(self) -> None:
        """Write until cancelled."""
        await self._controller.run()

    def report(self, pod: Object, status: Object) -> None:
        """Take over the latest status of a pod."""
        entry = self._entries.setdefault(uid_of(pod), _Entry(pod, status))
        entry.pod, entry.status = pod, status
        if entry.written is None or entry.written[1] != status:
            self._controller.enqueue(uid_of(pod))

    def end(self, pod: Object) -> None:
        """Have a pod of which nothing is left deleted, or forget it if it is not in the API."""
        entry = self._entries.get(uid_of(pod))
        if entry is not None:
            entry.ended = True
            self._controller.enqueue(uid_of(pod))

    def mirror_changed(self, uid: str) -> None:
        """Look again at the static pod `uid`, whose mirror was made anew."""
        if uid in self._entries:
            self._controller.enqueue(uid)

    async def _write(self, uid: str) -> None:
        entry = self._entries.get(uid)
        if entry is None:
            return
        target = self._find_pod(entry.pod)
        if target is None:
            if entry.ended or not is_static(entry.pod):
                self._entries.pop(uid, None)
            return
        try:
            await self._write_to(entry, target)
        except (ConnectionFailed, ConfigError) as error:
            raise RetryAfter(_RETRY_SECONDS) from error
        except StatusError as error:
            if error.code not in _GONE:
                raise
        if entry.ended:
            self._entries.pop(uid, None)

    async def _write_to(self, entry: _Entry, target: Object) -> None:
        namespace, name, uid = namespace_of(target), name_of(target), uid_of(target)
        if entry.written != (uid, entry.status):
            status = entry.status
            await self._client.patch(
                PODS,
                namespace,
                name,
                {"metadata": {"uid": uid}, "status": status},
                subresource="status",
            )
            entry.written = (uid, status)
        if entry.ended and not is_static(entry.pod):
            await self._client.delete(PODS, namespace, name, grace_period_seconds=0, uid=uid)
