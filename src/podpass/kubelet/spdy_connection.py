"""The server's side of an SPDY connection: streams that the client opens, on any carrier of bytes.

1. A stream is accepted at once; the caller refuses one by resetting it.
2. What a stream has received waits in its buffer. Beyond STREAM_BUFFER bytes the whole connection
   waits for its reader, since nothing less can be asked of the client.
3. A stream is forgotten when both sides are done with it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

from podpass.kubelet import spdy_frames as frames
from podpass.kubelet.spdy_frames import Frame, FrameReader, FrameWriter

STREAM_BUFFER = 1 << 20
_CHUNK = 1 << 16


class StreamClosed(ConnectionError):
    """The stream, or the connection, has ended."""


class SpdyStream:
    """One stream; made by the connection.

    Attributes:
        number: Its number.
        headers: What the client opened it with; names in lower case.
    """

    def __init__(self, connection: SpdyConnection, number: int, headers: Mapping[str, str]) -> None:
        self.number = number
        self.headers = headers
        self._connection = connection
        self._received = bytearray()
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._their_end = False
        self._our_end = False

    async def read(self) -> bytes:
        """Return what came; empty when the client is done."""
        while not self._received and not self._their_end:
            self._changed.clear()
            await self._changed.wait()
        data = bytes(self._received)
        self._received.clear()
        self._room.set()
        return data

    async def write(self, data: bytes) -> None:
        """Send bytes.

        Raises:
            StreamClosed: The client has given the stream up, or is gone.
        """
        for start in range(0, len(data), _CHUNK):
            if self._our_end:
                raise StreamClosed("the stream has ended")
            await self._connection.send_data(self.number, data[start : start + _CHUNK], fin=False)

    async def finish(self) -> None:
        """End our side; done already, or a client that is gone, is fine."""
        if not self._our_end:
            self._our_end = True
            with contextlib.suppress(ConnectionError):
                await self._connection.send_data(self.number, b"", fin=True)
            self._forget_if_done()

    async def reset(self, reason: int = frames.REFUSED_STREAM) -> None:
        """End the stream at once."""
        self.abort()
        with contextlib.suppress(ConnectionError):
            await self._connection.send_reset(self.number, reason)

    async def receive(self, data: bytes, *, fin: bool) -> None:
        """Take what the client sent; rule 2."""
        if data and not self._their_end:
            self._received += data
        self._their_end |= fin
        self._changed.set()
        self._forget_if_done()
        if len(self._received) > STREAM_BUFFER:
            self._room.clear()
            await self._room.wait()

    def abort(self) -> None:
        """Take note that neither side sends any more."""
        self._their_end = self._our_end = True
        self._changed.set()
        self._room.set()
        self._forget_if_done()

    def _forget_if_done(self) -> None:
        if self._their_end and self._our_end:
            self._connection.forget(self.number)


class SpdyConnection:
    """The streams of one client.

    Args:
        send: Sends bytes to the client.
        on_stream: Called with each stream that the client opens.
    """

    def __init__(
        self,
        send: Callable[[bytes], Awaitable[None]],
        on_stream: Callable[[SpdyStream], None],
    ) -> None:
        self._send = send
        self._on_stream = on_stream
        self._reader = FrameReader()
        self._writer = FrameWriter()
        self._sending = asyncio.Lock()
        self._streams: dict[int, SpdyStream] = {}
        self._newest = 0
        self._closed = False

    async def feed(self, data: bytes) -> None:
        """Take bytes of the client.

        Raises:
            SpdyError: They are no SPDY.
            ConnectionError: The client is gone.
        """
        for frame in self._reader.feed(data):
            await self._take(frame)

    def close(self) -> None:
        """End all streams; their readers and writers notice."""
        self._closed = True
        for stream in list(self._streams.values()):
            stream.abort()

    def forget(self, number: int) -> None:
        """Drop a stream that is over."""
        self._streams.pop(number, None)

    async def send_data(self, number: int, data: bytes, *, fin: bool) -> None:
        """Send a data frame.

        Raises:
            ConnectionError: The client is gone.
        """
        await self._send_frame(self._writer.data(number, data, fin=fin))

    async def send_reset(self, number: int, reason: int) -> None:
        """Send RST_STREAM.

        Raises:
            ConnectionError: The client is gone.
        """
        await self._send_frame(self._writer.reset(number, reason))

    async def _take(self, frame: Frame) -> None:
        stream = self._streams.get(frame.stream)
        if frame.type == frames.SYN_STREAM:
            await self._open(frame)
        elif frame.type == frames.PING and frame.stream & 1:
            await self._send_frame(self._writer.ping(frame.stream))
        elif frame.type == frames.RST_STREAM and stream is not None:
            stream.abort()
        elif frame.type in (frames.DATA, frames.HEADERS) and stream is not None:
            await stream.receive(frame.data, fin=frame.fin)

    async def _open(self, frame: Frame) -> None:
        if frame.stream <= self._newest or not frame.stream & 1:
            await self.send_reset(frame.stream, frames.PROTOCOL_ERROR)
            return
        self._newest = frame.stream
        stream = self._streams[frame.stream] = SpdyStream(self, frame.stream, frame.headers)
        async with self._sending:  # made in the order of sending: they share a compressor
            await self._deliver(self._writer.syn_reply(frame.stream))
        await stream.receive(b"", fin=frame.fin)
        self._on_stream(stream)

    async def _send_frame(self, frame: bytes) -> None:
        async with self._sending:
            await self._deliver(frame)

    async def _deliver(self, frame: bytes) -> None:
        if self._closed:
            raise StreamClosed("the connection has ended")
        await self._send(frame)
