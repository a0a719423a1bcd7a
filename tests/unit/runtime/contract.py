"""What every Runtime must do; the test class of a runtime inherits it.

The class provides the fixture `rig`: a runtime, and the means to end a container from inside.
"""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Protocol

import pytest

from podpass.kubelet.runtime.interface import (
    ContainerConfig,
    ContainerGone,
    ContainerID,
    ContainerState,
    ContainerStatus,
    ImageNotFound,
    Mount,
    Runtime,
    RuntimeFailure,
    SandboxConfig,
    SandboxID,
    SandboxState,
    SandboxStatus,
)

SOON = 30.0
"""Seconds within which anything must have happened."""


class Rig(Protocol):
    """A runtime under test."""

    runtime: Runtime
    directory: Path

    def container(self, name: str, *mounts: Mount, deaf: bool = False) -> ContainerConfig:
        """Return a container that runs until `finish`; a deaf one ignores the stop signal."""
        ...

    async def finish(self, container_id: ContainerID, code: int) -> None:
        """Let a running container exit by itself."""
        ...

    async def settled(self, container_id: ContainerID) -> None:
        """Return when a started container is ready for signals."""
        ...

    async def reopen(self) -> Runtime:
        """Return the runtime as the next kubelet finds it."""
        ...


def pod(directory: Path, name: str = "pod") -> SandboxConfig:
    """Return a pod with a network of its own."""
    return SandboxConfig(
        namespace="default",
        name=name,
        uid=f"uid-{name}",
        attempt=0,
        hostname=name,
        host_network=False,
        log_directory=directory / "logs",
        pod_ip="10.88.0.7",
        hosts={"10.1.2.3": ("db", "db.example")},
        annotations={"a": "b"},
    )


async def sandbox_of(runtime: Runtime, sandbox_id: SandboxID) -> SandboxStatus:
    """Return the status of a sandbox."""
    return next(s for s in await runtime.list_pod_sandboxes() if s.id == sandbox_id)


async def status_of(runtime: Runtime, container_id: ContainerID) -> ContainerStatus:
    """Return the status of a container."""
    return next(s for s in await runtime.list_containers() if s.id == container_id)


async def exit_of(runtime: Runtime, container_id: ContainerID) -> ContainerStatus:
    """Wait for the end of a container."""
    async with asyncio.timeout(SOON):
        while True:
            status = await status_of(runtime, container_id)
            if status.state is ContainerState.EXITED:
                return status
            await runtime.wait_for_change(1)


