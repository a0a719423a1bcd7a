"""HTTP/1.1 connections to one server: kept alive, pooled, with streamed bodies.

A general HTTP library costs a controller manager a third of its memory and start-up time, and the
API needs only this much: requests with a sized body, answers that are sized or chunked.

1. A connection goes back to the pool only after its answer was read to the end.
2. A pooled connection that the server closed, that idled too long, or that was made with other
   credentials is not used again.
3. Whatever breaks below HTTP is `ConnectionFailed`.

Source: RFC 9112.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

MAXIMUM_HEAD = 64 * 1024
"""Bytes of status line and headers, and of one line of a chunked body's framing."""
MAXIMUM_IDLE = 8
"""Connections that are kept for later."""
IDLE_SECONDS = 30.0
"""How long one is kept; below the keep-alive time of the servers in use (75 s)."""


class ConnectionFailed(Exception):
    """The server was not reached, or broke off; whether it did what was asked is not known."""


_BROKEN = (OSError, EOFError, asyncio.LimitOverrunError, ValueError)


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of an answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]


class Connection:
    """One connection; a request and its answer at a time."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        context: ssl.SSLContext | None,
        host: str,
    ) -> None:
        self.context = context
        self.idle_since = 0.0
        self._reader = reader
        self._writer = writer
        self._host = host
        self._reusable = False

    @property
    def usable(self) -> bool:
        """Whether another request can be sent."""
        return (
            self._reusable and not self._reader.at_eof() and not self._writer.transport.is_closing()
        )

    async def send(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | None
    ) -> Head:
        """Send a request and read the head of its answer.

        Raises:
            ConnectionFailed: The connection broke, or the answer is not HTTP.
        """
        self._reusable = False
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._host}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        try:
            self._writer.write("\r\n".join([*lines, "", ""]).encode() + (body or b""))
            await self._writer.drain()
            head = await self._read_head()
            while head.status in range(100, 200):
                head = await self._read_head()
        except _BROKEN as error:
            raise ConnectionFailed(_reason(error)) from error
        return head

    async def body(self, head: Head) -> AsyncGenerator[bytes, None]:
        """Iterate over the pieces of the answer's body.

        Raises:
            ConnectionFailed: The connection broke before the end.
        """
        length = head.headers.get("content-length")
        try:
            if "chunked" in head.headers.get("transfer-encoding", "").lower():
                while size := int((await self._read_line()).partition(b";")[0], 16):
                    piece = await self._reader.readexactly(size + 2)
                    yield piece[:-2]
                while await self._read_line():  # trailers
                    pass
            elif length is not None or head.status in (204, 304):
                if size := int(length or 0):
                    yield await self._reader.readexactly(size)
            else:
                while piece := await self._reader.read(MAXIMUM_HEAD):
                    yield piece
                return
        except _BROKEN as error:
            raise ConnectionFailed(_reason(error)) from error
        self._reusable = head.headers.get("connection", "").lower() != "close"

    def close(self) -> None:
        """Drop the connection at once."""
        self._writer.transport.abort()

    async def wait_closed(self) -> None:
        """Wait until the socket is closed."""
        with contextlib.suppress(*_BROKEN):
            await self._writer.wait_closed()

    async def _read_line(self) -> bytes:
        return (await self._reader.readuntil(b"\r\n"))[:-2]

    async def _read_head(self) -> Head:
        block = await self._reader.readuntil(b"\r\n\r\n")
        first, *lines = block.decode("latin-1").rstrip("\r\n").split("\r\n")
        protocol, _, rest = first.partition(" ")
        if not protocol.startswith("HTTP/1."):
            raise ValueError("the answer is not HTTP/1.1")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return Head(int(rest[:3]), headers)


class ConnectionPool:
    """The connections of one client to one server."""

    def __init__(
        self,
        server: str,
        tls_context: Callable[[], ssl.SSLContext | None],
        *,
        tls_server_name: str = "",
        connect_timeout: float = 5.0,
    ) -> None:
        """Prepare; nothing is connected yet.

        Args:
            server: Base URL.
            tls_context: Called before each request; another context retires pooled connections.
            tls_server_name: Name in the server's certificate, if it is not the host.
            connect_timeout: Seconds for TCP and TLS together.
        """
        url = urlsplit(server)
        self._host = url.hostname or ""
        self._port = url.port or (443 if url.scheme == "https" else 80)
        self._netloc = url.netloc
        self._tls_context = tls_context
        self._tls_server_name = tls_server_name or self._host
        self._connect_timeout = connect_timeout
        self._idle: list[Connection] = []
        self._closing: set[Connection] = set()

    async def acquire(self, *, fresh: bool = False) -> Connection:
        """Return a connection to use for one request; give it back with `release`.

        Args:
            fresh: Do not reuse one; after a failure, since its siblings may be as dead.

        Raises:
            ConnectionFailed: The server cannot be reached, or is not the one we trust.
        """
        context = self._tls_context()
        loop = asyncio.get_running_loop()
        while self._idle:
            connection = self._idle.pop()
            young = loop.time() - connection.idle_since < IDLE_SECONDS
            if not fresh and young and connection.usable and connection.context is context:
                return connection
            connection.close()
        try:
            async with asyncio.timeout(self._connect_timeout):
                reader, writer = await asyncio.open_connection(
                    self._host,
                    self._port,
                    ssl=context,
                    server_hostname=self._tls_server_name if context else None,
                    limit=MAXIMUM_HEAD,
                )
        except _BROKEN as error:
            raise ConnectionFailed(f"{self._netloc}: {_reason(error)}") from error
        _keep_alive(writer)
        return Connection(reader, writer, context, self._netloc)

    def release(self, connection: Connection) -> None:
        """Take a connection back: keep it if its answer is read and it is still good."""
        if connection.usable and len(self._idle) < MAXIMUM_IDLE:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.close()

    async def close(self) -> None:
        """Drop all pooled connections and wait until they are gone."""
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        for connection in idle:
            await connection.wait_closed()


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """Let the kernel find out that a silent server is gone."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


def _reason(error: BaseException) -> str:
    match error:
        case TimeoutError():
            return "timed out"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {error.reason or error}"
        case OSError(errno=number) if number:
            return os.strerror(number)
        case EOFError() | OSError():
            return "the server closed the connection"
        case _:
            return "the server's answer cannot be read"
