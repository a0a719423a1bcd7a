"""Bytes between two sockets, with back-pressure and half-closed ends."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from podpass.kubelet.runtime.relay import Relay


class Line:
    """A relay between two outer sockets, driven by hand."""

    def __init__(self) -> None:
        self.relay = Relay()
        self.left, inner_left = socket.socketpair()
        inner_right, self.right = socket.socketpair()
        self.relay.join(inner_left, inner_right)
        for outer in (self.left, self.right):
            outer.settimeout(5)

    def work(self) -> None:
        for _ in range(50):
            self.relay.step(0)


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    for outer in (line.left, line.right):
        outer.close()
    line.relay.close()


def test_both_directions_are_copied(line: Line) -> None:
    line.left.sendall(b"ping")
    line.right.sendall(b"pong")
    line.work()
    assert (line.right.recv(10), line.left.recv(10)) == (b"ping", b"pong")


def test_the_end_of_one_direction_leaves_the_other_open(line: Line) -> None:
    line.left.sendall(b"ask")
    line.left.shutdown(socket.SHUT_WR)
    line.work()
    assert (line.right.recv(10), line.right.recv(10)) == (b"ask", b"")
    line.right.sendall(b"answer")
    line.work()
    assert line.left.recv(10) == b"answer"
    line.right.close()
    line.work()
    assert line.left.recv(10) == b""


def test_a_slow_reader_holds_the_writer_back_and_loses_nothing(line: Line) -> None:
    data = bytes(range(256)) * 16384
    line.left.setblocking(False)
    sent = 0
    for _ in range(100):
        try:
            sent += line.left.send(data[sent:])
        except BlockingIOError:
            line.work()
    assert sent < len(data)  # held back
    line.right.setblocking(False)
    got = bytearray()
    while len(got) < len(data):
        try:
            got += line.right.recv(65536)
        except BlockingIOError:
            line.work()
        try:
            sent += line.left.send(data[sent:]) if sent < len(data) else 0
        except BlockingIOError:
            line.work()
    assert bytes(got) == data


def test_the_other_direction_works_while_one_is_stuck(line: Line) -> None:
    line.left.setblocking(False)
    for _ in range(100):
        with contextlib.suppress(BlockingIOError):
            line.left.send(b"x" * 65536)
        line.work()
    line.right.sendall(b"news")
    line.work()
    assert line.left.recv(10) == b"news"


def test_a_side_that_vanishes_ends_the_pair(line: Line) -> None:
    line.left.close()
    line.work()
    line.right.sendall(b"anyone?")
    line.work()
    assert line.right.recv(10) == b""


def test_an_idle_half_closed_pair_costs_nothing(line: Line) -> None:
    line.left.close()
    line.work()
    assert line.relay.poll.poll(0) == []


def test_listeners_are_called(line: Line) -> None:
    calls: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line.relay.listen(listener, lambda: calls.append("called"))
        with socket.create_connection(listener.getsockname()):
            line.relay.step(5)
    assert calls == ["called"]
