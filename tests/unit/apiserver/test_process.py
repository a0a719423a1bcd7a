"""The server as its own processes: shared address, unix socket, stop, and clear refusals."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest
from apiserver.api_calls import CONFIG_MAPS, call, config_map
from apiserver.server_process import arguments, free_port, running, start

from podpass.testing.api_server import TestPki


async def refused(*given: str) -> tuple[int | None, str]:
    """Return exit code and words of a server that should not start."""
    process = await start(*given)
    try:
        async with asyncio.timeout(30):
            _, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    return process.returncode, err.decode()


def session(pki: TestPki, url: str) -> aiohttp.ClientSession:
    # Every request on a connection of its own: the kernel chooses a server for each.
    connector = aiohttp.TCPConnector(ssl=pki.client_context("admin"), force_close=True)
    return aiohttp.ClientSession(url, connector=connector)


async def test_two_servers_share_an_address_and_a_store(pki: TestPki, tmp_path: Path) -> None:
    # 127.0.0.1 is in the certificate; the own addresses need no client here.
    port = free_port()
    own = (
        "--bind-address=127.0.0.1",
        "--bind-address=127.0.0.21",
        "--advertise-address=127.0.0.21",
    )
    other = [one.replace("127.0.0.21", "127.0.0.22") for one in own]
    async with (
        running(*arguments(pki, tmp_path, port, *own)) as first,
        running(*arguments(pki, tmp_path, port, *other)),
        session(pki, f"https://127.0.0.1:{port}") as admin,
    ):
        for index in range(10):
            body = config_map(f"c{index}")
            await call(admin, "POST", CONFIG_MAPS, body, expect=201)
            answer = await call(admin, "GET", CONFIG_MAPS)
            assert len(answer["items"]) == index + 1
        first.send_signal(signal.SIGTERM)
        assert await first.wait() == 0
        for _ in range(10):
            assert len((await call(admin, "GET", CONFIG_MAPS))["items"]) == 10


async def test_the_unix_socket_speaks_tls_and_knows_the_client(
    pki: TestPki, tmp_path: Path
) -> None:
    path = tmp_path / "api.sock"
    options = arguments(pki, tmp_path, free_port(), f"--unix-socket={path}")
    async with running(*options):
        reader, writer = await asyncio.open_unix_connection(
            str(path), ssl=pki.client_context("admin"), server_hostname="localhost"
        )
        writer.write(b"GET /api/v1/nodes HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        writer.close()
    assert not path.exists()


async def test_an_interrupt_ends_watches_and_the_server(pki: TestPki, tmp_path: Path) -> None:
    port = free_port()
    async with (
        running(*arguments(pki, tmp_path, port)) as process,
        session(pki, f"https://127.0.0.1:{port}") as admin,
        admin.get("/api/v1/namespaces?watch=1") as response,
    ):
        await response.content.readline()
        process.send_signal(signal.SIGINT)
        await response.content.read()
        assert await process.wait() == 0


async def test_a_client_certificate_of_another_ca_ends_the_handshake(
    pki: TestPki, tmp_path: Path
) -> None:
    stranger = TestPki.make(tmp_path / "other")
    context = pki.client_context()
    context.load_cert_chain(*stranger.client("admin"))
    port = free_port()
    async with running(*arguments(pki, tmp_path, port)):
        connector = aiohttp.TCPConnector(ssl=context)
        async with aiohttp.ClientSession(connector=connector) as eve:
            with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
                await eve.get(f"https://127.0.0.1:{port}/version")


async def test_a_port_in_use_is_one_clear_line(pki: TestPki, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, err = await refused(*arguments(pki, tmp_path, port))
    assert code == 1
    assert err == f"Error: cannot listen on 127.0.0.1 port {port}: it is in use\n"


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--tls-cert-file=/nowhere/a.crt", "file/a.crt"),
        ("--service-account-key-file=/nowhere/a.pub", "file/a.pub"),
        ("--storage=sqlite:///nowhere/x.db", "file"),
        ("--bind-address=192.0.2.1", "192.0.2.1"),
        ("--unix-socket=/nowhere/api.sock", "file/api.sock"),
    ],
)
async def test_what_cannot_be_used_is_one_clear_line(
    pki: TestPki, tmp_path: Path, option: str, words: str
) -> None:
    (tmp_path / "file").touch()
    given = option.replace("/nowhere", f"{tmp_path}/file")
    code, err = await refused(*arguments(pki, tmp_path, free_port(), given))
    assert code == 1
    assert len(err.strip().splitlines()) == 1
    assert words in err
