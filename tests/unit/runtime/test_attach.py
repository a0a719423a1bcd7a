"""Clients at the streams of a container's own process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from runtime.contract import SOON, exit_of
from runtime.embedded_rig import EmbeddedRig, embedded_rig

from podpass.kubelet.runtime.attach_session import AttachSession
from podpass.kubelet.runtime.interface import ContainerConfig, ContainerGone


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[EmbeddedRig]:
    async with embedded_rig(tmp_path) as made:
        yield made


class Attached:
    """Collects what a client gets."""

    def __init__(self, session: AttachSession) -> None:
        self.session = session
        self.received = {1: b"", 2: b""}
        self._changed = asyncio.Event()
        self.reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for stream, data in self.session.output():
            self.received[stream] += data
            self._changed.set()

    async def until(self, text: bytes, stream: int = 1) -> None:
        async with asyncio.timeout(SOON):
            while text not in self.received[stream]:
                self._changed.clear()
                await self._changed.wait()

    async def end(self) -> None:
        """Wait for the end of the container's streams."""
        async with asyncio.timeout(SOON):
            await self.reading
            assert await self.session.wait() == 0


def interactive(
    rig: EmbeddedRig, script: str, *, once: bool = False, tty: bool = False
) -> ContainerConfig:
    return replace(rig.script(script), stdin=True, stdin_once=once, tty=tty)


async def test_what_a_client_types_reaches_the_container_and_its_answers_everyone(
    rig: EmbeddedRig,
) -> None:
    config = interactive(rig, "while read -r line; do echo $line; echo bad $line >&2; done")
    container_id = await rig.run(config)
    first = Attached(await rig.runtime.attach(container_id))
    second = Attached(await rig.runtime.attach(container_id))
    await first.session.write(b"one\n")
    await first.until(b"one\n")
    await second.until(b"one\n")
    await second.until(b"bad one\n", 2)
    await second.session.close_stdin()
    await second.session.kill()
    await second.end()
    await first.session.write(b"two\n")
    await first.until(b"two\n")
    assert b"two" not in second.received[1]
    await rig.logged(config, "two")
    await rig.runtime.stop_container(container_id, 0)
    await first.end()


async def test_much_input_and_output_arrive_whole(rig: EmbeddedRig) -> None:
    container_id = await rig.run(interactive(rig, "cat; echo; echo end", once=True))
    client = Attached(await rig.runtime.attach(container_id))
    sent = b"0123456789abcde\n" * 200_000
    await client.session.write(sent)
    await client.session.close_stdin()
    await client.end()
    assert client.received[1] == sent + b"\nend\n"


@pytest.mark.parametrize(
    "typed",
    [pytest.param(True, id="after some input"), pytest.param(False, id="with none at all")],
)
async def test_the_first_client_ends_the_input_of_stdin_once(rig: EmbeddedRig, typed: bool) -> None:
    config = interactive(rig, "cat; echo done", once=True)
    container_id = await rig.run(config)
    watcher = Attached(await rig.runtime.attach(container_id))
    await watcher.session.kill()  # it typed nothing, so it ends nothing
    await watcher.end()
    client = await rig.runtime.attach(container_id)
    if typed:
        await client.write(b"hello\n")
        await rig.logged(config, "hello")
        await client.kill()
    else:
        await client.close_stdin()
    assert (await exit_of(rig.runtime, container_id)).exit_code == 0
    await client.kill()
    assert rig.log(config) == ("hello\n" if typed else "") + "done\n"


async def test_a_terminal_has_a_size_and_prompts_and_stays_open(rig: EmbeddedRig) -> None:
    config = interactive(rig, "printf 'name? '; read -r x; stty size; cat", once=True, tty=True)
    container_id = await rig.run(config)
    client = Attached(await rig.runtime.attach(container_id))
    await client.session.resize(77, 33)
    await client.session.write(b"bob\n")
    await client.until(b"33 77\r\n")
    await client.session.close_stdin()
    await client.session.kill()
    again = Attached(await rig.runtime.attach(container_id))
    await again.session.write(b"still here\n")
    await again.until(b"still here\r\n")
    await again.session.write(b"\x04")
    await again.end()
    assert (await exit_of(rig.runtime, container_id)).exit_code == 0


async def test_input_that_nobody_wants_is_dropped_with_its_client(rig: EmbeddedRig) -> None:
    config = rig.container("main")
    container_id = await rig.run(config)
    await rig.settled(container_id)
    client = Attached(await rig.runtime.attach(container_id))
    await client.session.write(b"nobody reads this")
    await client.session.resize(1, 1)
    await rig.finish(container_id, 0)
    await client.end()
    await client.session.write(b"late")


async def test_a_client_that_does_not_read_holds_the_output_until_it_goes(
    rig: EmbeddedRig,
) -> None:
    script = "read -r x; i=0; while [ $i -lt 40000 ]; do echo 0123456789abcdef; i=$((i+1)); done"
    config = interactive(rig, script)
    container_id = await rig.run(config)
    deaf = await rig.runtime.attach(container_id)
    await deaf.write(b"go\n")
    await rig.logged(config, "0123456789abcdef")
    await deaf.kill()
    assert (await exit_of(rig.runtime, container_id)).exit_code == 0
    assert rig.log(config).count("\n") == 40000


async def test_the_next_kubelet_can_attach_too(rig: EmbeddedRig) -> None:
    container_id = await rig.run(interactive(rig, "cat"))
    runtime = await rig.reopen()
    client = Attached(await runtime.attach(container_id))
    await client.session.write(b"hello\n")
    await client.until(b"hello\n")
    await client.session.kill()


async def test_nobody_attaches_to_an_ended_container(rig: EmbeddedRig) -> None:
    container_id = await rig.run(rig.script("true"))
    await exit_of(rig.runtime, container_id)
    with pytest.raises(ContainerGone, match="does not run"):
        await rig.runtime.attach(container_id)


async def test_a_log_is_rotated_where_the_container_writes_it(rig: EmbeddedRig) -> None:
    script = "i=0; while [ $i -lt 40000 ]; do echo line $i; i=$((i+1)); done"
    config = replace(rig.script(script), log_bytes=4096, log_files=3)
    assert (await rig.result(config)).exit_code == 0
    names = sorted(one.name for one in config.log_path.parent.iterdir())
    assert names == ["0.log", "0.log.1", "0.log.2"]
    newest_first = [config.log_path, *(Path(f"{config.log_path}.{n}") for n in (1, 2))]
    lines = [
        int(line.rsplit(" ", 1)[1])
        for path in reversed(newest_first)
        for line in path.read_text().splitlines()
    ]
    assert lines == list(range(lines[0], 40000))
