"""The embedded runtime under test, in a directory of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from runtime.contract import SOON, exit_of, pod, status_of

from podpass.base.clock import SystemClock
from podpass.kubelet.images import ImageCatalog
from podpass.kubelet.runtime.embedded import EmbeddedRuntime
from podpass.kubelet.runtime.interface import (
    ContainerConfig,
    ContainerID,
    ContainerStatus,
    Mount,
    RuntimeFailure,
    SandboxConfig,
)
from podpass.kubelet.runtime.support import check_sandbox_support

ROOT = os.geteuid() == 0
_WAIT = (
    "while [ ! -e /control/$HOSTNAME-$NAME ]; do sleep 0.02; done; "
    "exit $(cat /control/$HOSTNAME-$NAME)"
)
_POLITE = f"trap 'exit 0' TERM; echo settled; {_WAIT}"
_DEAF = f"trap '' TERM; echo settled; {_WAIT}"


def why_not() -> str:
    """Return why containers cannot run here, or nothing."""
    try:
        check_sandbox_support()
    except RuntimeFailure as error:
        return str(error)
    return ""


@dataclass
class EmbeddedRig:
    runtime: EmbeddedRuntime
    directory: Path
    _clock: SystemClock = field(default_factory=SystemClock)

    @property
    def images(self) -> ImageCatalog:
        return ImageCatalog(self.directory / "images")

    def container(self, name: str, *mounts: Mount, deaf: bool = False) -> ContainerConfig:
        control = self.directory / "control"
        control.mkdir(exist_ok=True)
        control.chmod(0o755)
        return ContainerConfig(
            name=name,
            attempt=0,
            image="busybox",
            log_path=self.directory / "logs" / name / "0.log",
            command=("sh", "-c", _DEAF if deaf else _POLITE),
            env={"NAME": name},
            mounts=(Mount(control, "/control", read_only=True), *mounts),
        )

    def script(self, script: str, *mounts: Mount, name: str = "main") -> ContainerConfig:
        """Return a container that runs a shell script."""
        config = self.container(name, *mounts)
        return replace(config, command=("sh", "-c", script))

    async def run(
        self, config: ContainerConfig, sandbox: SandboxConfig | None = None
    ) -> ContainerID:
        """Start a container in a pod of its own."""
        sandbox_id = await self.runtime.run_pod_sandbox(sandbox or pod(self.directory))
        container_id = await self.runtime.create_container(sandbox_id, config)
        await self.runtime.start_container(container_id)
        return container_id

    async def result(
        self, config: ContainerConfig, sandbox: SandboxConfig | None = None
    ) -> ContainerStatus:
        """Run a container to its end."""
        return await exit_of(self.runtime, await self.run(config, sandbox))

    async def output(self, config: ContainerConfig, sandbox: SandboxConfig | None = None) -> str:
        """Run a container that must succeed; return what it printed."""
        status = await self.result(config, sandbox)
        text = self.log(config)
        assert status.exit_code == 0, (status, text)
        return text

    def log(self, config: ContainerConfig) -> str:
        """Return the text of a container's log."""
        text = ""
        for line in config.log_path.read_text().splitlines():
            _, _, tag, *rest = line.split(" ", 3)
            text += "".join(rest) + ("\n" if tag == "F" else "")
        return text

    async def logged(self, config: ContainerConfig, text: str) -> None:
        """Return when the log contains `text`."""
        async with asyncio.timeout(SOON):
            while text not in self.log(config):
                await self._clock.sleep(0.01)

    async def settled(self, container_id: ContainerID) -> None:
        status = await status_of(self.runtime, container_id)
        await self.logged(status.config, "settled")

    async def finish(self, container_id: ContainerID, code: int) -> None:
        status = await status_of(self.runtime, container_id)
        sandboxes = {s.id: s for s in await self.runtime.list_pod_sandboxes()}
        hostname = sandboxes[status.sandbox_id].config.hostname
        file = self.directory / "control" / f"{hostname}-{status.config.name}"
        file.with_suffix(".new").write_text(str(code))
        file.with_suffix(".new").rename(file)

    async def reopen(self) -> EmbeddedRuntime:
        await self.runtime.close()
        self.runtime = EmbeddedRuntime(self.directory / "runtime", self.images, self._clock)
        return self.runtime


@contextlib.asynccontextmanager
async def embedded_rig(directory: Path) -> AsyncIterator[EmbeddedRig]:
    """Give a runtime, and remove all that it ran; skips where containers cannot run."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    runtime = EmbeddedRuntime(
        directory / "runtime", ImageCatalog(directory / "images"), SystemClock()
    )
    rig = EmbeddedRig(runtime, directory)
    try:
        yield rig
    finally:
        for sandbox in await rig.runtime.list_pod_sandboxes():
            await rig.runtime.remove_pod_sandbox(sandbox.id)
        await rig.runtime.close()
