"""Containers outlive the kubelet, and nothing of them is lost while it is away."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from runtime.contract import SOON, exit_of, sandbox_of, status_of
from runtime.embedded_rig import EmbeddedRig, embedded_rig

from podpass.kubelet.runtime.interface import ContainerID, ContainerState, SandboxState
from podpass.kubelet.runtime.process_watch import wait_readable

_KUBELET = """
import asyncio, sys
from pathlib import Path
from podpass.base.clock import SystemClock
from podpass.kubelet.images import ImageCatalog
from podpass.kubelet.runtime.embedded import EmbeddedRuntime
from podpass.kubelet.runtime.interface import ContainerConfig, SandboxConfig

async def main(directory):
    runtime = EmbeddedRuntime(directory / "runtime", ImageCatalog(directory), SystemClock())
    sandbox_id = await runtime.run_pod_sandbox(SandboxConfig(
        "default", "pod", "uid", 0, "pod", False, directory / "logs"))
    container_id = await runtime.create_container(sandbox_id, ContainerConfig(
        "main", 0, "busybox", directory / "main.log",
        command=("sh", "-c", "trap 'echo bye; exit 17' TERM; echo up; "
                 "while :; do sleep .02; done")))
    await runtime.start_container(container_id)
    print(container_id, flush=True)
    await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[EmbeddedRig]:
    async with embedded_rig(tmp_path) as made:
        yield made


def shim_of(rig: EmbeddedRig, container_id: ContainerID) -> int:
    path = rig.directory / "runtime/containers" / container_id / "state.json"
    pid = json.loads(path.read_text())["shim_pid"]
    assert isinstance(pid, int)
    return pid


async def ended(pid: int) -> None:
    """Wait until a process that is not our child has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        await asyncio.wait_for(wait_readable(descriptor), SOON)
    finally:
        os.close(descriptor)


async def test_a_killed_kubelet_takes_nothing_along(rig: EmbeddedRig) -> None:
    with subprocess.Popen(  # noqa: ASYNC220 - it stands for another kubelet
        [sys.executable, "-c", _KUBELET, str(rig.directory)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as kubelet:
        assert kubelet.stdout is not None
        container_id = ContainerID(kubelet.stdout.readline().decode().strip())
        os.killpg(kubelet.pid, signal.SIGKILL)
    runtime = await rig.reopen()
    status = await status_of(runtime, container_id)
    assert status.state is ContainerState.RUNNING
    log = rig.directory / "main.log"
    async with asyncio.timeout(SOON):
        while b"up" not in log.read_bytes():
            await runtime.wait_for_change(0.01)
    result = await runtime.exec_sync(container_id, ("cat", "/proc/1/comm"), SOON)
    assert result.stdout == b"sh\n"
    await runtime.stop_container(container_id, SOON)
    status = await status_of(runtime, container_id)
    assert (status.exit_code, status.reason) == (17, "Error")
    assert log.read_text().splitlines()[-1].endswith(" stdout F bye")


async def test_an_end_while_no_kubelet_was_there_is_known_later(rig: EmbeddedRig) -> None:
    container_id = await rig.run(rig.container("main"))
    shim = shim_of(rig, container_id)
    await rig.runtime.close()
    await rig.finish(container_id, 5)
    await ended(shim)
    runtime = await rig.reopen()
    status = await status_of(runtime, container_id)
    assert (status.state, status.exit_code) == (ContainerState.EXITED, 5)


async def test_a_container_dies_with_its_shim_and_that_is_told(rig: EmbeddedRig) -> None:
    container_id = await rig.run(rig.container("main"))
    pid = (await status_of(rig.runtime, container_id)).pid
    assert pid is not None
    os.kill(shim_of(rig, container_id), signal.SIGKILL)
    status = await exit_of(rig.runtime, container_id)
    assert (status.exit_code, status.reason) == (137, "Error")
    assert "shim" in status.message
    await ended(pid)


async def test_a_container_lost_while_no_kubelet_was_there_is_told(rig: EmbeddedRig) -> None:
    container_id = await rig.run(rig.container("main"))
    shim = shim_of(rig, container_id)
    await rig.runtime.close()
    os.kill(shim, signal.SIGKILL)
    runtime = await rig.reopen()
    assert (await exit_of(runtime, container_id)).exit_code == 137


async def test_after_another_boot_nothing_runs(rig: EmbeddedRig) -> None:
    container_id = await rig.run(rig.container("main"))
    before = await status_of(rig.runtime, container_id)
    shim = shim_of(rig, container_id)
    record = rig.directory / "runtime/sandboxes" / before.sandbox_id / "state.json"
    holder = json.loads(record.read_text())["pid"]
    (rig.directory / "runtime" / "boot").write_text("another")
    runtime = await rig.reopen()
    after = await status_of(runtime, container_id)
    assert (after.state, after.exit_code) == (ContainerState.EXITED, 137)
    sandbox = await sandbox_of(runtime, before.sandbox_id)
    assert sandbox.state is SandboxState.NOT_READY
    os.kill(before.pid or 0, signal.SIGKILL)  # what a real boot would have done
    os.kill(holder, signal.SIGKILL)
    await ended(shim)


async def test_half_made_directories_are_removed(rig: EmbeddedRig) -> None:
    containers = rig.directory / "runtime" / "containers"
    (containers / "broken").mkdir()
    (containers / "broken" / "config.json").write_text("{")
    (rig.directory / "runtime" / "sandboxes" / "empty").mkdir()
    runtime = await rig.reopen()
    assert await runtime.list_containers() == ()
    assert await runtime.list_pod_sandboxes() == ()
    assert list(containers.iterdir()) == []


async def test_a_shim_is_small(rig: EmbeddedRig) -> None:
    container_id = await rig.run(rig.container("main"))
    text = Path(f"/proc/{shim_of(rig, container_id)}/smaps_rollup").read_text()
    sizes = dict(line.split()[:2] for line in text.splitlines()[1:])
    assert int(sizes["Private_Dirty:"]) < 6 * 1024
