"""Ends everything of one pod: its containers within their grace, then its sandboxes.

It goes on in the background, so that a shorter grace can still hurry it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from podpass.api.resources import Object
from podpass.kubelet.events import PodEvents
from podpass.kubelet.node_services import NodeServices
from podpass.kubelet.pod_sandboxes import PodSandboxes
from podpass.kubelet.pod_spec import full_name
from podpass.kubelet.pod_stopper import PodStopper
from podpass.kubelet.pod_worker import PodRuntime
from podpass.kubelet.runtime.interface import RuntimeFailure

_log = logging.getLogger("kubelet.pod")

_RETRY_SECONDS = 1.0


class PodEnding:
    """The end of one pod.

    Args:
        services: What all pods share.
        stopper: Ends containers.
        sandboxes: Those of the pod.
        runtime: Returns what the runtime has of the pod.
        done: Called when everything was stopped, or could not be.
    """

    def __init__(
        self,
        services: NodeServices,
        stopper: PodStopper,
        sandboxes: PodSandboxes,
        *,
        runtime: Callable[[], PodRuntime],
        done: Callable[[], None],
    ) -> None:
        self._services = services
        self._stopper = stopper
        self._sandboxes = sandboxes
        self._runtime = runtime
        self._done = done
        self._stopping: asyncio.Task[None] | None = None
        self._hurrying: asyncio.Task[None] | None = None
        self._grace_given = 0.0

    def stop(self, pod: Object, grace: float, events: PodEvents) -> None:
        """Stop everything within `grace` seconds; called again, within the shorter time."""
        if self._stopping is None or self._stopping.done():
            self._grace_given = grace
            self._stopping = asyncio.create_task(self._stop(pod, grace, events))
        elif grace < self._grace_given:
            self._grace_given = grace
            hurry = self._stopper.hurry(self._runtime().running(), grace)
            self._hurrying = asyncio.create_task(hurry)

    def close(self) -> None:
        """Let go of what is being stopped."""
        if self._stopping is not None:
            self._stopping.cancel()

    async def _stop(self, pod: Object, grace: float, events: PodEvents) -> None:
        try:
            await self._stopper.stop(pod, self._runtime().running(), grace, events)
            await self._sandboxes.stop(self._runtime())
            await self._services.cache.refresh()
        except RuntimeFailure as error:
            _log.warning("pod %s cannot be stopped: %s", full_name(pod), error)
            events.warning("FailedKillPod", f"error killing pod: {error}")
            await self._services.clock.sleep(_RETRY_SECONDS)
        self._stopping = None
        self._done()
