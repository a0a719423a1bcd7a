"""Commands over SPDY, as clients start them that know no websockets."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from podpass.kubelet import spdy_exec
from podpass.kubelet.runtime.interface import ContainerGone, ExecResult, ExecSession
from podpass.testing.fake_clock import until
from podpass.testing.fake_runtime import FakeExecSession
from podpass.testing.spdy_client import SpdyClient


class Endless(FakeExecSession):
    """A command that ends with its input."""

    def __init__(self) -> None:
        super().__init__(ExecResult(9, b"", b""))
        self.end = asyncio.Event()

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        yield 1, b"ready"
        await self.end.wait()
        yield 1, bytes(self.written)

    async def close_stdin(self) -> None:
        await super().close_stdin()
        self.end.set()


@dataclass
class Served:
    """A server with one command."""

    session: FakeExecSession | None = None
    wanted: set[str] = field(default_factory=lambda: {"stdout", "stderr"})
    url: str = ""

    async def start(self) -> ExecSession:
        if self.session is None:
            raise ContainerGone("container c does not run")
        return self.session

    async def handle(self, request: web.Request) -> web.StreamResponse:
        websocket = web.WebSocketResponse(protocols=(spdy_exec.TUNNEL,))
        await websocket.prepare(request)
        await spdy_exec.serve(websocket, self.wanted, self.start)
        return websocket

    @contextlib.asynccontextmanager
    async def client(self, *kinds: str) -> AsyncIterator[tuple[SpdyClient, dict[str, int]]]:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(self.url, protocols=[spdy_exec.TUNNEL]) as websocket,
        ):
            client = SpdyClient(websocket.send_bytes)

            async def receive() -> None:
                async for message in websocket:
                    client.feed(message.data)

            receiving = asyncio.create_task(receive())
            streams = {kind: await client.open(streamType=kind) for kind in kinds}
            yield client, streams
            receiving.cancel()


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    one = Served()
    app = web.Application()
    app.router.add_get("/", one.handle)
    async with TestServer(app) as server:
        one.url = str(server.make_url("/"))
        yield one


@pytest.mark.parametrize("code", [0, 3])
async def test_output_and_exit_code_reach_the_client(served: Served, code: int) -> None:
    served.session = FakeExecSession(ExecResult(code, b"out", b"err"))
    async with served.client("error", "stdout", "stderr") as (client, streams):
        await client.until(lambda: streams["error"] in client.ended)
        received = {kind: client.received[number] for kind, number in streams.items()}
    status = orjson.loads(received["error"])
    assert (received["stdout"], received["stderr"]) == (b"out", b"err")
    assert status["status"] == ("Failure" if code else "Success")
    if code:
        assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


async def test_input_its_end_and_sizes_reach_the_command(served: Served) -> None:
    session = served.session = Endless()
    served.wanted = {"stdin", "stdout", "resize"}
    async with served.client("error", "stdin", "stdout", "resize") as (client, streams):
        await client.until(lambda: client.received[streams["stdout"]] == b"ready")
        await client.write(streams["resize"], b'{"Width":80,"Height":24}{"Wid')
        await until(lambda: session.size == (80, 24))
        await client.write(streams["resize"], b'th":132,"Height":50}\nnonsense}')
        await until(lambda: session.size == (132, 50))
        await client.write(streams["stdin"], b"typed", fin=True)
        await client.until(lambda: streams["error"] in client.ended)
        assert client.received[streams["stdout"]] == b"readytyped"
    assert session.stdin_closed
    assert not session.killed


async def test_the_command_starts_when_all_streams_are_there(served: Served) -> None:
    served.session = FakeExecSession(ExecResult(0, b"out", b""))
    async with served.client("error", "stdout") as (client, streams):
        again = await client.open(streamType="stdout")
        unwanted = await client.open(streamType="stdin")
        await client.until(lambda: {again, unwanted} <= client.reset)
        assert streams["error"] not in client.ended
        await client.open(streamType="stderr")
        await client.until(lambda: streams["error"] in client.ended)


async def test_a_command_that_cannot_start_says_why(served: Served) -> None:
    async with served.client("error", "stdout", "stderr") as (client, streams):
        await client.until(lambda: streams["error"] in client.ended)
        status = orjson.loads(client.received[streams["error"]])
    assert (status["status"], status["message"]) == ("Failure", "container c does not run")


async def test_a_client_that_goes_away_ends_the_command(served: Served) -> None:
    session = served.session = Endless()
    async with served.client("error", "stdout", "stderr") as (client, streams):
        await client.until(lambda: client.received[streams["stdout"]] == b"ready")
    await until(lambda: session.killed)
