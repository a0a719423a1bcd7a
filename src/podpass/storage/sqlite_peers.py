"""Wake-ups between the processes that share a store file: a datagram says "there is news".

1. Each process binds a socket with a random name in the directory; process ids would clash, as
   peers may live in other pid namespaces.
2. After a commit a byte is sent to every other socket of the directory. Nothing waits: a full
   queue means that the peer has a wake-up already.
3. A socket that nobody listens at is what a killed process left; it is removed.
4. Wake-ups only save time: who gets none still looks for news by himself.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

_LOG = logging.getLogger("podpass.storage")
_LONGEST_ADDRESS = 107  # bytes in sockaddr_un.sun_path, less the final zero
_SUFFIX = ".sock"
_DRAIN_BYTES = 16


class Peers:
    """This process's socket and those of the others.

    Args:
        directory: Where the sockets are; is made if missing.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._name = secrets.token_hex(6) + _SUFFIX
        self._descriptor = -1
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, loop: asyncio.AbstractEventLoop, on_news: Callable[[], None]) -> None:
        """Listen, and call `on_news` in `loop` when a peer has committed."""
        try:
            self._directory.mkdir(exist_ok=True, mode=0o700)
            self._descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            self._socket = listener
            listener.bind(self._address(self._name))
        except OSError as error:
            # 4: the store works without, a little slower.
            _LOG.warning("no wake-ups from other processes: %s: %s", self._directory, error)
            self.close()
            return
        self._loop = loop
        loop.add_reader(listener.fileno(), self._receive, listener, on_news)

    def notify(self) -> None:
        """Tell the others that there is news; callable from one thread beside the loop's."""
        own = self._socket
        if own is None:
            return
        try:
            names = os.listdir(self._descriptor)  # noqa: PTH208 - by descriptor, the path may be long
        except OSError:
            return
        for name in names:
            if name.endswith(_SUFFIX) and name != self._name:
                self._send(own, name)

    def close(self) -> None:
        """Stop listening and remove the socket."""
        own, self._socket = self._socket, None
        if own is not None:
            if self._loop is not None:
                self._loop.remove_reader(own.fileno())
            own.close()
            self._remove(self._name)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _send(self, own: socket.socket, name: str) -> None:
        try:
            own.sendto(b"!", self._address(name))
        except ConnectionRefusedError:
            self._remove(name)  # 3
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ENOENT):
                _LOG.debug("no wake-up to %s: %s", name, error)

    def _remove(self, name: str) -> None:
        try:
            os.unlink(name, dir_fd=self._descriptor)
        except OSError as error:
            if error.errno != errno.ENOENT:
                _LOG.debug("stale socket %s stays: %s", name, error)

    def _receive(self, listener: socket.socket, on_news: Callable[[], None]) -> None:
        try:
            while listener.recv(_DRAIN_BYTES):
                pass
        except BlockingIOError:
            on_news()

    def _address(self, name: str) -> bytes:
        address = os.fsencode(self._directory / name)
        if len(address) <= _LONGEST_ADDRESS:
            return address
        return os.fsencode(f"/proc/self/fd/{self._descriptor}/{name}")
