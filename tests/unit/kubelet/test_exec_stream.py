"""`kubelet.exec_stream`: the channels of a command, and its end on either side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import orjson
import pytest
from aiohttp import web

from podpass.kubelet import exec_stream


class Echo:
    """A command that prints what it reads, until its input ends."""

    def __init__(self, exit_code: int = 0) -> None:
        self.exit_code = exit_code
        self.size: tuple[int, int] | None = None
        self.killed = asyncio.Event()
        self.refuses = False
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        while (line := await self._lines.get()) is not None:
            yield 1, line
        yield 2, b"bye"

    async def write(self, data: bytes) -> None:
        await self._lines.put(data)

    async def close_stdin(self) -> None:
        await self._lines.put(None)

    async def resize(self, width: int, height: int) -> None:
        self.size = (width, height)

    async def wait(self) -> int:
        return self.exit_code

    async def kill(self) -> None:
        self.killed.set()


@asynccontextmanager
async def connected(command: Echo) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Serve the command and connect to it."""

    async def handle(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=exec_stream.PROTOCOLS)
        await socket.prepare(request)
        if command.refuses:
            await exec_stream.refuse(socket, "no such program")
        else:
            await exec_stream.serve(socket, command)
        return socket

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, protocols=["v5.channel.k8s.io"]) as socket,
        ):
            yield socket
    finally:
        await runner.cleanup()


async def rest_of(socket: aiohttp.ClientWebSocketResponse) -> list[bytes]:
    return [message.data async for message in socket]


async def test_input_comes_back_as_output_and_the_end_is_a_status() -> None:
    command = Echo()
    async with connected(command) as socket:
        assert socket.protocol == "v5.channel.k8s.io"
        await socket.send_bytes(b"\x00hello")
        assert (await socket.receive()).data == b"\x01hello"
        await socket.send_bytes(b"\x00")  # an empty message says nothing
        await socket.send_str("\x00text is as good")
        assert (await socket.receive()).data == b"\x01text is as good"
        await socket.send_bytes(b"\xff\x00")
        assert await rest_of(socket) == [b"\x02bye", b'\x03{"metadata":{},"status":"Success"}']
        assert socket.close_code == 1000
    assert not command.killed.is_set()


async def test_an_exit_code_is_a_cause() -> None:
    async with connected(Echo(exit_code=3)) as socket:
        await socket.send_bytes(b"\xff\x00")
        *_, last = await rest_of(socket)
    status = orjson.loads(last[1:])
    assert (status["status"], status["reason"]) == ("Failure", "NonZeroExitCode")
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


@pytest.mark.parametrize(
    ("message", "size"),
    [
        pytest.param(b'{"Width": 80, "Height": 24}', (80, 24), id="a size"),
        pytest.param(b'{"Width": 80}', None, id="half a size"),
        pytest.param(b"wide", None, id="no JSON"),
        pytest.param(b"[]", None, id="no object"),
    ],
)
async def test_the_terminal_has_the_size_of_the_clients(
    message: bytes, size: tuple[int, int] | None
) -> None:
    command = Echo()
    async with connected(command) as socket:
        await socket.send_bytes(b"\x04" + message)
        await socket.send_bytes(b"\xff\x00")
        await rest_of(socket)
    assert command.size == size


async def test_a_client_that_goes_ends_the_command() -> None:
    command = Echo()
    async with connected(command) as socket:
        await socket.close()
        await asyncio.wait_for(command.killed.wait(), 5)


async def test_a_command_that_cannot_be_started_says_why() -> None:
    command = Echo()
    command.refuses = True
    async with connected(command) as socket:
        (message,) = await rest_of(socket)
    assert message[0] == 3
    assert orjson.loads(message[1:])["message"] == "no such program"
