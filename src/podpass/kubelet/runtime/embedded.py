"""The embedded runtime: pods on bubblewrap, with nothing to install and with or without root.

1. Sandboxes and containers are processes of their own (`pod_sandbox`, `shim`) that outlive the
   kubelet; the state directory tells the next one about them (`state`).
2. What is told about them comes from memory; their ends arrive through pidfds.
3. Names of containers and sandboxes are random; nothing but their directories is shared.
4. Whatever touches many files runs in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import podpass
from podpass.base.clock import Clock
from podpass.kubelet.images import ImageCatalog
from podpass.kubelet.runtime import launch
from podpass.kubelet.runtime.attach_session import AttachSession
from podpass.kubelet.runtime.containers import Containers
from podpass.kubelet.runtime.exec_session import EmbeddedExecSession, collect
from podpass.kubelet.runtime.interface import (
    ContainerConfig,
    ContainerID,
    ContainerStatus,
    ExecResult,
    ImageInfo,
    SandboxConfig,
    SandboxID,
    SandboxStatus,
)
from podpass.kubelet.runtime.process_watch import ProcessWatch
from podpass.kubelet.runtime.sandboxes import Sandboxes
from podpass.kubelet.runtime.state import StateDirectory


class EmbeddedRuntime:
    """Runs sandboxes and containers on this machine.

    Args:
        state_directory: Where sandboxes and containers are kept; of this runtime alone.
        images: Where images come from.
        clock: Source of creation times.
    """

    def __init__(self, state_directory: Path, images: ImageCatalog, clock: Clock) -> None:
        self._images = images
        self._watch = ProcessWatch()
        self._changed = asyncio.Event()
        state = StateDirectory(state_directory)
        changed = self._changed.set
        self._sandboxes = Sandboxes(state, self._watch, clock, changed)
        self._containers = Containers(state, self._sandboxes, images, self._watch, clock, changed)
        self._attached = False

    def _attach(self) -> None:
        """Watch what an earlier kubelet has left running, at the first call in an event loop."""
        if not self._attached:
            self._attached = True
            self._sandboxes.attach()
            self._containers.attach()

    async def close(self) -> None:
        """Let go of everything; sandboxes and containers go on."""
        self._watch.close()

    async def version(self) -> str:
        return f"podpass://{podpass.__version__}"

    async def run_pod_sandbox(self, config: SandboxConfig) -> SandboxID:
        self._attach()
        return await self._sandboxes.run(config)

    async def stop_pod_sandbox(self, sandbox_id: SandboxID) -> None:
        self._attach()
        for container_id in self._containers.of(sandbox_id):
            await self._containers.stop(container_id, 0)
        self._sandboxes.stop(sandbox_id)

    async def remove_pod_sandbox(self, sandbox_id: SandboxID) -> None:
        await self.stop_pod_sandbox(sandbox_id)
        for container_id in self._containers.of(sandbox_id):
            await self._containers.remove(container_id)
        await self._sandboxes.remove(sandbox_id)

    async def list_pod_sandboxes(self) -> tuple[SandboxStatus, ...]:
        self._attach()
        return self._sandboxes.statuses()

    async def create_container(self, sandbox_id: SandboxID, config: ContainerConfig) -> ContainerID:
        self._attach()
        return await self._containers.create(sandbox_id, config)

    async def start_container(self, container_id: ContainerID) -> None:
        self._attach()
        await self._containers.start(container_id)

    async def stop_container(self, container_id: ContainerID, timeout: float) -> None:
        self._attach()
        await self._containers.stop(container_id, timeout)

    async def remove_container(self, container_id: ContainerID) -> None:
        self._attach()
        await self._containers.remove(container_id)

    async def list_containers(self) -> tuple[ContainerStatus, ...]:
        self._attach()
        return self._containers.statuses()

    async def wait_for_change(self, timeout: float) -> None:
        self._attach()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        self._changed.clear()

    async def exec_sync(
        self, container_id: ContainerID, command: tuple[str, ...], timeout: float
    ) -> ExecResult:
        session = await self.exec(container_id, command, stdin=False, tty=False)
        return await collect(session, timeout)

    async def exec(
        self, container_id: ContainerID, command: tuple[str, ...], *, stdin: bool, tty: bool
    ) -> EmbeddedExecSession:
        self._attach()
        return await self._containers.exec(container_id, command, stdin=stdin, tty=tty)

    async def attach(self, container_id: ContainerID) -> AttachSession:
        self._attach()
        return self._containers.join_streams(container_id)

    async def connect(self, sandbox_id: SandboxID, port: int) -> int:
        self._attach()
        return await self._sandboxes.connect(sandbox_id, port)

    async def pull_image(self, name: str) -> ImageInfo:
        image = self._images.find(name)
        account = launch.account(image, None, None)
        return ImageInfo(image.name, image.id, image.size, account.uid, image.stop_signal)
