"""The streams of a container's own process, in its shim: to the log, and to whoever is attached.

A client connects to a socket of sequenced packets. It gets a packet for each piece of output, which
starts with the number of the stream, and sends packets that start with STDIN, RESIZE or CLOSE.

1. What is printed goes to the log first, then to all clients.
2. While a client is behind nothing is read from the container: a client that stops reading stops
   the container's output, one that goes away does not.
3. With `stdinOnce` the container's input ends with the input of the first client that sent some.
"""

# Runs in a small process: no pathlib, no contextlib; sockets and terminals only when needed.
# ruff: noqa: SIM105, PLC0415
from __future__ import annotations

import os
import select

from podpass.kubelet.runtime.cri_log import LogWriter

TYPE_CHECKING = False  # importing `typing` costs a megabyte in every shim
if TYPE_CHECKING:
    from socket import socket

STDIN, STDOUT, STDERR = 0, 1, 2
RESIZE = 4
CLOSE = 255
LISTENER = 3
"""Descriptor at which the shim finds the listening socket."""
CHUNK = 65536
_FAREWELL_MILLISECONDS = 2000
"""How long a client that is behind has to take the last output."""
_NUMBERS = {b"stdout": STDOUT, b"stderr": STDERR}


class _Client:
    """Somebody who is attached."""

    def __init__(self, connection: socket) -> None:
        self.connection = connection
        self.pending: list[bytes] = []
        self.typed = False

    def send(self) -> None:
        """Send what the socket takes now.

        Raises:
            OSError: The client is gone.
        """
        try:
            while self.pending:
                self.connection.send(self.pending[0])
                del self.pending[0]
        except BlockingIOError:
            pass


class ContainerStreams:
    """Moves bytes until the container's process has ended.

    Args:
        pid: The process.
        outputs: Descriptor to the name of its stream.
        stdin: Where its input goes; -1 for none.
        terminal: Whether that is the master side of a terminal.
        stdin_once: See rule 3.
        log: Takes the output.
    """

    def __init__(
        self,
        pid: int,
        outputs: dict[int, bytes],
        stdin: int,
        *,
        terminal: bool,
        stdin_once: bool,
        log: LogWriter,
    ) -> None:
        self._pid = pid
        self._outputs = dict(outputs)
        self._stdin = stdin
        self._terminal = terminal
        self._stdin_once = stdin_once
        self._log = log
        self._typed = b""  # input that the container has not taken yet
        self._clients: dict[int, _Client] = {}
        self._listener: socket | None = None
        for descriptor in {*outputs, stdin} - {-1}:
            os.set_blocking(descriptor, False)

    def run(self) -> int:
        """Work until the process has ended; return its wait status."""
        ended = os.pidfd_open(self._pid)
        while True:
            events = {number for number, _ in self._wait(ended)}
            for descriptor in events & self._clients.keys():
                self._serve(self._clients[descriptor])
            if self._stdin in events and self._typed:
                self._type()
            for descriptor in events & self._outputs.keys():
                if not self._copy(descriptor):
                    del self._outputs[descriptor]
            if LISTENER in events:
                self._accept()
            if ended in events:
                break
        self._finish()
        return os.waitpid(self._pid, 0)[1]

    def _wait(self, ended: int) -> list[tuple[int, int]]:
        waiting = select.poll()
        waiting.register(ended, select.POLLIN)
        waiting.register(LISTENER, select.POLLIN)
        wanted: dict[int, int] = {}
        if not any(client.pending for client in self._clients.values()):
            wanted = dict.fromkeys(self._outputs, select.POLLIN)
        if self._typed:
            wanted[self._stdin] = wanted.get(self._stdin, 0) | select.POLLOUT
        for descriptor, client in self._clients.items():
            wanted[descriptor] = (0 if self._typed else select.POLLIN) | (
                select.POLLOUT if client.pending else 0
            )
        for descriptor, events in wanted.items():
            if events:  # who hung up would wake us for ever otherwise
                waiting.register(descriptor, events)
        return waiting.poll()

    def _copy(self, descriptor: int) -> bool:
        """Move one piece of output; False when nothing more will come."""
        stream = self._outputs[descriptor]
        try:
            data = os.read(descriptor, CHUNK)
        except BlockingIOError:
            return True
        except OSError:  # EIO of a terminal that was closed
            return False
        if data:
            self._log.feed(stream, data)
            for client in list(self._clients.values()):
                client.pending.append(bytes((_NUMBERS[stream],)) + data)
                self._flush(client)
        return bool(data)

    def _finish(self) -> None:
        """Take what the process has printed last."""
        for descriptor, stream in self._outputs.items():
            while self._drain(descriptor, stream):
                pass
        for stream in _NUMBERS:
            self._log.feed(stream, b"")
        for client in self._clients.values():
            client.connection.setblocking(True)  # noqa: FBT003 - positional only
            client.connection.settimeout(_FAREWELL_MILLISECONDS / 1000)
            try:
                client.send()
            except OSError:
                pass  # gone, or too slow
            client.connection.close()

    def _drain(self, descriptor: int, stream: bytes) -> bool:
        try:
            data = os.read(descriptor, CHUNK)
        except OSError:
            return False
        if data:
            self._log.feed(stream, data)
            for client in self._clients.values():
                client.pending.append(bytes((_NUMBERS[stream],)) + data)
        return bool(data)

    def _accept(self) -> None:
        import _socket  # `socket` itself would double the memory of the shim

        if self._listener is None:
            self._listener = _socket.socket(fileno=LISTENER)  # type: ignore[assignment]
            self._listener.setblocking(False)  # type: ignore[union-attr]  # noqa: FBT003
        try:
            descriptor, _ = self._listener._accept()  # type: ignore[union-attr]  # noqa: SLF001
        except OSError:
            return
        connection = _socket.socket(fileno=descriptor)
        connection.setblocking(False)  # noqa: FBT003 - positional only
        self._clients[descriptor] = _Client(connection)  # type: ignore[arg-type]

    def _serve(self, client: _Client) -> None:
        self._flush(client)
        if self._typed:
            return
        try:
            packet = client.connection.recv(CHUNK + 1)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self._drop(client)
        elif packet[0] == STDIN and self._stdin >= 0:
            client.typed = True
            self._typed = packet[1:]
            self._type()
        elif packet[0] == CLOSE:
            client.typed = True
            self._end_input(client)
        elif packet[0] == RESIZE and self._terminal:
            self._resize(packet[1:])

    def _flush(self, client: _Client) -> None:
        try:
            client.send()
        except OSError:
            self._drop(client)

    def _drop(self, client: _Client) -> None:
        if self._clients.pop(client.connection.fileno(), None) is not None:
            client.connection.close()
            self._end_input(client)

    def _type(self) -> None:
        try:
            self._typed = self._typed[os.write(self._stdin, self._typed) :]
        except BlockingIOError:
            pass
        except OSError:
            self._close_input()  # the container takes no more

    def _end_input(self, client: _Client) -> None:
        """Follow rule 3; a terminal stays open."""
        if self._stdin_once and client.typed and not self._terminal:
            self._close_input()

    def _close_input(self) -> None:
        self._typed = b""
        if self._stdin >= 0 and not self._terminal:
            os.close(self._stdin)
            self._stdin = -1

    def _resize(self, size: bytes) -> None:
        import fcntl

        if len(size) == 8:  # noqa: PLR2004 - struct winsize
            try:
                fcntl.ioctl(self._stdin, 0x5414, size)  # TIOCSWINSZ
            except OSError:
                pass
