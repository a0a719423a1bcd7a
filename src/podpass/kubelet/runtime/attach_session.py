"""The streams of a container's own process, seen from the kubelet; the shim has the other end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncGenerator
from pathlib import Path

from podpass.kubelet.runtime.container_streams import CHUNK, CLOSE, RESIZE, STDIN
from podpass.kubelet.runtime.interface import ContainerGone
from podpass.kubelet.runtime.socket_path import short_address

_NAME = "attach.sock"
_BACKLOG = 8


def listen(container: Path) -> socket.socket:
    """Make the socket of a container, for its shim.

    Raises:
        OSError: The directory is gone or full.
    """
    path = container / _NAME
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        with short_address(str(path)) as address:
            listener.bind(address)
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def attach(container: Path, *, tty: bool) -> AttachSession:
    """Connect to the shim of a container.

    Raises:
        ContainerGone: It has ended, or was started by a podpass that could not do this.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.setblocking(False)  # noqa: FBT003 - positional only
    try:
        with short_address(str(container / _NAME)) as address:
            connection.connect(address)
    except OSError as error:
        connection.close()
        raise ContainerGone(f"the container cannot be attached to: {error.strerror}") from error
    return AttachSession(connection, tty=tty)


class AttachSession:
    """A client of one container; made by `attach`."""

    def __init__(self, connection: socket.socket, *, tty: bool) -> None:
        self._connection = connection
        self._tty = tty
        self._ended = asyncio.Event()
        self._reading = False

    async def output(self) -> AsyncGenerator[tuple[int, bytes], None]:
        loop = asyncio.get_running_loop()
        self._reading = True
        try:
            while packet := await loop.sock_recv(self._connection, CHUNK + 1):
                yield packet[0], packet[1:]
        except OSError:
            pass  # the shim is gone, or we have let go
        finally:
            self._ended.set()
            self._connection.close()

    async def write(self, data: bytes) -> None:
        for start in range(0, len(data), CHUNK):
            await self._send(STDIN, data[start : start + CHUNK])

    async def close_stdin(self) -> None:
        await self._send(CLOSE, b"")

    async def resize(self, width: int, height: int) -> None:
        if self._tty:
            await self._send(RESIZE, struct.pack("HHHH", height, width, 0, 0))

    async def wait(self) -> int:
        await self._ended.wait()
        return 0

    async def kill(self) -> None:
        self._ended.set()
        if not self._reading:
            self._connection.close()
            return
        with contextlib.suppress(OSError):  # who reads closes it
            self._connection.shutdown(socket.SHUT_RDWR)

    async def _send(self, kind: int, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):  # the container takes no more
            await loop.sock_sendall(self._connection, bytes([kind]) + data)
