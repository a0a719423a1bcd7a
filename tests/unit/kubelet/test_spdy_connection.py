"""Streams of an SPDY connection: opened, refused, ended, and how much they hold."""

from __future__ import annotations

import asyncio

import pytest

from podpass.kubelet import spdy_frames as frames
from podpass.kubelet.spdy_connection import (
    STREAM_BUFFER,
    SpdyConnection,
    SpdyStream,
    StreamClosed,
)
from podpass.testing.spdy_client import SpdyClient


class Pair:
    """A client and a server that are connected without any network."""

    def __init__(self) -> None:
        self.streams: list[SpdyStream] = []
        self.server = SpdyConnection(self._to_client, self.streams.append)
        self.client = SpdyClient(self.server.feed)

    async def _to_client(self, data: bytes) -> None:
        self.client.feed(data)

    async def stream(self, **headers: str) -> tuple[int, SpdyStream]:
        number = await self.client.open(**headers)
        return number, self.streams[-1]


async def test_a_stream_carries_bytes_both_ways_until_both_have_ended() -> None:
    pair = Pair()
    number, stream = await pair.stream(streamType="data")
    assert stream.headers == {"streamtype": "data"}
    assert pair.client.accepted == {number}
    await pair.client.write(number, b"question")
    assert await stream.read() == b"question"
    await pair.client.write(number, b"?", fin=True)
    assert [await stream.read(), await stream.read(), await stream.read()] == [b"?", b"", b""]
    await stream.write(b"answer" * 100_000)
    await stream.finish()
    await stream.finish()
    assert pair.client.received[number] == b"answer" * 100_000
    assert pair.client.ended == {number}
    await pair.client.write(number, b"late")
    assert await stream.read() == b""
    with pytest.raises(StreamClosed):
        await stream.write(b"later")


async def test_a_reader_waits_for_bytes() -> None:
    pair = Pair()
    number, stream = await pair.stream()
    reading = asyncio.create_task(stream.read())
    await asyncio.sleep(0)
    assert not reading.done()
    await pair.client.write(number, b"x")
    assert await reading == b"x"


async def test_a_stream_that_the_client_resets_ends_for_readers_and_writers() -> None:
    pair = Pair()
    number, stream = await pair.stream()
    await pair.client.send(pair.client.writer.reset(number, frames.REFUSED_STREAM))
    assert await stream.read() == b""
    with pytest.raises(StreamClosed):
        await stream.write(b"x")


async def test_a_stream_can_be_refused() -> None:
    pair = Pair()
    number, stream = await pair.stream()
    await stream.reset()
    assert pair.client.reset == {number}
    assert await stream.read() == b""


async def test_numbers_of_streams_only_grow_and_are_odd() -> None:
    pair = Pair()
    await pair.client.send(pair.client.writer.syn_stream(4, {}))
    await pair.client.send(pair.client.writer.syn_stream(5, {}))
    await pair.client.send(pair.client.writer.syn_stream(3, {}))
    assert pair.client.reset == {4, 3}
    assert [one.number for one in pair.streams] == [5]


async def test_a_ping_is_answered_once() -> None:
    pair = Pair()
    await pair.client.send(pair.client.writer.ping(1))
    await pair.client.send(pair.client.writer.ping(2))
    assert pair.client.pongs == [1]


async def test_a_reader_that_is_far_behind_is_waited_for() -> None:
    pair = Pair()
    number, stream = await pair.stream()
    await pair.client.write(number, b"x" * STREAM_BUFFER)
    sending = asyncio.create_task(pair.client.write(number, b"y"))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not sending.done()
    assert len(await stream.read()) == STREAM_BUFFER + 1
    await sending


async def test_a_connection_that_is_closed_ends_its_streams() -> None:
    pair = Pair()
    _, stream = await pair.stream()
    reading = asyncio.create_task(stream.read())
    await asyncio.sleep(0)
    pair.server.close()
    assert await reading == b""
    with pytest.raises(StreamClosed):
        await stream.write(b"x")
    with pytest.raises(ConnectionError):
        await pair.client.send(pair.client.writer.ping(1))
