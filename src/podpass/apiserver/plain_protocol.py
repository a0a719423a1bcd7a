"""Connections that carry plain requests: read, handed to the handler, answered, one by one.

1. The first request that is none of ours (`plain_request`) takes its connection along to the
   fallback, which has it from then on.
2. What a client sends ahead waits until it is its turn; of a client that sends much ahead, or does
   not read its answers, nothing more is read.
3. A client that leaves cancels what was done for it. A connection without a request goes after
   `idle_seconds`.
4. When there are too many connections, the one that is idle for longest makes room for a new one.
   If none is idle, the new one gets 429 for its first request and is closed.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Awaitable, Callable
from email.utils import format_datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Final, Protocol, cast

from aiohttp import web
from aiohttp.tcp_helpers import tcp_keepalive

from podpass.apiserver.overload.connection_limit import MAXIMUM_CONNECTIONS
from podpass.apiserver.overload.refusals import too_busy
from podpass.apiserver.plain_request import (
    MAX_PLAIN_BYTES,
    HeaderReader,
    HttpRequest,
    PlainRequest,
    parse_plain,
)
from podpass.apiserver.responses import status_response
from podpass.base.clock import Clock

Handler = Callable[[HttpRequest], Awaitable[web.StreamResponse]]

REFUSED_SECONDS: Final = 5.0
"""How long a connection that is to be refused may wait for its first request."""

_IDLE_ENOUGH_SECONDS: Final = 1.0
"""Who was answered a moment ago may have the next request under way."""

_BODILESS: Final = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class _Transport(Protocol):
    def get_extra_info(self, name: str) -> object: ...


def peer_certificate(transport: _Transport | None) -> bytes | None:
    """Return the certificate (DER) that the client proved to own in the TLS handshake."""
    tls = None if transport is None else transport.get_extra_info("ssl_object")
    if isinstance(tls, (ssl.SSLObject, ssl.SSLSocket)):
        return tls.getpeercert(binary_form=True)
    return None


@lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"


def encode_response(response: web.Response, *, date: str, close: bool) -> bytes:
    """Return a response with its body as bytes of HTTP/1.1.

    Args:
        response: What the handler made.
        date: Value of the `Date` header.
        close: Whether it is the last on its connection.
    """
    body = response.body if isinstance(response.body, bytes) else b""
    head = [_status_line(response.status)]
    head += [f"{name}: {value}\r\n" for name, value in response.headers.items()]
    if response.status not in _BODILESS:
        head.append(f"Content-Length: {len(body)}\r\n")
    head.append(f"Date: {date}\r\nConnection: close\r\n\r\n" if close else f"Date: {date}\r\n\r\n")
    return "".join(head).encode("utf-8", "surrogateescape") + body


class PlainServer:
    """Makes the protocol of each connection, and ends them all.

    Args:
        handler: Answers every request; raises nothing but cancellation.
        fallback: Makes the protocol for connections that are not ours (rule 1).
        idle_seconds: Rule 3.
        clock: For the `Date` of answers.
        maximum_connections: Rule 4; those that were handed over count, too.
        count_others: Returns how many of these there are.
    """

    def __init__(
        self,
        handler: Handler,
        fallback: Callable[[], asyncio.Protocol],
        *,
        idle_seconds: float,
        clock: Clock,
        maximum_connections: int = MAXIMUM_CONNECTIONS,
        count_others: Callable[[], int] = lambda: 0,
    ) -> None:
        self.handler = handler
        self.fallback = fallback
        self.idle_seconds = idle_seconds
        self.connections: set[PlainConnection] = set()
        self._clock = clock
        self._maximum = maximum_connections
        self._count_others = count_others
        self._second = 0
        self._date = ""

    def __call__(self) -> PlainConnection:
        return PlainConnection(self)

    def has_room(self, now: float) -> bool:
        """Tell whether one more connection can stay, after making room for it if need be.

        Args:
            now: Time of the loop, in seconds.
        """
        if len(self.connections) + self._count_others() < self._maximum:
            return True
        before = now - _IDLE_ENOUGH_SECONDS
        idle = [one for one in self.connections if one.idle_since <= before]
        if not idle:
            return False
        min(idle, key=lambda one: one.idle_since).end()
        return True

    def date(self) -> str:
        """Return the time as a `Date` header has it."""
        now = self._clock.now()
        second = int(now.timestamp())
        if second != self._second:
            self._second, self._date = second, format_datetime(now, usegmt=True)
        return self._date

    def end_idle(self) -> None:
        """Close connections that wait for a request; the others close behind their answer."""
        for one in tuple(self.connections):
            one.end()

    async def shutdown(self, grace_seconds: float) -> None:
        """Let running requests end for a while, then close what is left."""
        running = {one.task for one in self.connections if one.task is not None}
        if running:
            await asyncio.wait(running, timeout=grace_seconds)
        for one in tuple(self.connections):
            one.abort()


class PlainConnection(asyncio.Protocol):
    """One connection; see the rules of the module.

    Attributes:
        task: Answers the request that has its turn.
    """

    __slots__ = (
        "_ahead", "_certificate", "_ending", "_headers", "_idle", "_loop", "_refused", "_remote",
        "_server", "_since", "_transport", "_writable", "task",
    )  # fmt: skip

    _transport: asyncio.Transport

    def __init__(self, server: PlainServer) -> None:
        self.task: asyncio.Task[None] | None = None
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._headers = HeaderReader()
        self._ahead = b""
        self._ending = False
        self._refused = False
        self._writable = True

    @property
    def idle_since(self) -> float:
        """When its last answer left, in seconds of the loop; never if it is busy or goes anyway."""
        busy = self.task is not None or self._ending or self._refused
        return math.inf if busy else self._since

    @property
    def _patience(self) -> float:
        return REFUSED_SECONDS if self._refused else self._server.idle_seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclass
        tcp_keepalive(self._transport)
        peer = transport.get_extra_info("peername")
        self._remote = str(peer[0]) if isinstance(peer, tuple) else None
        self._certificate = peer_certificate(transport)
        self._since = self._loop.time()
        self._refused = not self._server.has_room(self._since)
        self._server.connections.add(self)
        self._idle = self._loop.call_later(self._patience, self._end_if_idle)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - inherited
        self._leave()
        if self.task is not None:
            self.task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            self._refuse()
        elif self.task is not None or not self._writable:
            self._ahead += data
            if len(self._ahead) > MAX_PLAIN_BYTES:
                self._transport.pause_reading()
        else:
            self._take(data)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self.task is None:
            self._take_ahead()

    def end(self) -> None:
        """Close, at once or behind the answer that is being made."""
        self._ending = True
        if self.task is None:
            self._transport.close()

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()

    def _refuse(self) -> None:
        """Tell the client to come back (rule 4); what it asked does not matter."""
        if not self._ending:
            self._ending = True
            response = status_response(too_busy())
            self._transport.write(encode_response(response, date=self._server.date(), close=True))
            self._transport.close()

    def _take(self, data: bytes) -> None:
        parsed = parse_plain(data, self._headers)
        if parsed is None:
            self._hand_over(data)
            return
        request, end = parsed
        request.remote, request.certificate = self._remote, self._certificate
        self._ahead = data[end:]
        self.task = self._loop.create_task(self._answer(request))

    def _take_ahead(self) -> None:
        if self._ahead and not self._transport.is_closing():
            ahead, self._ahead = self._ahead, b""
            self._transport.resume_reading()
            self._take(ahead)

    async def _answer(self, request: PlainRequest) -> None:
        response = await self._server.handler(request)
        if not isinstance(response, web.Response):
            raise TypeError("a stream answers a plain request")
        close = self._ending or not (request.keeps_alive and response.keep_alive is not False)
        self.task = None
        self._since = self._loop.time()
        self._transport.write(encode_response(response, date=self._server.date(), close=close))
        if close:
            self._transport.close()
        elif self._ahead and self._writable:
            self._take_ahead()

    def _hand_over(self, data: bytes) -> None:
        self._leave()
        protocol = self._server.fallback()
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(data)

    def _leave(self) -> None:
        self._idle.cancel()
        self._server.connections.discard(self)

    def _end_if_idle(self) -> None:
        left = self._since + self._patience - self._loop.time()
        if self.task is not None:
            left = self._server.idle_seconds
        if left > 0:
            self._idle = self._loop.call_later(left, self._end_if_idle)
        else:
            self._transport.close()