class RuntimeContract:
    """The promises of `kubelet.runtime.interface`."""

    async def start(self, rig: Rig, *mounts: Mount, deaf: bool = False) -> ContainerID:
        sandbox_id = await rig.runtime.run_pod_sandbox(pod(rig.directory))
        config = rig.container("main", *mounts, deaf=deaf)
        container_id = await rig.runtime.create_container(sandbox_id, config)
        await rig.runtime.start_container(container_id)
        await rig.settled(container_id)
        return container_id

    async def test_a_sandbox_is_listed_until_it_is_removed(self, rig: Rig) -> None:
        config = pod(rig.directory)
        sandbox_id = await rig.runtime.run_pod_sandbox(config)
        status = await sandbox_of(rig.runtime, sandbox_id)
        assert (status.config, status.state) == (config, SandboxState.READY)
        assert status.created_at.tzinfo is not None

        await rig.runtime.stop_pod_sandbox(sandbox_id)
        await rig.runtime.stop_pod_sandbox(sandbox_id)
        status = await sandbox_of(rig.runtime, sandbox_id)
        assert status.state is SandboxState.NOT_READY

        await rig.runtime.remove_pod_sandbox(sandbox_id)
        await rig.runtime.remove_pod_sandbox(sandbox_id)
        assert await rig.runtime.list_pod_sandboxes() == ()

    @pytest.mark.parametrize(
        ("code", "reason"),
        [
            pytest.param(0, "Completed", id="zero is completed"),
            pytest.param(7, "Error", id="everything else is an error"),
        ],
    )
    async def test_a_container_is_created_runs_and_exits(
        self, rig: Rig, code: int, reason: str
    ) -> None:
        sandbox_id = await rig.runtime.run_pod_sandbox(pod(rig.directory))
        config = rig.container("main")
        container_id = await rig.runtime.create_container(sandbox_id, config)
        created = await status_of(rig.runtime, container_id)
        assert (created.state, created.pid) == (ContainerState.CREATED, None)
        assert (created.config, created.sandbox_id) == (config, sandbox_id)
        assert created.image_id.startswith("sha256:")

        await rig.runtime.start_container(container_id)
        running = await status_of(rig.runtime, container_id)
        assert running.state is ContainerState.RUNNING
        assert running.started_at is not None
        assert running.pid is not None

        await rig.settled(container_id)
        await rig.finish(container_id, code)
        exited = await exit_of(rig.runtime, container_id)
        assert (exited.exit_code, exited.reason, exited.pid) == (code, reason, None)
        assert exited.finished_at is not None
        assert exited.finished_at >= running.started_at

    async def test_an_unknown_image_says_what_to_do(self, rig: Rig) -> None:
        sandbox_id = await rig.runtime.run_pod_sandbox(pod(rig.directory))
        config = dataclasses.replace(rig.container("main"), image="registry.example/x/nginx")
        with pytest.raises(ImageNotFound, match="podpass image add registry"):
            await rig.runtime.create_container(sandbox_id, config)
        with pytest.raises(ImageNotFound, match="podpass image add"):
            await rig.runtime.pull_image("registry.example/x/nginx")
        assert await rig.runtime.list_containers() == ()

    async def test_an_image_is_the_same_under_all_its_names(self, rig: Rig) -> None:
        names = ("nginx", "nginx:1.25", "docker.io/library/nginx:latest")
        images = [await rig.runtime.pull_image(name) for name in names]
        assert images == [images[0]] * 3
        assert images[0].name == "nginx"

    async def test_a_missing_mount_source_is_refused(self, rig: Rig) -> None:
        sandbox_id = await rig.runtime.run_pod_sandbox(pod(rig.directory))
        config = rig.container("main", Mount(rig.directory / "nothing", "/data"))
        with pytest.raises(RuntimeFailure, match="nothing"):
            await rig.runtime.create_container(sandbox_id, config)
        assert await rig.runtime.list_containers() == ()

    async def test_a_stopped_sandbox_takes_no_containers(self, rig: Rig) -> None:
        sandbox_id = await rig.runtime.run_pod_sandbox(pod(rig.directory))
        await rig.runtime.stop_pod_sandbox(sandbox_id)
        with pytest.raises(ContainerGone):
            await rig.runtime.create_container(sandbox_id, rig.container("main"))

    async def test_a_container_starts_only_once(self, rig: Rig) -> None:
        container_id = await self.start(rig)
        with pytest.raises(RuntimeFailure, match="started before"):
            await rig.runtime.start_container(container_id)

    async def test_stop_asks_and_the_container_ends(self, rig: Rig) -> None:
        container_id = await self.start(rig)
        await rig.runtime.stop_container(container_id, SOON)
        status = await status_of(rig.runtime, container_id)
        assert (status.state, status.exit_code) == (ContainerState.EXITED, 0)
        await rig.runtime.stop_container(container_id, SOON)

    async def test_stop_kills_when_asking_does_not_help(self, rig: Rig) -> None:
        container_id = await self.start(rig, deaf=True)
        await rig.runtime.stop_container(container_id, 0.2)
        status = await status_of(rig.runtime, container_id)
        assert (status.state, status.exit_code) == (ContainerState.EXITED, 137)
        assert status.reason == "Error"

    async def test_stop_of_an_unknown_container_is_refused(self, rig: Rig) -> None:
        with pytest.raises(ContainerGone):
            await rig.runtime.stop_container(ContainerID("nobody"), 1)

    async def test_a_stopped_sandbox_takes_its_containers_along(self, rig: Rig) -> None:
        container_id = await self.start(rig)
        sandbox_id = (await status_of(rig.runtime, container_id)).sandbox_id
        await rig.runtime.stop_pod_sandbox(sandbox_id)
        status = await status_of(rig.runtime, container_id)
        assert (status.state, status.exit_code) == (ContainerState.EXITED, 137)
        await rig.runtime.remove_pod_sandbox(sandbox_id)
        assert await rig.runtime.list_containers() == ()

    async def test_only_an_ended_container_is_removed(self, rig: Rig) -> None:
        container_id = await self.start(rig)
        with pytest.raises(RuntimeFailure, match="still runs"):
            await rig.runtime.remove_container(container_id)
        await rig.finish(container_id, 0)
        await exit_of(rig.runtime, container_id)
        await rig.runtime.remove_container(container_id)
        await rig.runtime.remove_container(container_id)
        assert await rig.runtime.list_containers() == ()

    async def test_an_end_wakes_who_waits_for_a_change(self, rig: Rig) -> None:
        container_id = await self.start(rig)
        await rig.runtime.wait_for_change(0)
        waiting = asyncio.create_task(rig.runtime.wait_for_change(60))
        await rig.finish(container_id, 3)
        await asyncio.wait_for(waiting, SOON)
        assert (await exit_of(rig.runtime, container_id)).exit_code == 3

    async def test_without_a_change_the_wait_ends_by_itself(self, rig: Rig) -> None:
        await rig.runtime.wait_for_change(0)
        await asyncio.wait_for(rig.runtime.wait_for_change(0.05), SOON)

    async def test_a_volume_shows_its_next_content_to_the_running_container(self, rig: Rig) -> None:
        volume = rig.directory / "volume"
        (volume / "..first").mkdir(parents=True)
        (volume / "..first" / "token").write_text("one")
        (volume / "..data").symlink_to("..first")
        (volume / "token").symlink_to("..data/token")
        container_id = await self.start(rig, Mount(volume, "/var/tokens", read_only=True))
        read = ("cat", "/var/tokens/token")
        assert (await rig.runtime.exec_sync(container_id, read, SOON)).stdout == b"one"

        (volume / "..second").mkdir()
        (volume / "..second" / "token").write_text("two")
        (volume / "..data_tmp").symlink_to("..second")
        (volume / "..data_tmp").rename(volume / "..data")
        assert (await rig.runtime.exec_sync(container_id, read, SOON)).stdout == b"two"

    @pytest.mark.parametrize(
        ("command", "code"),
        [
            pytest.param(("true",), 0, id="success"),
            pytest.param(("false",), 1, id="failure"),
            pytest.param(("no-such-program",), 127, id="a program that is not there"),
        ],
    )
    async def test_exec_returns_the_exit_code(
        self, rig: Rig, command: tuple[str, ...], code: int
    ) -> None:
        container_id = await self.start(rig)
        result = await rig.runtime.exec_sync(container_id, command, SOON)
        assert result.exit_code == code
        assert (b"executable file not found" in result.stderr) is (code == 127)

    async def test_an_exec_session_streams_what_the_command_prints(self, rig: Rig) -> None:
        container_id = await self.start(rig)
        command = ("echo", "hello", "there")
        session = await rig.runtime.exec(container_id, command, stdin=False, tty=False)
        chunks = [chunk async for chunk in session.output()]
        assert b"".join(data for stream, data in chunks if stream == 1) == b"hello there\n"
        assert await session.wait() == 0

    async def test_nothing_runs_in_an_ended_container(self, rig: Rig) -> None:
        container_id = await self.start(rig)
        await rig.finish(container_id, 0)
        await exit_of(rig.runtime, container_id)
        with pytest.raises(ContainerGone):
            await rig.runtime.exec_sync(container_id, ("true",), SOON)
        with pytest.raises(ContainerGone):
            await rig.runtime.attach(container_id)

    async def test_a_port_nobody_listens_on_refuses(self, rig: Rig) -> None:
        sandbox_id = await rig.runtime.run_pod_sandbox(pod(rig.directory))
        with pytest.raises(ConnectionError):
            await rig.runtime.connect(sandbox_id, 8099)
        await rig.runtime.stop_pod_sandbox(sandbox_id)
        with pytest.raises(ContainerGone):
            await rig.runtime.connect(sandbox_id, 8099)

    async def test_the_next_kubelet_finds_everything_again(self, rig: Rig) -> None:
        container_id = await self.start(rig)
        before = await status_of(rig.runtime, container_id)
        sandbox = await sandbox_of(rig.runtime, before.sandbox_id)
        runtime = await rig.reopen()
        assert await status_of(runtime, container_id) == before
        assert await sandbox_of(runtime, before.sandbox_id) == sandbox
        result = await runtime.exec_sync(container_id, ("true",), SOON)
        assert result.exit_code == 0
        await runtime.stop_container(container_id, SOON)
        assert (await status_of(runtime, container_id)).exit_code == 0
