"""A request that turns into SPDY: the answer 101, then bytes in both directions.

Older kubectl and oc do exec, attach and port-forward like this. The server does not look into the
bytes: the kubelet, which speaks SPDY, gets them in the messages of a websocket.

Source: apimachinery `util/httpstream`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import ClientWebSocketResponse, WSMsgType, web

from podpass.api import errors

UPGRADE = "SPDY/3.1"
TUNNEL_PREFIX = "SPDY/3.1+"
"""Starts the websocket subprotocol that carries SPDY; the name of the stream protocol follows."""

_VERSION_HEADER = "X-Stream-Protocol-Version"
_CHUNK = 1 << 16


def choose_protocol(request: web.BaseRequest, served: Sequence[str]) -> str:
    """Return the stream protocol to speak.

    Args:
        request: Offers some, best first.
        served: What we speak.

    Raises:
        StatusError: 403, none in common.
    """
    offers = ",".join(request.headers.getall(_VERSION_HEADER, ()))
    offered = [one.strip() for one in offers.split(",") if one.strip()]
    for one in offered:
        if one in served:
            return one
    raise errors.StatusError(
        403,
        "Forbidden",
        f"unable to upgrade: unable to negotiate protocol: client supports {offered}, "
        f"server accepts {list(served)}",
    )


class _Carrier(asyncio.StreamReaderProtocol):
    """Takes a connection over from the HTTP server, which is told of its end."""

    def __init__(self, reader: asyncio.StreamReader, former: asyncio.BaseProtocol) -> None:
        super().__init__(reader)
        self._former = former

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._former.connection_lost(exc)


@asynccontextmanager
async def upgraded(
    request: web.BaseRequest, protocol: str
) -> AsyncIterator[tuple[web.StreamResponse, asyncio.StreamReader, asyncio.StreamWriter]]:
    """Answer 101 and hand over the connection; it is closed at the end.

    Args:
        request: The request; its client sends nothing before it has the answer.
        protocol: The stream protocol that was chosen.

    Raises:
        ConnectionError: The client is gone.
    """
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client is gone")
    response = web.StreamResponse(
        status=101,
        headers={"Connection": "Upgrade", "Upgrade": UPGRADE, _VERSION_HEADER: protocol},
    )
    await response.prepare(request)
    response.force_close()
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_CHUNK, loop=loop)
    carrier = _Carrier(reader, transport.get_protocol())
    transport.set_protocol(carrier)
    carrier.connection_made(transport)
    writer = asyncio.StreamWriter(transport, carrier, reader, loop)
    try:
        yield response, reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def relay_bytes(
    upstream: ClientWebSocketResponse, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Pass bytes both ways until one side closes."""

    async def up() -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                await upstream.send_bytes(data)

    async def down() -> None:
        with contextlib.suppress(ConnectionError):
            async for message in upstream:
                if message.type is WSMsgType.BINARY:
                    writer.write(message.data)
                    await writer.drain()

    tasks = {asyncio.create_task(up()), asyncio.create_task(down())}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
