"""The fake keeps the contract, and does what tests tell it."""

from __future__ import annotations

import signal
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest
from runtime.contract import RuntimeContract, pod, sandbox_of, status_of

from podpass.kubelet.runtime.interface import (
    ContainerConfig,
    ContainerGone,
    ContainerID,
    ContainerState,
    ExecResult,
    Mount,
    Runtime,
    RuntimeFailure,
    SandboxState,
)
from podpass.testing.fake_runtime import FakeRuntime


@dataclass
class FakeRig:
    runtime: FakeRuntime
    directory: Path

    def container(self, name: str, *mounts: Mount, deaf: bool = False) -> ContainerConfig:
        if deaf:
            self.runtime.ignores_stop_signal.add(name)
        return ContainerConfig(
            name=name,
            attempt=0,
            image="busybox",
            log_path=self.directory / "logs" / name / "0.log",
            mounts=mounts,
        )

    async def finish(self, container_id: ContainerID, code: int) -> None:
        self.runtime.exit_container(container_id, code)

    async def settled(self, container_id: ContainerID) -> None:
        del container_id

    async def reopen(self) -> Runtime:
        return self.runtime


@pytest.fixture
def rig(tmp_path: Path) -> FakeRig:
    return FakeRig(FakeRuntime(), tmp_path)


class TestFakeRuntime(RuntimeContract):
    """The contract, kept by the fake."""


async def test_a_start_can_be_made_to_fail(rig: FakeRig) -> None:
    sandbox_id = await rig.runtime.run_pod_sandbox(pod(rig.directory))
    for refused in (False, True):
        container_id = await rig.runtime.create_container(sandbox_id, rig.container("main"))
        rig.runtime.fail_next_start("main", "no such program", refused=refused)
        if refused:
            with pytest.raises(RuntimeFailure, match="no such program"):
                await rig.runtime.start_container(container_id)
        else:
            await rig.runtime.start_container(container_id)
        status = await status_of(rig.runtime, container_id)
        assert (status.state, status.exit_code) == (ContainerState.EXITED, 128)
        assert (status.reason, status.message) == ("StartError", "no such program")


async def test_an_operation_can_be_refused(rig: FakeRig) -> None:
    rig.runtime.refuse["run_pod_sandbox"] = "no space left on device"
    with pytest.raises(RuntimeFailure, match="no space left"):
        await rig.runtime.run_pod_sandbox(pod(rig.directory))
    assert rig.runtime.calls == []


async def test_a_sandbox_can_be_broken(rig: FakeRig) -> None:
    sandbox_id = await rig.runtime.run_pod_sandbox(pod(rig.directory))
    container_id = await rig.runtime.create_container(sandbox_id, rig.container("main"))
    await rig.runtime.start_container(container_id)
    rig.runtime.break_sandbox(sandbox_id)
    assert (await sandbox_of(rig.runtime, sandbox_id)).state is SandboxState.NOT_READY
    assert rig.runtime.container("main").exit_code == 128 + signal.SIGKILL


async def test_commands_can_be_answered_by_the_test(rig: FakeRig) -> None:
    def answer(config: ContainerConfig, command: tuple[str, ...]) -> ExecResult:
        return ExecResult(4, f"{config.name} {command[0]}".encode(), b"!")

    rig.runtime.on_exec = answer
    sandbox_id = await rig.runtime.run_pod_sandbox(pod(rig.directory))
    container_id = await rig.runtime.create_container(sandbox_id, rig.container("main"))
    await rig.runtime.start_container(container_id)
    session = await rig.runtime.exec(container_id, ("ps",), stdin=True, tty=True)
    await session.write(b"in")
    await session.resize(80, 24)
    await session.close_stdin()
    assert [chunk async for chunk in session.output()] == [(1, b"main ps!")]
    assert await session.wait() == 4
    seen = rig.runtime.sessions[0]
    assert (bytes(seen.written), seen.size, seen.stdin_closed) == (b"in", (80, 24), True)


async def test_a_port_can_be_served_by_the_test(rig: FakeRig) -> None:
    sandbox_id = await rig.runtime.run_pod_sandbox(pod(rig.directory))
    with socket.create_server(("127.0.0.1", 0)) as server:
        rig.runtime.listen("pod", 80, server.getsockname()[1])
        with socket.socket(fileno=await rig.runtime.connect(sandbox_id, 80)) as client:
            assert client.getpeername() == server.getsockname()


def test_there_is_nothing_to_exit_before_a_start(rig: FakeRig) -> None:
    with pytest.raises(ContainerGone):
        rig.runtime.exit_container("main")
    with pytest.raises(ContainerGone):
        rig.runtime.container("main")


async def test_an_image_comes_and_goes(rig: FakeRig) -> None:
    rig.runtime.add_image("mine", user=101)
    assert (await rig.runtime.pull_image("mine")).user == 101
    rig.runtime.remove_image("mine")
    with pytest.raises(RuntimeFailure):
        await rig.runtime.pull_image("mine")
