"""A command in a container, or its own process, over a websocket, as kubectl speaks it.

Each message starts with the number of its channel: 0 stdin, 1 stdout, 2 stderr, 3 the final
Status, 4 the terminal's size; clients may send them as text, as the Python one does. In
`v5.channel.k8s.io` a message on channel 255 names a channel that the client has closed.

Source: Kubernetes `remotecommand` subprotocols, KEP 4006.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from podpass.kubelet.runtime.interface import ExecSession

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
CLOSE = 255
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
"""In the order in which they are chosen."""


def exit_status(exit_code: int) -> dict[str, Any]:
    """Return the Status that ends the stream; kubectl takes its exit code from it."""
    if exit_code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {exit_code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(exit_code)}]},
    }


def failure_status(message: str) -> dict[str, Any]:
    """Return the Status for a command that could not be started."""
    return {
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": "InternalError",
        "code": 500,
    }


async def serve(socket: web.WebSocketResponse, session: ExecSession) -> None:
    """Carry the streams until the command has ended or the client has gone, which ends it too."""
    feeder = asyncio.create_task(_feed(socket, session))
    command = asyncio.create_task(_run(socket, session))
    try:
        await asyncio.wait({feeder, command}, return_when=asyncio.FIRST_COMPLETED)
        if command.done():
            # Two readers of one socket would turn the closing handshake into an abnormal end.
            feeder.cancel()
            await asyncio.wait({feeder})
            status = exit_status(command.result())
            await socket.send_bytes(bytes([ERROR]) + orjson.dumps(status))
            await socket.close()
    except ConnectionError:
        pass  # the client has gone
    finally:
        if not command.done() or command.exception() is not None:
            await session.kill()
        feeder.cancel()
        command.cancel()
        await asyncio.gather(feeder, command, return_exceptions=True)


async def refuse(socket: web.WebSocketResponse, message: str) -> None:
    """Tell the client on the error channel why there is no command."""
    await socket.send_bytes(bytes([ERROR]) + orjson.dumps(failure_status(message)))
    await socket.close()


async def _run(socket: web.WebSocketResponse, session: ExecSession) -> int:
    """Send what the command prints; returns its exit code."""
    async for channel, data in session.output():
        await socket.send_bytes(bytes([channel]) + data)
    return await session.wait()


async def _feed(socket: web.WebSocketResponse, session: ExecSession) -> None:
    """Feed the command; returns once the client has gone."""
    async for message in socket:
        if message.type not in {WSMsgType.BINARY, WSMsgType.TEXT} or not message.data:
            continue
        raw = message.data.encode() if message.type is WSMsgType.TEXT else message.data
        channel, data = raw[0], raw[1:]
        if channel == STDIN and data:
            await session.write(data)
        elif channel == RESIZE:
            await resize(session, data)
        elif channel == CLOSE and data[:1] == bytes([STDIN]):
            await session.close_stdin()


async def resize(session: ExecSession, data: bytes) -> None:
    """Set the terminal to the size that a client sent, if it is one."""
    try:
        size = orjson.loads(data)
        width, height = int(size["Width"]), int(size["Height"])
    except (ValueError, TypeError, KeyError):
        return  # not a size
    await session.resize(width, height)
