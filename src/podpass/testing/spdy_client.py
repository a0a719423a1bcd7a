"""The client's end of an SPDY connection that is tunnelled through a websocket."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable

from podpass.kubelet import spdy_frames as frames
from podpass.kubelet.spdy_frames import FrameReader, FrameWriter


class SpdyClient:
    """Opens streams and collects what comes on them.

    Attributes:
        received: Stream number to what came.
        ended: Streams that the server has finished.
        reset: Streams that the server has reset.
        accepted: Streams that the server has accepted.
        pongs: Numbers of answered pings.
    """

    def __init__(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        self.received: dict[int, bytes] = defaultdict(bytes)
        self.ended: set[int] = set()
        self.reset: set[int] = set()
        self.accepted: set[int] = set()
        self.pongs: list[int] = []
        self.writer = FrameWriter()
        self._send = send
        self._reader = FrameReader()
        self._next = 1
        self._changed = asyncio.Event()

    async def open(self, **headers: str) -> int:
        """Open a stream; returns its number."""
        number, self._next = self._next, self._next + 2
        await self._send(self.writer.syn_stream(number, headers))
        return number

    async def write(self, stream: int, data: bytes, *, fin: bool = False) -> None:
        """Send bytes on a stream."""
        await self._send(self.writer.data(stream, data, fin=fin))

    async def send(self, frame: bytes) -> None:
        """Send a frame made by `writer`."""
        await self._send(frame)

    def feed(self, data: bytes) -> None:
        """Take bytes of the server."""
        for frame in self._reader.feed(data):
            if frame.type == frames.SYN_REPLY:
                self.accepted.add(frame.stream)
            elif frame.type == frames.RST_STREAM:
                self.reset.add(frame.stream)
            elif frame.type == frames.PING:
                self.pongs.append(frame.stream)
            elif frame.type == frames.DATA:
                self.received[frame.stream] += frame.data
                if frame.fin:
                    self.ended.add(frame.stream)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return once the condition holds; it is looked at after each arrival."""
        async with asyncio.timeout(10):
            while not condition():
                self._changed.clear()
                await self._changed.wait()
