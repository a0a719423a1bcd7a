"""Listens for an HTTPS server that is loaded when the first connection comes.

Most nodes are never asked for a log or a command, nor most controller managers for their metrics,
and the HTTP server is a third of their memory and start-up time. Until then connections wait in the
socket's backlog.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

_log = logging.getLogger("server")

_BACKLOG = 128

StartServer = Callable[[socket.socket], Awaitable[None]]
"""Serves the listening socket until the process ends."""


def listen(address: str, port: int) -> socket.socket:
    """Return a listening socket; on any free port if `port` is taken.

    Raises:
        OSError: The address is not this machine's, or no port is free.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind((address, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            opened.bind((address, 0))
            other = opened.getsockname()[1]
            _log.warning("port %d of %s is taken, %d is used", port, address, other)
        opened.listen(_BACKLOG)
        opened.setblocking(False)  # noqa: FBT003 - the socket API
    except OSError:
        opened.close()
        raise
    return opened


async def serve_on_demand(listener: socket.socket, start: StartServer) -> None:
    """Wait for the first connection, then start the server; returns once it serves."""
    loop = asyncio.get_running_loop()
    called = asyncio.Event()
    loop.add_reader(listener, called.set)
    try:
        await called.wait()
    finally:
        loop.remove_reader(listener)
    await start(listener)


def server_context(client_ca: Path) -> ssl.SSLContext:
    """Return a TLS context that checks client certificates if there are any, with none of its own.

    Raises:
        OSError: The file is missing.
        ssl.SSLError: It is damaged.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(client_ca))
    context.verify_mode = ssl.CERT_OPTIONAL
    return context
