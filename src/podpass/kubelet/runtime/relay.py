"""Copies bytes between pairs of sockets, many at a time, in one thread.

1. Nothing is read from a side while the other side still has to take what came before.
2. The end of one direction is passed on alone; the pair is closed when both have ended.
3. An error on either side closes the pair.
"""

# Runs in a small process: no pathlib, no contextlib.
# ruff: noqa: FBT003, SIM105
from __future__ import annotations

import select
import socket
from collections.abc import Callable

_CHUNK = 65536


class _Side:
    """One socket of a pair, and what waits to be written to it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.pending = b""
        self.source_ended = False  # the other side will send no more
        self.finished = False  # and that was passed on
        self.watched = 0  # epoll events that are asked for
        self.other = self

    @property
    def reads(self) -> bool:
        """Whether more may be read from here (rule 1)."""
        return not self.other.pending and not self.other.source_ended


class Relay:
    """A loop over listeners and pairs.

    Attributes:
        poll: Where listeners and pairs are registered.
    """

    def __init__(self) -> None:
        self.poll = select.epoll()
        self._listeners: dict[int, Callable[[], None]] = {}
        self._sides: dict[int, _Side] = {}

    def listen(self, listener: socket.socket, on_readable: Callable[[], None]) -> None:
        """Call `on_readable` whenever a connection waits at `listener`."""
        self._listeners[listener.fileno()] = on_readable
        self.poll.register(listener.fileno(), select.EPOLLIN)

    def join(self, first: socket.socket, second: socket.socket) -> None:
        """Copy between two connected sockets from now on; they are closed here."""
        sides = _Side(first), _Side(second)
        sides[0].other, sides[1].other = sides[1], sides[0]
        for side in sides:
            side.connection.setblocking(False)
            self._sides[side.connection.fileno()] = side
            self._watch(side)

    def run(self) -> None:
        """Work until the process is killed."""
        while True:
            self.step()

    def close(self) -> None:
        """Close all pairs; listeners belong to the caller."""
        for side in list(self._sides.values()):
            self._close(side)
        self.poll.close()

    def step(self, timeout: float | None = None) -> None:
        """Wait for events, at most `timeout` seconds, and handle them."""
        for descriptor, events in self.poll.poll(timeout):
            if descriptor in self._listeners:
                self._listeners[descriptor]()
                continue
            side = self._sides.get(descriptor)
            if side is None:
                continue  # closed with its pair in this very round
            try:
                if side.pending and events & ~select.EPOLLIN:
                    self._write(side)
                if side.reads and events & ~select.EPOLLOUT and descriptor in self._sides:
                    self._read(side)
            except BlockingIOError:
                pass
            except OSError:
                self._close(side)

    def _read(self, side: _Side) -> None:
        data = side.connection.recv(_CHUNK)
        target = side.other
        target.pending = data
        target.source_ended = not data
        self._write(target)

    def _write(self, side: _Side) -> None:
        if side.pending:
            try:
                side.pending = side.pending[side.connection.send(side.pending) :]
            except BlockingIOError:
                pass
        if side.source_ended and not side.pending and not side.finished:
            side.finished = True
            side.connection.shutdown(socket.SHUT_WR)
        if side.finished and side.other.finished:
            self._close(side)
            return
        self._watch(side)
        self._watch(side.other)

    def _watch(self, side: _Side) -> None:
        """Wait for what this side can do next; for nothing at all when it can do nothing.

        A side that hung up would wake us for ever if it were only asked for no events.
        """
        events = (select.EPOLLOUT if side.pending else 0) | (select.EPOLLIN if side.reads else 0)
        descriptor = side.connection.fileno()
        if events == side.watched:
            return
        if not events:
            self.poll.unregister(descriptor)
        elif side.watched:
            self.poll.modify(descriptor, events)
        else:
            self.poll.register(descriptor, events)
        side.watched = events

    def _close(self, side: _Side) -> None:
        for closed in (side, side.other):
            descriptor = closed.connection.fileno()
            if self._sides.pop(descriptor, None):
                closed.connection.close()
