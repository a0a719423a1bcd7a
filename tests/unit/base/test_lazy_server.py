"""A server is loaded by its first caller."""

from __future__ import annotations

import asyncio
import socket

import pytest

from podpass.base.lazy_server import listen, serve_on_demand


def test_a_port_that_is_taken_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with listen("127.0.0.1", port) as other:
            found = other.getsockname()[1]
            assert found != port
        assert f"port {port} of 127.0.0.1 is taken, {found} is used" in caplog.text


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(OSError, match="assign"):
        listen("192.0.2.1", 0)


async def test_the_server_is_started_by_its_first_caller() -> None:
    started = asyncio.Event()

    async def start(_listener: socket.socket) -> None:
        started.set()

    with listen("127.0.0.1", 0) as listener:
        task = asyncio.create_task(serve_on_demand(listener, start))
        await asyncio.sleep(0)
        assert not started.is_set()
        _, writer = await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
        await asyncio.wait_for(started.wait(), 5)
        writer.close()
        await task
