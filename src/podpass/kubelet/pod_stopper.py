"""Ends the containers of a pod: hook, signal, and SIGKILL when the time is over.

Regular containers end first, all at once; sidecars follow, the last one first.
Source: Kubernetes v1.36, `pkg/kubelet/kuberuntime/kuberuntime_container.go`, `killContainer`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from podpass.api.resources import Object
from podpass.base.clock import Clock
from podpass.kubelet.events import PodEvents
from podpass.kubelet.lifecycle_hooks import LifecycleHooks
from podpass.kubelet.pod_spec import all_containers, init_containers_of, is_sidecar
from podpass.kubelet.runtime.interface import ContainerStatus, Runtime

SHORTEST_GRACE = 2.0
"""Seconds that a container gets behind its preStop hook, however long that took."""


class PodStopper:
    """Ends containers of one pod."""

    def __init__(self, runtime: Runtime, clock: Clock, node_ip: str) -> None:
        self._runtime = runtime
        self._clock = clock
        self._hooks = LifecycleHooks(runtime, clock, node_ip)

    async def stop(
        self,
        pod: Object,
        running: Sequence[ContainerStatus],
        grace: float,
        events: PodEvents,
        *,
        why: str = "",
    ) -> None:
        """Return when all of them have ended, after `grace` seconds at most (and a little)."""
        deadline = self._clock.monotonic() + grace
        sidecars = [one["name"] for one in init_containers_of(pod) if is_sidecar(one)]
        regular = [one for one in running if one.config.name not in sidecars]
        await asyncio.gather(*(self._end(pod, one, deadline, events, why) for one in regular))
        for name in reversed(sidecars):
            for one in running:
                if one.config.name == name:
                    await self._end(pod, one, deadline, events, why)

    async def hurry(self, running: Sequence[ContainerStatus], grace: float) -> None:
        """Shorten the time of containers that are being stopped."""
        await asyncio.gather(*(self._runtime.stop_container(one.id, grace) for one in running))

    async def _end(
        self,
        pod: Object,
        running: ContainerStatus,
        deadline: float,
        events: PodEvents,
        why: str,
    ) -> None:
        name = running.config.name
        container = next((one for one in all_containers(pod) if one["name"] == name), None)
        events.normal("Killing", why or f"Stopping container {name}", container)
        left = max(0.0, deadline - self._clock.monotonic())
        if container is not None and left > 0:
            result = await self._hooks.run(
                "preStop", pod, container, running.sandbox_id, running.id, limit=left
            )
            if result is not None:
                left = max(SHORTEST_GRACE, deadline - self._clock.monotonic())
                if not result.success:
                    text = f"PreStopHook failed: {result.message}"
                    events.warning("FailedPreStopHook", text, container)
        await self._runtime.stop_container(running.id, left)
