"""A unix socket on the node that leads to the API servers of other hosts.

Pods with a network of their own reach the API through unix sockets, which are local to a host. On a
host without an API server this one takes the connections and passes the bytes on, to the first
server that answers; TLS goes through untouched.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path

CONNECT_SECONDS = 3.0
_PIECE = 64 * 1024

_log = logging.getLogger("kubelet.relay")


class ApiRelay:
    """Relays connections; remembers which server answered last."""

    def __init__(self, socket: Path, servers: Sequence[tuple[str, int]]) -> None:
        """Prepare.

        Args:
            socket: Path to listen at; what is there is replaced.
            servers: Host and port of the API servers, the preferred one first.
        """
        self._socket = socket
        self._servers = list(servers)

    async def run(self) -> None:
        """Listen until cancelled.

        Raises:
            OSError: The socket cannot be made.
        """
        self._socket.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, self._socket)
        async with server:
            await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await self._connect()
            if there is None:
                return
            far_reader, far_writer = there
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_copy(reader, far_writer))
                    group.create_task(_copy(far_reader, writer))
            finally:
                far_writer.transport.abort()
        finally:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for host, port in list(self._servers):
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    opened = await asyncio.open_connection(host, port)
            except OSError as error:  # a timeout is one too
                _log.info("%s:%s does not answer: %s", host, port, error)
                if (host, port) in self._servers:  # the last to be asked again
                    self._servers.remove((host, port))
                    self._servers.append((host, port))
            else:
                return opened
        return None


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
