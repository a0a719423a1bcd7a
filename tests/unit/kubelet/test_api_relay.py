"""A local socket leads to the first API server that answers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

from podpass.kubelet.api_relay import ApiRelay
from podpass.testing.background import Background


async def ask(path: Path, text: bytes) -> bytes:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_unix_connection(path)
                break
            await asyncio.sleep(0.01)
        try:
            writer.write(text)
            writer.write_eof()
            return await reader.read()
        finally:
            writer.close()


def dead_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write((await reader.read()).upper())
    await writer.drain()
    writer.close()


async def test_a_dead_server_is_passed_over(tmp_path: Path) -> None:
    server = await asyncio.start_server(shout, "127.0.0.1", 0)
    alive = server.sockets[0].getsockname()[1]
    relay = ApiRelay(tmp_path / "s", [("127.0.0.1", dead_port()), ("127.0.0.1", alive)])
    async with server, Background() as background:
        background.start(relay.run())
        assert await ask(tmp_path / "s", b"hello") == b"HELLO"
        assert await ask(tmp_path / "s", b"again") == b"AGAIN"


async def test_without_any_server_the_connection_ends(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("left by a kubelet that was killed")
    relay = ApiRelay(tmp_path / "s", [("127.0.0.1", dead_port())])
    async with Background() as background:
        background.start(relay.run())
        with contextlib.suppress(ConnectionError):
            assert await ask(tmp_path / "s", b"hello") == b""
