"""Ports of a pod for a client far away: many connections over one websocket.

1. kubectl tunnels SPDY through the websocket. For each connection it opens a stream for errors and
   one for data, which name the port and share a request id.
2. When the client ends its side of a connection, the pod is told so and can go on to answer. When
   the pod ends its side, the connection is over.
3. What goes wrong with a connection is text on its stream for errors; the others go on.
4. A pair that is not complete after a while is refused.
5. Other clients (`v4.channel.k8s.io`) name their ports in the query and have two channels for each:
   data and errors, numbered from 0, which the port's number opens.

Source: Kubernetes v1.36, `pkg/kubelet/server/portforward`, KEP-4006.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import WSMsgType, web

from podpass.api.errors import bad_request
from podpass.base.clock import Clock
from podpass.kubelet.runtime.interface import RuntimeFailure
from podpass.kubelet.spdy_connection import SpdyConnection, SpdyStream
from podpass.kubelet.spdy_frames import SpdyError

_log = logging.getLogger("kubelet.portforward")

TUNNEL = "SPDY/3.1+portforward.k8s.io"
CHANNELS = "v4.channel.k8s.io"
PROTOCOLS = (TUNNEL, CHANNELS)
PAIR_SECONDS = 30.0
_CHUNK = 1 << 16
_MAX_PORT = 65535

Connect = Callable[[int], Awaitable[int]]
"""Opens a connection to a port of the pod; returns the descriptor."""


@dataclass(frozen=True, slots=True)
class ForwardedPod:
    """The pod whose ports are forwarded.

    Attributes:
        name: Its name, for messages.
        uid: Its UID, for messages.
        connect: Opens a connection to one of its ports.
    """

    name: str
    uid: str
    connect: Connect


class _Client(Protocol):
    """The client's end of one connection."""

    async def read(self) -> bytes: ...
    async def write(self, data: bytes) -> None: ...


async def serve(websocket: web.WebSocketResponse, pod: ForwardedPod, clock: Clock) -> None:
    """Forward connections of a tunnel until the client goes away; rules 1 to 4."""
    pairs = _Pairs(pod, clock)
    connection = SpdyConnection(websocket.send_bytes, pairs.add)
    try:
        async for message in websocket:
            if message.type is WSMsgType.BINARY:
                await connection.feed(message.data)
    except (SpdyError, ConnectionError) as error:
        _log.info("port-forward to %s ended: %s", pod.name, error)
    finally:
        connection.close()
        await pairs.close()
    await websocket.close()


@dataclass
class _Pairs:
    pod: ForwardedPod
    clock: Clock
    half: dict[str, SpdyStream] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def add(self, stream: SpdyStream) -> None:
        """Take a new stream; the second of a pair starts the connection."""
        kind, port = stream.headers.get("streamtype", ""), stream.headers.get("port", "")
        if kind not in ("data", "error") or not _is_port(port):
            self._begin(stream.reset())
            return
        request = stream.headers.get("requestid", "") or str(stream.number - 2 * (kind == "data"))
        other = self.half.pop(request, None)
        if other is None:
            self.half[request] = stream
            self._begin(self._expire(request, stream))
        elif other.headers["streamtype"] == kind:
            self._begin(stream.reset())
            self.half[request] = other
        else:
            pair = (stream, other) if kind == "data" else (other, stream)
            self._begin(_forward_pair(self.pod, int(port), *pair))

    async def close(self) -> None:
        """End all connections."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    def _begin(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _expire(self, request: str, stream: SpdyStream) -> None:
        await self.clock.sleep(PAIR_SECONDS)
        if self.half.get(request) is stream:
            del self.half[request]
            await stream.reset()


def read_ports(texts: Sequence[str]) -> list[int]:
    """Read the ports that a query names, each once or several in one parameter.

    Raises:
        StatusError: 400, one of them is no port.
    """
    words = [word for text in texts for word in text.split(",")]
    for word in words:
        if not _is_port(word):
            raise bad_request(f'unable to parse "{word}" as a port')
    return [int(word) for word in words]


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text[:6]) <= _MAX_PORT


async def _forward_pair(pod: ForwardedPod, port: int, data: SpdyStream, errors: SpdyStream) -> None:
    try:
        complaint = await forward(pod, port, data)
        if complaint:
            await errors.write(complaint.encode())
    except ConnectionError:
        pass  # the client is gone
    finally:
        await data.finish()
        await errors.finish()


async def forward(pod: ForwardedPod, port: int, client: _Client) -> str:
    """Carry one connection to its end; returns what went wrong, or nothing."""
    about = f"error forwarding port {port} to pod {pod.name}, uid {pod.uid}"
    try:
        descriptor = await pod.connect(port)
    except (OSError, RuntimeFailure, TimeoutError) as error:
        number = getattr(error, "errno", None)  # asyncio's own text names no reason
        why = os.strerror(number).lower() if number else str(error) or "no answer"
        return f"{about}: failed to connect to 127.0.0.1:{port} inside the pod: {why}"
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=descriptor))
    upward = asyncio.create_task(_pump_up(client, writer))
    try:
        while data := await reader.read(_CHUNK):
            await client.write(data)
    except OSError as error:
        return f"{about}: {error.strerror or error}"
    finally:
        upward.cancel()
        await asyncio.gather(upward, return_exceptions=True)
        writer.close()
    return ""


async def _pump_up(client: _Client, writer: asyncio.StreamWriter) -> None:
    """Bring to the pod what the client sends, and then its end; rule 2."""
    try:
        while data := await client.read():
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        return  # the pod has ended the connection; its reader says so


async def _all(works: Iterable[Awaitable[None]]) -> None:
    await asyncio.gather(*works)


@dataclass
class _Channel:
    """A port of a client that has channels; rule 5."""

    number: int
    websocket: web.WebSocketResponse
    received: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(maxsize=16))

    async def read(self) -> bytes:
        return await self.received.get()

    async def write(self, data: bytes) -> None:
        await self.websocket.send_bytes(bytes([self.number]) + data)


async def serve_channels(
    websocket: web.WebSocketResponse, pod: ForwardedPod, ports: Sequence[int]
) -> None:
    """Forward one connection to each port until all have ended or the client goes away."""
    channels = [_Channel(2 * index, websocket) for index in range(len(ports))]
    for channel, port in zip(channels, ports, strict=True):
        for number in (channel.number, channel.number + 1):
            await websocket.send_bytes(bytes([number]) + port.to_bytes(2, "little"))

    async def one(channel: _Channel, port: int) -> None:
        if complaint := await forward(pod, port, channel):
            await websocket.send_bytes(bytes([channel.number + 1]) + complaint.encode())

    async def feed() -> None:
        async for message in websocket:
            index, odd = divmod(message.data[0], 2) if message.data else (0, 1)
            if message.type is WSMsgType.BINARY and not odd and index < len(channels):
                await channels[index].received.put(message.data[1:])

    feeder = asyncio.create_task(feed())
    forwarding = asyncio.create_task(_all(map(one, channels, ports)))
    try:
        await asyncio.wait({feeder, forwarding}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        feeder.cancel()
        forwarding.cancel()
        await asyncio.gather(feeder, forwarding, return_exceptions=True)
    await websocket.close()
