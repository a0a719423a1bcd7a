"""A command in a container over SPDY, as clients speak it that know no websockets.

The client opens a stream for each of `error`, `stdin`, `stdout`, `stderr` and `resize` that it
wants; the command starts when all are there. The final Status goes to `error`, sizes of the
terminal come on `resize`, one JSON object after the other.

Source: Kubernetes `remotecommand` subprotocol `v4.channel.k8s.io`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

import orjson
from aiohttp import WSMsgType, web

from podpass.kubelet.exec_stream import exit_status, failure_status, resize
from podpass.kubelet.runtime.interface import ExecSession, RuntimeFailure
from podpass.kubelet.spdy_connection import SpdyConnection, SpdyStream
from podpass.kubelet.spdy_frames import SpdyError

TUNNEL = "SPDY/3.1+v4.channel.k8s.io"
STREAM_SECONDS = 30.0
"""How long the client has to open its streams."""
_LONGEST_SIZE = 1024


async def serve(
    websocket: web.WebSocketResponse,
    wanted: Collection[str],
    start: Callable[[], Awaitable[ExecSession]],
) -> None:
    """Carry the streams until the command has ended or the client has gone, which ends it too.

    Args:
        websocket: Carries the bytes.
        wanted: Streams beside `error` that the client will open.
        start: Starts the command; may raise RuntimeFailure.
    """
    command = _Command({"error", *wanted}, start)
    connection = SpdyConnection(websocket.send_bytes, command.add)

    async def feed() -> None:
        async for message in websocket:
            if message.type is WSMsgType.BINARY:
                await connection.feed(message.data)

    feeder, running = asyncio.create_task(feed()), asyncio.create_task(command.run())
    try:
        await asyncio.wait({feeder, running}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        connection.close()
        running.cancel()
        feeder.cancel()
        results = await asyncio.gather(feeder, running, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception) and not isinstance(
            result, SpdyError | ConnectionError | TimeoutError
        ):
            raise result
    await websocket.close()


class _Command:
    def __init__(self, wanted: set[str], start: Callable[[], Awaitable[ExecSession]]) -> None:
        self._wanted = wanted
        self._start = start
        self._streams: dict[str, SpdyStream] = {}
        self._complete = asyncio.Event()
        self._refusals: set[asyncio.Task[None]] = set()

    def add(self, stream: SpdyStream) -> None:
        """Take a stream of the client."""
        kind = stream.headers.get("streamtype", "")
        if kind not in self._wanted or kind in self._streams:
            refusal = asyncio.create_task(stream.reset())
            self._refusals.add(refusal)
            refusal.add_done_callback(self._refusals.discard)
            return
        self._streams[kind] = stream
        if self._streams.keys() == self._wanted:
            self._complete.set()

    async def run(self) -> None:
        """Run the command to its end."""
        async with asyncio.timeout(STREAM_SECONDS):
            await self._complete.wait()
        try:
            session = await self._start()
        except RuntimeFailure as error:
            await self._end(failure_status(str(error)))
            return
        inputs = [
            asyncio.create_task(one(self._streams[kind], session))
            for kind, one in (("stdin", _type), ("resize", _resize))
            if kind in self._streams
        ]
        code = None
        try:
            async for number, data in session.output():
                stream = self._streams.get("stdout" if number == 1 else "stderr")
                if stream is not None:
                    await stream.write(data)
            code = await session.wait()
        finally:
            for task in inputs:
                task.cancel()
            await asyncio.gather(*inputs, return_exceptions=True)
            if code is None:
                await session.kill()
        await self._end(exit_status(code))

    async def _end(self, status: object) -> None:
        await self._streams["error"].write(orjson.dumps(status))
        for stream in self._streams.values():
            await stream.finish()


async def _type(stream: SpdyStream, session: ExecSession) -> None:
    while data := await stream.read():
        await session.write(data)
    await session.close_stdin()


async def _resize(stream: SpdyStream, session: ExecSession) -> None:
    rest = b""
    while data := await stream.read():
        *sizes, rest = (rest + data).replace(b"}", b"}\n").split(b"\n")
        rest = rest[:_LONGEST_SIZE]
        for size in sizes:
            await resize(session, size)
