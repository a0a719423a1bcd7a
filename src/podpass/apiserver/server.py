"""Runs the HTTP side: takes connections, hands each request to one handler, stops gracefully.

Connections begin as plain ones; what is out of the ordinary goes to aiohttp (docs/adr/0060).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path

from podpass.apiserver.http_protocol import StatusServer
from podpass.apiserver.listeners import BACKLOG
from podpass.apiserver.overload.connection_limit import MAXIMUM_CONNECTIONS
from podpass.apiserver.plain_protocol import Handler, PlainServer
from podpass.base.clock import Clock

KEEP_ALIVE_SECONDS = 90.0
"""How long an idle connection stays; longer than the clients keep theirs."""

FAREWELL_SECONDS = 0.2
"""How long connections that came just before the end have for their first request."""

HANDSHAKE_SECONDS = 10.0


class HttpServer:
    """One HTTP server over any number of listening sockets.

    Args:
        handler: Answers every request; raises nothing but cancellation.
        context: TLS.
        clock: Time.
        idle_seconds: How long a connection may wait for its next request, headers included.
        maximum_connections: How many may be open at the same time.
    """

    def __init__(
        self,
        handler: Handler,
        context: ssl.SSLContext,
        clock: Clock,
        *,
        idle_seconds: float = KEEP_ALIVE_SECONDS,
        maximum_connections: int = MAXIMUM_CONNECTIONS,
    ) -> None:
        self._context = context
        self._clock = clock
        self._others = StatusServer(handler, idle_seconds=idle_seconds)
        self._server = PlainServer(
            handler,
            self._others,
            idle_seconds=idle_seconds,
            clock=clock,
            maximum_connections=maximum_connections,
            count_others=lambda: len(self._others.connections),
        )
        self._listening: list[tuple[asyncio.AbstractServer, str, socket.socket]] = []

    async def listen(self, bound: socket.socket) -> None:
        """Take connections from a bound socket from now on."""
        loop = asyncio.get_running_loop()
        waiting = bound.dup()
        if bound.family == socket.AF_UNIX:
            path = str(bound.getsockname())
            server = await loop.create_unix_server(
                self._server,
                sock=bound,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                backlog=BACKLOG,
            )
        else:
            path = ""
            server = await loop.create_server(
                self._server,
                sock=bound,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                backlog=BACKLOG,
            )
        self._listening.append((server, path, waiting))

    async def stop(self, grace_seconds: float) -> None:
        """Take no more connections, let running requests end, then close what is left."""
        taken: list[asyncio.Task[object]] = []
        for server, path, waiting in self._listening:
            server.close()
            if path:
                with contextlib.suppress(OSError):
                    Path(path).unlink()
            taken += self._take_waiting(waiting)
        self._listening.clear()
        # Who has just connected still has a request to send.
        await self._clock.sleep(FAREWELL_SECONDS)
        for task in taken:
            task.cancel()
        await asyncio.gather(*taken, return_exceptions=True)
        self._server.end_idle()
        self._others.pre_shutdown()
        await asyncio.gather(
            self._server.shutdown(grace_seconds), self._others.shutdown(grace_seconds)
        )

    def _take_waiting(self, waiting: socket.socket) -> list[asyncio.Task[object]]:
        """Serve who has connected and was not accepted yet; closing would reset them."""
        loop = asyncio.get_running_loop()
        waiting.setblocking(False)  # noqa: FBT003 - the socket API
        taken: list[asyncio.Task[object]] = []
        with waiting:
            while True:
                try:
                    connection, _ = waiting.accept()
                except OSError:
                    return taken
                serving = loop.connect_accepted_socket(self._server, connection, ssl=self._context)
                taken.append(loop.create_task(serving))
