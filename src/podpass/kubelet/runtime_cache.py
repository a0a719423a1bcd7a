"""What the runtime has, kept up to date and sorted by pod.

One reader asks the runtime for all; everyone else looks here. Whoever changed something asks for a
refresh and is told of what the runtime has from then on. Source: Kubernetes v1.36,
`pkg/kubelet/pleg`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping

from podpass.base.clock import Clock
from podpass.kubelet.pod_worker import PodRuntime
from podpass.kubelet.runtime.interface import (
    ContainerStatus,
    Runtime,
    RuntimeFailure,
    SandboxStatus,
)

_log = logging.getLogger("kubelet.runtime")

LONGEST_SILENCE = 10.0
"""Seconds after which the runtime is asked although it reported no change."""
_RETRY = 1.0


class RuntimeCache:
    """The pods of the runtime, by UID."""

    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self._runtime = runtime
        self._clock = clock
        self._pods: Mapping[str, PodRuntime] = {}
        self._callbacks: list[Callable[[str], None]] = []
        self._reading: asyncio.Task[None] | None = None
        self._next_reading: asyncio.Task[None] | None = None

    def pod(self, uid: str) -> PodRuntime:
        """Return what the runtime has of a pod; empty if nothing."""
        return self._pods.get(uid) or PodRuntime()

    def uids(self) -> set[str]:
        """Return the pods that the runtime has anything of."""
        return set(self._pods)

    def on_change(self, callback: Callable[[str], None]) -> None:
        """Have `callback` called with the UID of each pod that changed."""
        self._callbacks.append(callback)

    async def refresh(self) -> None:
        """Return once the cache shows what the runtime has now, or later.

        Raises:
            RuntimeFailure: The runtime does not answer.
        """
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
            await asyncio.shield(self._reading)
            return
        if self._next_reading is None:
            self._next_reading = asyncio.create_task(self._read_after(self._reading))
        await asyncio.shield(self._next_reading)

    async def run(self) -> None:
        """Follow the runtime until cancelled."""
        while True:
            try:
                await self._runtime.wait_for_change(LONGEST_SILENCE)
                await self.refresh()
            except RuntimeFailure as error:
                _log.error("%s", error)
                await self._clock.sleep(_RETRY)

    async def _read_after(self, former: asyncio.Task[None]) -> None:
        await asyncio.wait((former,))
        self._reading, self._next_reading = asyncio.current_task(), None
        await self._read()

    async def _read(self) -> None:
        sandboxes = await self._runtime.list_pod_sandboxes()
        containers = await self._runtime.list_containers()
        former, self._pods = self._pods, _by_pod(sandboxes, containers)
        for uid in former.keys() | self._pods.keys():
            if former.get(uid) != self._pods.get(uid):
                for callback in self._callbacks:
                    callback(uid)


def _by_pod(
    sandboxes: tuple[SandboxStatus, ...], containers: tuple[ContainerStatus, ...]
) -> dict[str, PodRuntime]:
    uid_of_sandbox = {one.id: one.config.uid for one in sandboxes}
    boxes: dict[str, list[SandboxStatus]] = defaultdict(list)
    for sandbox in sandboxes:
        boxes[sandbox.config.uid].append(sandbox)
    groups: dict[str, dict[str, list[ContainerStatus]]] = defaultdict(lambda: defaultdict(list))
    for container in containers:
        uid = uid_of_sandbox.get(container.sandbox_id)
        if uid is not None:
            groups[uid][container.config.name].append(container)
    return {
        uid: PodRuntime(
            tuple(
                sorted(found, key=lambda one: (one.config.attempt, one.created_at), reverse=True)
            ),
            {
                name: tuple(
                    sorted(
                        group, key=lambda one: (one.config.attempt, one.created_at), reverse=True
                    )
                )
                for name, group in groups.get(uid, {}).items()
            },
        )
        for uid, found in boxes.items()
    }
