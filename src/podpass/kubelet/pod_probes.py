"""The probes of one pod's containers, and what they have found out so far."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from podpass.api.resources import Object
from podpass.base.clock import Clock
from podpass.kubelet.events import PodEvents
from podpass.kubelet.pod_spec import uses_host_network
from podpass.kubelet.probe_threshold import ProbeKind
from podpass.kubelet.probe_worker import ProbeWorker
from podpass.kubelet.probes import ProbeTarget
from podpass.kubelet.runtime.interface import ContainerID, ContainerStatus, Runtime, SandboxID

_log = logging.getLogger("kubelet.probes")

_NAMES = {
    ProbeKind.LIVENESS: "Liveness",
    ProbeKind.READINESS: "Readiness",
    ProbeKind.STARTUP: "Startup",
}


def probe_target(
    pod: Object, container: Object, sandbox_id: SandboxID, container_id: ContainerID, node_ip: str
) -> ProbeTarget:
    """Return where the probes of a container go."""
    ports = {
        str(port["name"]): int(port["containerPort"])
        for port in container.get("ports") or []
        if port.get("name")
    }
    address = node_ip if uses_host_network(pod) else None
    return ProbeTarget(sandbox_id, container_id, address, ports)


@dataclass(slots=True)
class _Watched:
    """One running container; the listener of its probes."""

    container: Object
    events: PodEvents
    changed: Callable[[], None]
    started: bool = False
    ready: bool = False
    dead: str = ""
    grace: int | None = None

    def on_started(self) -> None:
        self.started = True
        self.changed()

    def on_ready(self, ready: bool) -> None:  # noqa: FBT001 - a state, not an option
        self.ready = ready
        self.changed()

    def on_unhealthy(self, kind: ProbeKind, message: str) -> None:
        text = f"{_NAMES[kind]} probe failed: {message}"
        self.events.warning("Unhealthy", text, self.container)

    def on_dead(self, kind: ProbeKind, message: str) -> None:
        del message
        name = self.container["name"]
        self.dead = f"Container {name} failed {_NAMES[kind].lower()} probe, will be restarted"
        self.grace = self.container[kind.value].get("terminationGracePeriodSeconds")
        self.changed()


class PodProbes:
    """Runs probes for as long as their containers run."""

    def __init__(
        self, runtime: Runtime, clock: Clock, node_ip: str, changed: Callable[[], None]
    ) -> None:
        """Prepare.

        Args:
            runtime: Reaches into containers.
            clock: For periods.
            node_ip: Where pods on the node's network listen.
            changed: Called when a result changes what becomes of a container.
        """
        self._runtime = runtime
        self._clock = clock
        self._node_ip = node_ip
        self._changed = changed
        self._watched: dict[ContainerID, _Watched] = {}
        self._tasks: dict[ContainerID, asyncio.Task[None]] = {}

    def follow(
        self, pod: Object, containers: Iterable[tuple[Object, ContainerStatus]], events: PodEvents
    ) -> None:
        """Probe exactly these running containers."""
        running = {status.id: (container, status) for container, status in containers}
        for gone in self._watched.keys() - running.keys():
            self._forget(gone)
        for container_id, (container, status) in running.items():
            if container_id in self._watched:
                continue
            watched = self._watched[container_id] = _Watched(container, events, self._changed)
            if not any(kind.value in container for kind in ProbeKind):
                watched.started = watched.ready = True
                continue
            worker = ProbeWorker(
                container,
                probe_target(pod, container, status.sandbox_id, status.id, self._node_ip),
                runtime=self._runtime,
                clock=self._clock,
                listener=watched,
            )
            self._tasks[container_id] = asyncio.create_task(self._probe(worker, container))

    def started(self, container: ContainerStatus) -> bool:
        """Tell whether a running container has passed its startup probe, or has none."""
        watched = self._watched.get(container.id)
        return watched is not None and watched.started

    def ready(self, container: ContainerStatus) -> bool:
        """Tell whether a running container passes its readiness probe, or has none."""
        watched = self._watched.get(container.id)
        return watched is not None and watched.ready

    def dead(self, container: ContainerStatus) -> str:
        """Return why a running container must be restarted, or nothing."""
        watched = self._watched.get(container.id)
        return watched.dead if watched is not None else ""

    def grace(self, container: ContainerStatus) -> int | None:
        """Return the seconds that the probe which failed gives a container to end, if it says."""
        watched = self._watched.get(container.id)
        return watched.grace if watched is not None else None

    def close(self) -> None:
        """Stop probing."""
        for container_id in [*self._watched]:
            self._forget(container_id)

    def _forget(self, container_id: ContainerID) -> None:
        del self._watched[container_id]
        task = self._tasks.pop(container_id, None)
        if task is not None:
            task.cancel()

    async def _probe(self, worker: ProbeWorker, container: Object) -> None:
        try:
            await worker.run()
        except Exception:  # noqa: BLE001 - the pod worker boundary
            _log.exception("the probes of container %s ended", container["name"])
