"""`kubelet.server`: who may ask, what is answered, a command over a websocket."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import orjson
import pytest
from aiohttp import web

from podpass.api.errors import not_found
from podpass.api.resources import Object
from podpass.base.clock import SystemClock
from podpass.base.lazy_server import server_context
from podpass.bootstrap.certificates import ensure_authority, ensure_certificate
from podpass.kubelet.runtime.interface import (
    ContainerConfig,
    ContainerID,
    ExecResult,
    SandboxConfig,
    SandboxID,
)
from podpass.kubelet.server import REFUSAL, FoundContainer, FoundSandbox, KubeletServer
from podpass.testing.fake_runtime import FakeRuntime
from podpass.testing.spdy_client import SpdyClient


class OneContainer:
    """A directory with the container `default/p/c`."""

    def __init__(self, sandbox: SandboxID, container_id: ContainerID, log_path: Path) -> None:
        self.sandbox = sandbox
        self.found = FoundContainer(container_id, log_path, lambda: False)

    def find_container(
        self, namespace: str, pod: str, container: str, *, previous: bool = False
    ) -> FoundContainer:
        if (namespace, pod, container, previous) != ("default", "p", "c", False):
            raise not_found("pods", pod)
        return self.found

    def find_sandbox(self, namespace: str, pod: str) -> FoundSandbox:
        if (namespace, pod) != ("default", "p"):
            raise not_found("pods", pod)
        return FoundSandbox(self.sandbox, "u")

    def pods(self) -> list[Object]:
        return [{"metadata": {"name": "p"}}]


class Served:
    """A running server, its runtime, and clients of several users."""

    def __init__(self, url: str, runtime: FakeRuntime, pki: Path) -> None:
        self.url = url
        self.runtime = runtime
        self._pki = pki

    def session(self, user: str | None) -> aiohttp.ClientSession:
        context = ssl.create_default_context(cafile=str(self._pki / "ca.crt"))
        if user:
            context.load_cert_chain(self._pki / f"{user}.crt", self._pki / f"{user}.key")
        return aiohttp.ClientSession(base_url=self.url, connector=aiohttp.TCPConnector(ssl=context))


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pki")
    now = datetime.now(UTC) - timedelta(minutes=1)  # noqa: TID251 - TLS reads the real clock
    authority = ensure_authority(directory, now=now)
    ensure_certificate(authority, directory, "server", "n", now=now, addresses=["127.0.0.1"])
    ensure_certificate(
        authority, directory, "master", "api", now=now, organizations=["system:masters"]
    )
    ensure_certificate(authority, directory, "other", "someone", now=now)
    return directory


@pytest.fixture
async def served(pki: Path, tmp_path: Path) -> AsyncIterator[Served]:
    runtime = FakeRuntime()
    sandbox = await runtime.run_pod_sandbox(
        SandboxConfig("default", "p", "u", 0, "p", host_network=False, log_directory=tmp_path)
    )
    log_path = tmp_path / "c.log"
    container = await runtime.create_container(
        sandbox, ContainerConfig("c", 0, "nginx", log_path=log_path)
    )
    await runtime.start_container(container)
    log_path.write_bytes(b"2026-01-01T11:00:00.000000001Z stdout F hello\n")
    server = KubeletServer(OneContainer(sandbox, container, log_path), runtime, SystemClock())
    runner = web.AppRunner(server.app())
    await runner.setup()
    context = server_context(pki / "ca.crt")
    context.load_cert_chain(pki / "server.crt", pki / "server.key")
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    port = runner.addresses[0][1]
    yield Served(f"https://127.0.0.1:{port}", runtime, pki)
    await runner.cleanup()


@pytest.mark.rule("case.e2e.kubelet-anonymous")
@pytest.mark.parametrize(
    ("user", "path", "code"),
    [
        pytest.param(None, "/pods", 401, id="no certificate"),
        pytest.param("other", "/pods", 403, id="a certificate of another group"),
        pytest.param("master", "/pods", 200, id="the API server"),
        pytest.param(None, "/metrics", 401, id="metrics without a certificate"),
        pytest.param("other", "/metrics", 403, id="metrics for another group"),
        pytest.param("master", "/metrics", 200, id="metrics for the API server"),
        pytest.param(None, "/healthz", 200, id="health is for everyone"),
        pytest.param("master", "/containerLogs/default/q/c", 404, id="no such pod"),
        pytest.param("master", "/nothing", 404, id="no such path"),
        pytest.param("master", "/containerLogs/default/p/c?tailLines=x", 400, id="bad parameter"),
        pytest.param("master", "/exec/default/p/c?command=true", 400, id="exec without websocket"),
        pytest.param("master", "/exec/default/p/c", 400, id="exec without a command"),
        pytest.param("master", "/attach/default/p/c", 400, id="attach without websocket"),
        pytest.param("master", "/portForward/default/q", 404, id="ports of no pod"),
        pytest.param("master", "/portForward/default/p", 400, id="ports without websocket"),
        pytest.param("master", "/portForward/default/p?port=x", 400, id="a port that is none"),
    ],
)
async def test_answers(served: Served, user: str | None, path: str, code: int) -> None:
    async with served.session(user) as session, session.get(path) as answer:
        assert answer.status == code
        if code >= 400:
            status = orjson.loads(await answer.read())
            assert (status["kind"], status["code"]) == ("Status", code)


@pytest.mark.rule("case.e2e.kubelet-account")
async def test_a_token_of_the_cluster_opens_nothing(served: Served) -> None:
    token = {"Authorization": "Bearer an.accounts.token"}
    async with served.session(None) as session, session.get("/pods", headers=token) as answer:
        assert answer.status == 401


async def test_a_log_is_sent(served: Served) -> None:
    async with served.session("master") as session:
        answer = await session.get("/containerLogs/default/p/c")
        assert await answer.read() == b"hello\n"


async def run(served: Served, command: str, protocol: str) -> dict[int, bytes]:
    """Run a command over a websocket; returns what came on each channel."""
    received: dict[int, bytes] = {}
    async with (
        served.session("master") as session,
        session.ws_connect(
            f"/exec/default/p/c?command={command}&input=1&output=1&error=1", protocols=[protocol]
        ) as socket,
    ):
        assert socket.protocol == protocol
        await socket.send_bytes(b"\x00typed")
        await socket.send_bytes(b'\x04{"Width":80,"Height":24}')
        await socket.send_bytes(b"\xff\x00")
        async for message in socket:
            assert message.type is aiohttp.WSMsgType.BINARY
            channel = message.data[0]
            received[channel] = received.get(channel, b"") + message.data[1:]
    return received


@pytest.mark.parametrize("protocol", ["v5.channel.k8s.io", "v4.channel.k8s.io"])
async def test_a_command_prints_and_succeeds(served: Served, protocol: str) -> None:
    served.runtime.on_exec = lambda _config, _command: ExecResult(0, b"out", b"err")
    received = await run(served, "x", protocol)
    assert (received[1], received[2]) == (b"out", b"err")
    assert orjson.loads(received[3])["status"] == "Success"


async def test_an_exit_code_reaches_the_client(served: Served) -> None:
    served.runtime.on_exec = lambda _config, _command: ExecResult(3, b"", b"")
    status = orjson.loads((await run(served, "x", "v5.channel.k8s.io"))[3])
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


async def test_a_command_that_cannot_start_says_why(served: Served) -> None:
    served.runtime.exit_container("c")
    status = orjson.loads((await run(served, "x", "v5.channel.k8s.io"))[3])
    assert status["status"] == "Failure"
    assert "does not run" in status["message"]


async def test_a_refused_upgrade_says_why_in_a_header(served: Served) -> None:
    async with served.session("master") as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect("/portForward/default/p", protocols=["v1.nothing"])
        assert refused.value.headers is not None
        assert "client%20supports%20%5Bv1.nothing%5D" in refused.value.headers[REFUSAL]


async def test_ports_of_a_pod_are_forwarded(served: Served) -> None:
    async with (
        served.session("master") as session,
        session.ws_connect("/portForward/default/p?port=8", protocols=["v4.channel.k8s.io"]) as one,
    ):
        assert await one.receive_bytes() == b"\x00\x08\x00"
        assert await one.receive_bytes() == b"\x01\x08\x00"
        assert b"nobody listens on port 8" in await one.receive_bytes()


async def test_a_client_attaches(served: Served) -> None:
    async with (
        served.session("master") as session,
        session.ws_connect(
            "/attach/default/p/c?input=1&output=1", protocols=["v5.channel.k8s.io"]
        ) as socket,
    ):
        assert await socket.receive_bytes() == b"\x01output of c"
        assert orjson.loads((await socket.receive_bytes())[1:])["status"] == "Success"


async def test_spdy_gets_the_streams_that_the_query_asks_for(served: Served) -> None:
    served.runtime.on_exec = lambda _config, _command: ExecResult(0, b"out", b"err")
    tunnel = "SPDY/3.1+v4.channel.k8s.io"
    path = "/exec/default/p/c?command=x&output=1&error=1&tty=1"
    async with (
        served.session("master") as session,
        session.ws_connect(path, protocols=[tunnel]) as socket,
    ):
        client = SpdyClient(socket.send_bytes)
        streams = [await client.open(streamType=one) for one in ("error", "stdout", "resize")]
        async for message in socket:
            client.feed(message.data)
    assert client.received[streams[1]] == b"outerr", "a terminal has one output"
