"""Commands in running containers: input, terminal, time limit, end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from runtime.contract import SOON
from runtime.embedded_rig import EmbeddedRig, embedded_rig

from podpass.kubelet.runtime.interface import ExecSession


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[EmbeddedRig]:
    async with embedded_rig(tmp_path) as made:
        yield made


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def everything(session: ExecSession) -> bytes:
    return b"".join([data async for _, data in session.output()])


async def test_input_reaches_the_command_and_its_end_too(rig: EmbeddedRig) -> None:
    container_id = await rig.run(rig.container("main"))
    session = await rig.runtime.exec(container_id, ("cat",), stdin=True, tty=False)
    reading = asyncio.create_task(everything(session))
    data = os.urandom(300_000)
    await session.write(data)
    await session.close_stdin()
    assert await asyncio.wait_for(reading, SOON) == data
    assert await session.wait() == 0
    await session.write(b"too late")
    await session.close_stdin()


async def test_without_input_the_command_reads_nothing(rig: EmbeddedRig) -> None:
    container_id = await rig.run(rig.container("main"))
    result = await rig.runtime.exec_sync(container_id, ("sh", "-c", "cat; exit 5"), SOON)
    assert (result.exit_code, result.stdout) == (5, b"")


async def test_both_streams_are_told_apart(rig: EmbeddedRig) -> None:
    container_id = await rig.run(rig.container("main"))
    result = await rig.runtime.exec_sync(container_id, ("sh", "-c", "echo a; echo b >&2"), SOON)
    assert (result.stdout, result.stderr) == (b"a\n", b"b\n")


async def test_a_terminal_has_a_size_and_echoes(rig: EmbeddedRig) -> None:
    container_id = await rig.run(rig.container("main"))
    script = "read x; stty size; tty; echo $TERM; exit 9"
    session = await rig.runtime.exec(container_id, ("sh", "-c", script), stdin=True, tty=True)
    await session.resize(132, 43)
    await session.write(b"go\n")
    text = (await asyncio.wait_for(everything(session), SOON)).decode()
    assert text.split() == ["go", "43", "132", "/dev/pts/0", "xterm"]
    assert await session.wait() == 9


async def test_a_terminals_input_ends_with_end_of_transmission(rig: EmbeddedRig) -> None:
    container_id = await rig.run(rig.container("main"))
    session = await rig.runtime.exec(container_id, ("cat",), stdin=True, tty=True)
    await session.close_stdin()
    assert await asyncio.wait_for(session.wait(), SOON) == 0
    await session.kill()


async def test_a_command_that_takes_too_long_is_killed(rig: EmbeddedRig) -> None:
    container_id = await rig.run(rig.container("main"))
    with pytest.raises(TimeoutError):
        await rig.runtime.exec_sync(container_id, ("sh", "-c", "yes >/dev/null; true"), 0.3)
    script = "cat /proc/[0-9]*/comm"
    result = await rig.runtime.exec_sync(container_id, ("sh", "-c", script), SOON)
    assert b"yes" not in result.stdout.split()


async def test_a_killed_command_ends_with_137(rig: EmbeddedRig) -> None:
    container_id = await rig.run(rig.container("main"))
    session = await rig.runtime.exec(container_id, ("sleep", "99"), stdin=False, tty=False)
    await session.kill()
    assert await session.wait() == 137


async def test_a_command_dies_with_its_container(rig: EmbeddedRig) -> None:
    container_id = await rig.run(rig.container("main"))
    await rig.settled(container_id)
    session = await rig.runtime.exec(
        container_id, ("sh", "-c", "echo up; sleep 99"), stdin=False, tty=False
    )
    output = session.output()
    assert await anext(output) == (1, b"up\n")
    await rig.runtime.stop_container(container_id, SOON)
    assert await asyncio.wait_for(session.wait(), SOON) == 137
    await session.kill()


async def test_a_child_that_keeps_the_output_open_is_not_waited_for(rig: EmbeddedRig) -> None:
    container_id = await rig.run(rig.container("main"))
    result = await asyncio.wait_for(
        rig.runtime.exec_sync(container_id, ("sh", "-c", "echo a; sleep 99 &"), SOON), SOON
    )
    assert (result.exit_code, result.stdout) == (0, b"a\n")


async def test_many_commands_at_once_leave_nothing_open(rig: EmbeddedRig) -> None:
    container_id = await rig.run(rig.container("main"))
    await rig.runtime.exec_sync(container_id, ("true",), SOON)
    before = open_descriptors()
    commands = [rig.runtime.exec_sync(container_id, ("echo", str(n)), SOON) for n in range(10)]
    results = await asyncio.gather(*commands)
    assert [int(result.stdout) for result in results] == list(range(10))
    assert open_descriptors() == before
