"""Ports of a pod over a websocket, as kubectl and as other clients do it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from podpass.api.errors import StatusError
from podpass.kubelet import port_forward
from podpass.kubelet.port_forward import CHANNELS, TUNNEL, ForwardedPod, read_ports
from podpass.kubelet.runtime.interface import ContainerGone
from podpass.testing.fake_clock import FakeClock, until
from podpass.testing.spdy_client import SpdyClient


@dataclass
class Forwarding:
    """A pod with an echo at port 80, and what forwards to it."""

    clock: FakeClock
    echo_port: int = 0
    dialled: list[int] = field(default_factory=list)
    url: str = ""

    async def connect(self, port: int) -> int:
        self.dialled.append(port)
        if port == 81:
            raise ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 81)")
        if port == 82:
            raise ContainerGone("the pod sandbox does not answer")
        made = socket.socket()
        made.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(made, ("127.0.0.1", self.echo_port))
        return made.detach()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        made = web.WebSocketResponse(protocols=port_forward.PROTOCOLS, max_msg_size=0)
        await made.prepare(request)
        pod = ForwardedPod("p", "uid", self.connect)
        if made.ws_protocol == TUNNEL:
            await port_forward.serve(made, pod, self.clock)
        else:
            ports = read_ports(request.query.getall("port", []))
            await port_forward.serve_channels(made, pod, ports)
        return made

    @contextlib.asynccontextmanager
    async def tunnel(self) -> AsyncIterator[SpdyClient]:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(self.url, protocols=[TUNNEL]) as websocket,
        ):
            client = SpdyClient(websocket.send_bytes)

            async def receive() -> None:
                async for message in websocket:
                    client.feed(message.data)

            receiving = asyncio.create_task(receive())
            yield client
            receiving.cancel()


@pytest.fixture
async def forwarding() -> AsyncIterator[Forwarding]:
    one = Forwarding(FakeClock())

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data.upper())
            await writer.drain()
        writer.write(b"(end)")  # only a client that ended its side can see it
        writer.close()

    listener = await asyncio.start_server(echo, "127.0.0.1", 0)
    one.echo_port = listener.sockets[0].getsockname()[1]
    app = web.Application()
    app.router.add_get("/", one.serve)
    async with listener, TestServer(app) as server:
        one.url = str(server.make_url("/"))
        yield one


async def pair(client: SpdyClient, port: str = "80", request: str = "0") -> tuple[int, int]:
    """Open the two streams of a connection, as kubectl does; returns errors and data."""
    headers = {"port": port, "requestID": request}
    errors = await client.open(streamType="error", **headers)
    await client.write(errors, b"", fin=True)
    return errors, await client.open(streamType="data", **headers)


async def test_a_client_that_ends_its_side_still_gets_the_answer(forwarding: Forwarding) -> None:
    async with forwarding.tunnel() as client:
        errors, data = await pair(client)
        await client.write(data, b"hello", fin=True)
        await client.until(lambda: {errors, data} <= client.ended)
        assert (client.received[data], client.received[errors]) == (b"HELLO(end)", b"")


async def test_many_connections_do_not_mix(forwarding: Forwarding) -> None:
    async with forwarding.tunnel() as client:
        pairs = [await pair(client, request=str(number)) for number in range(20)]
        for number, (_, data) in enumerate(pairs):
            await client.write(data, f"{number} ".encode() * 20_000, fin=True)
        await client.until(lambda: all(data in client.ended for _, data in pairs))
        for number, (_, data) in enumerate(pairs):
            assert client.received[data] == f"{number} ".encode() * 20_000 + b"(end)"


@pytest.mark.parametrize(
    ("port", "why"),
    [
        pytest.param("81", "connection refused", id="nobody listens"),
        pytest.param("82", "the pod sandbox does not answer", id="the pod is going"),
    ],
)
async def test_what_went_wrong_is_told_and_the_others_go_on(
    forwarding: Forwarding, port: str, why: str
) -> None:
    async with forwarding.tunnel() as client:
        _, good = await pair(client)
        errors, data = await pair(client, port, "1")
        await client.until(lambda: {errors, data} <= client.ended)
        assert client.received[errors].decode() == (
            f"error forwarding port {port} to pod p, uid uid: "
            f"failed to connect to 127.0.0.1:{port} inside the pod: {why}"
        )
        await client.write(good, b"x", fin=True)
        await client.until(lambda: good in client.ended)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"streamType": "data"}, id="no port"),
        pytest.param({"streamType": "data", "port": "0"}, id="port 0"),
        pytest.param({"streamType": "data", "port": "65536"}, id="beyond the last port"),
        pytest.param({"streamType": "data", "port": "8x"}, id="no number"),
        pytest.param({"port": "80"}, id="no type"),
        pytest.param({"streamType": "stdin", "port": "80"}, id="another type"),
    ],
)
async def test_a_stream_that_means_nothing_is_refused(
    forwarding: Forwarding, headers: dict[str, str]
) -> None:
    async with forwarding.tunnel() as client:
        number = await client.open(**headers)
        await client.until(lambda: number in client.reset)
    assert not forwarding.dialled


async def test_half_a_pair_is_refused_after_a_while(forwarding: Forwarding) -> None:
    async with forwarding.tunnel() as client:
        headers = {"streamType": "error", "port": "80", "requestID": "1"}
        first = await client.open(**headers)
        again = await client.open(**headers)
        await client.until(lambda: again in client.reset)
        assert first not in client.reset
        await until(lambda: forwarding.clock.sleeping)
        await forwarding.clock.advance(port_forward.PAIR_SECONDS)
        await client.until(lambda: first in client.reset)


async def test_without_request_ids_the_order_tells_pairs_apart(forwarding: Forwarding) -> None:
    async with forwarding.tunnel() as client:
        await client.open(streamType="error", port="80")
        data = await client.open(streamType="data", port="80")
        await client.write(data, b"x", fin=True)
        await client.until(lambda: data in client.ended)
        assert client.received[data] == b"X(end)"


async def test_a_client_that_speaks_something_else_is_cut_off(forwarding: Forwarding) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(forwarding.url, protocols=[TUNNEL]) as websocket,
    ):
        await websocket.send_bytes(b"\x80\x02\x00\x01\x00\x00\x00\x00")
        assert (await websocket.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_ports_may_be_channels(forwarding: Forwarding) -> None:
    got: dict[int, bytes] = {}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{forwarding.url}?port=80&port=81", protocols=[CHANNELS]) as websocket,
    ):
        await websocket.send_bytes(b"\x00hello")
        await websocket.send_bytes(b"\x07nobody")
        while got.get(0) != b"P\x00HELLO" or b"refused" not in got.get(3, b""):
            message = await websocket.receive_bytes()
            got[message[0]] = got.get(message[0], b"") + message[1:]
    assert (got[1], got[2], got[3][:2]) == (b"P\x00", b"Q\x00", b"Q\x00")


@pytest.mark.parametrize(
    ("texts", "ports"),
    [
        pytest.param([], [], id="none"),
        pytest.param(["80", "443"], [80, 443], id="one by one"),
        pytest.param(["80,443"], [80, 443], id="together"),
    ],
)
def test_ports_of_a_query(texts: list[str], ports: list[int]) -> None:
    assert read_ports(texts) == ports


@pytest.mark.parametrize("text", ["", "0", "65536", "http", "-1"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(StatusError) as refused:
        read_ports([text])
    assert refused.value.code == 400
