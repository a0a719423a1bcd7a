"""Bytes over TLS to a running server, for requests that no HTTP client would send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from podpass.testing.api_server import RunningApiServer

PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back before the server closed, or the first response of an open connection."""

    code: int
    headers: dict[str, str]
    body: bytes

    @property
    def status(self) -> Any:
        """The `Status` in the body."""
        return orjson.loads(self.body)


@dataclass(frozen=True, slots=True)
class RawConnection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> Answer:
        """Read one response."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")[:-2]
            headers = {
                name.lower(): value for name, value in (line.split(": ", 1) for line in lines)
            }
            body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(first.split()[1]), headers, body)

    async def closed(self) -> None:
        """Return when the server has closed the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                while await self.reader.read(65536):
                    pass
            except ConnectionError:
                pass


@asynccontextmanager
async def connect(api: RunningApiServer, user: str = "admin") -> AsyncIterator[RawConnection]:
    """Open a connection, by default as the administrator."""
    url = urlsplit(api.url)
    organizations = ["system:masters"] if user == "admin" else []
    context = api.pki.client_context(user, organizations=organizations)
    reader, writer = await asyncio.open_connection(url.hostname, url.port, ssl=context)
    try:
        yield RawConnection(reader, writer)
    finally:
        writer.transport.abort()


def post(path: str, body: bytes, *headers: str, content_type: str = "application/json") -> bytes:
    """Return the bytes of a POST."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: api",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
