"""The network of a pod: its own ports, the way to the API, the way in for probes."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from runtime.contract import SOON, pod, sandbox_of
from runtime.embedded_rig import EmbeddedRig, embedded_rig

from podpass.kubelet.runtime.interface import SandboxID
from podpass.kubelet.runtime.socket_path import short_address

SERVICE = ("172.30.0.1", 443)
_TALK = """
import socket, sys, threading
s = socket.create_connection(("172.30.0.1", 443))
got = bytearray()
def read():
    while chunk := s.recv(65536): got.extend(chunk)
t = threading.Thread(target=read); t.start()
data = bytes(range(256)) * 8192
s.sendall(data); s.shutdown(socket.SHUT_WR); t.join()
sys.exit(0 if bytes(got) == data + b"bye" else 1)
"""


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[EmbeddedRig]:
    async with embedded_rig(tmp_path) as made:
        yield made


@asynccontextmanager
async def echo_server(path: Path) -> AsyncIterator[list[int]]:
    """Serve an echo on a unix socket that says bye; yields the bytes of each connection."""
    sizes: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = 0
        while chunk := await reader.read(65536):
            size += len(chunk)
            writer.write(chunk)
            await writer.drain()
        writer.write(b"bye")
        await writer.drain()
        sizes.append(size)
        writer.close()
        await writer.wait_closed()

    listener = socket.socket(socket.AF_UNIX)
    with short_address(str(path)) as address:
        listener.bind(address)
    server = await asyncio.start_unix_server(serve, sock=listener)
    try:
        yield sizes
    finally:
        server.close()
        await server.wait_closed()


async def get(rig: EmbeddedRig, sandbox_id: SandboxID, port: int) -> bytes:
    """Ask the web server in a pod for its page."""
    async with asyncio.timeout(SOON):
        while True:
            try:
                descriptor = await rig.runtime.connect(sandbox_id, port)
            except ConnectionError:
                await asyncio.sleep(0.01)
                continue
            break
    with socket.socket(fileno=descriptor) as client:
        client.settimeout(SOON)
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        page = b""
        while chunk := client.recv(65536):
            page += chunk
    return page


async def test_two_pods_serve_the_same_port_on_one_node(rig: EmbeddedRig) -> None:
    sandboxes = []
    for name in ("one", "two"):
        sandbox_id = await rig.runtime.run_pod_sandbox(pod(rig.directory, name))
        config = replace(rig.container(name), image="nginx:1.25", command=(), env={})
        container_id = await rig.runtime.create_container(sandbox_id, config)
        await rig.runtime.start_container(container_id)
        sandboxes.append(sandbox_id)
    for sandbox_id in sandboxes:
        page = await get(rig, sandbox_id, 80)
        assert b"200 OK" in page
        assert b"Welcome to nginx!" in page
    await rig.logged(config, "GET / HTTP/1.0")


async def test_nginx_ends_cleanly_and_serves_as_another_user_too(rig: EmbeddedRig) -> None:
    sandbox_id = await rig.runtime.run_pod_sandbox(pod(rig.directory))
    config = replace(
        rig.container("main"), image="nginx", command=(), env={}, run_as_user=101, run_as_group=101
    )
    container_id = await rig.runtime.create_container(sandbox_id, config)
    await rig.runtime.start_container(container_id)
    assert b"200 OK" in await get(rig, sandbox_id, 80)
    await rig.runtime.stop_container(container_id, SOON)
    [status] = await rig.runtime.list_containers()
    assert (status.exit_code, status.reason) == (0, "Completed")


async def test_the_service_address_leads_to_the_first_api_server_that_answers(
    rig: EmbeddedRig,
) -> None:
    deep = rig.directory / ("d" * 120)  # longer than the address of a unix socket may be
    deep.mkdir()
    away, here = rig.directory / "away.sock", deep / "here.sock"
    async with echo_server(away):
        pass  # the file stays, and refuses
    sandbox = replace(pod(rig.directory), service_address=SERVICE, api_endpoints=(away, here, away))
    config = replace(rig.container("main"), image="python", command=("python3", "-c", _TALK))
    async with echo_server(here) as sizes:
        status = await rig.result(config, sandbox)
    assert (status.exit_code, sizes) == (0, [256 * 8192])


async def test_many_connections_are_relayed_at_once(rig: EmbeddedRig) -> None:
    many = (
        "import socket\n"
        "all = [socket.create_connection(('172.30.0.1', 443)) for _ in range(100)]\n"
        "for n, s in enumerate(all): s.sendall(b'%d' % n)\n"
        "for n, s in reversed(list(enumerate(all))):\n"
        "    s.shutdown(socket.SHUT_WR)\n"
        "    got = b''\n"
        "    while chunk := s.recv(100): got += chunk\n"
        "    assert got == b'%dbye' % n, got\n"
    )
    path = rig.directory / "api.sock"
    sandbox = replace(pod(rig.directory), service_address=SERVICE, api_endpoints=(path,))
    config = replace(rig.container("main"), image="python", command=("python3", "-c", many))
    async with echo_server(path) as sizes:
        status = await rig.result(config, sandbox)
    assert status.exit_code == 0, rig.log(config)
    assert len(sizes) == 100


async def test_without_an_api_server_the_connection_ends(rig: EmbeddedRig) -> None:
    sandbox = replace(
        pod(rig.directory), service_address=SERVICE, api_endpoints=(rig.directory / "no.sock",)
    )
    code = "import socket; print(socket.create_connection(('172.30.0.1', 443)).recv(1))"
    config = replace(rig.container("main"), image="python", command=("python3", "-c", code))
    assert await rig.output(config, sandbox) == "b''\n"


async def test_a_pod_has_its_address_and_no_way_to_the_node(rig: EmbeddedRig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = (
            "import socket\n"
            "s = socket.create_server(('10.88.0.7', 81))\n"
            "socket.create_connection(('10.88.0.7', 81))\n"
            "print(s.accept()[1][0])\n"
            f"print(socket.socket().connect_ex(('127.0.0.1', {port})))\n"
            "print(open('/proc/net/dev').read().count(':'))\n"
        )
        config = replace(rig.container("main"), image="python", command=("python3", "-c", code))
        assert (await rig.output(config)).split() == ["10.88.0.7", "111", "1"]


async def test_with_the_nodes_network_a_container_reaches_the_node(rig: EmbeddedRig) -> None:
    sandbox = replace(pod(rig.directory), host_network=True, pod_ip=None, hostname="node-7")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = (
            f"import socket; socket.create_connection(('127.0.0.1', {port})); "
            "print(socket.gethostname())"
        )
        config = replace(rig.container("main"), image="python", command=("python3", "-c", code))
        assert await rig.output(config, sandbox) == "node-7\n"
        [status] = await rig.runtime.list_pod_sandboxes()
        with socket.socket(fileno=await rig.runtime.connect(status.id, port)) as client:
            assert client.getpeername() == server.getsockname()
    assert socket.gethostname() != "node-7"


async def test_containers_of_a_pod_share_its_network(rig: EmbeddedRig) -> None:
    sandbox_id = await rig.runtime.run_pod_sandbox(pod(rig.directory))
    config = replace(rig.container("web"), image="nginx", command=(), env={})
    await rig.runtime.start_container(await rig.runtime.create_container(sandbox_id, config))
    await get(rig, sandbox_id, 80)
    code = "import socket; socket.create_connection(('127.0.0.1', 80))"
    config = replace(rig.container("main"), image="python", command=("python3", "-c", code))
    container_id = await rig.runtime.create_container(sandbox_id, config)
    await rig.runtime.start_container(container_id)
    await rig.runtime.wait_for_change(SOON)
    statuses = {s.id: s for s in await rig.runtime.list_containers()}
    while statuses[container_id].exit_code is None:
        await rig.runtime.wait_for_change(SOON)
        statuses = {s.id: s for s in await rig.runtime.list_containers()}
    assert statuses[container_id].exit_code == 0, rig.log(config)


async def test_podpass_itself_runs_with_the_nodes_network(rig: EmbeddedRig) -> None:
    sandbox = replace(pod(rig.directory), host_network=True, pod_ip=None)
    config = replace(rig.container("main"), image="podpass", command=(), args=("--version",))
    assert (await rig.output(config, sandbox)).startswith("podpass, version")


async def test_a_lost_sandbox_is_not_ready(rig: EmbeddedRig) -> None:
    sandbox_id = await rig.runtime.run_pod_sandbox(pod(rig.directory))
    record = (rig.directory / "runtime/sandboxes" / sandbox_id / "state.json").read_text()
    await rig.runtime.wait_for_change(0)
    os.kill(int(record.split(":")[1].split(",")[0]), 9)
    await asyncio.wait_for(rig.runtime.wait_for_change(60), SOON)
    status = await sandbox_of(rig.runtime, sandbox_id)
    assert status.state.value == "not ready"
