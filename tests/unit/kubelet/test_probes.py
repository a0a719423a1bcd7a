"""`kubelet.probes` and `kubelet.pod_probes`: one attempt, and what attempts add up to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from podpass.api.resources import Object
from podpass.kubelet.events import PodEvents
from podpass.kubelet.pod_probes import PodProbes
from podpass.kubelet.probes import ProbeTarget, attempt
from podpass.kubelet.runtime.interface import (
    ContainerConfig,
    ContainerStatus,
    ExecResult,
    SandboxConfig,
)
from podpass.testing.api_server import TestPki
from podpass.testing.event_list import EventList
from podpass.testing.fake_clock import FakeClock, settle
from podpass.testing.fake_runtime import FakeRuntime


class Container:
    """A running container of the pod `p`."""

    def __init__(self, runtime: FakeRuntime, status: ContainerStatus) -> None:
        self.runtime = runtime
        self.status = status
        self.target = ProbeTarget(status.sandbox_id, status.id, None, {"web": 80})


@pytest.fixture
async def container(tmp_path: Path) -> Container:
    runtime = FakeRuntime()
    sandbox = await runtime.run_pod_sandbox(
        SandboxConfig("ns", "p", "u", 0, "p", host_network=False, log_directory=tmp_path)
    )
    made = await runtime.create_container(
        sandbox, ContainerConfig("c", 0, "nginx", log_path=tmp_path / "log")
    )
    await runtime.start_container(made)
    return Container(runtime, runtime.container("c"))


@asynccontextmanager
async def answering(answer: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[Any]:
    """Serve one fixed answer; yields the server's port and the requests that came."""
    requests: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], requests
    finally:
        server.close()
        await server.wait_closed()


OK = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(OK, None, id="200"),
        pytest.param(b"HTTP/1.1 399 X\r\n\r\n", None, id="399"),
        pytest.param(b"HTTP/1.1 400 X\r\n\r\n", "HTTP probe failed with statuscode: 400", id="400"),
        pytest.param(b"SSH-2.0\r\n", "the answer is not HTTP", id="not HTTP"),
        pytest.param(b"", "the answer is not HTTP", id="nothing"),
    ],
)
async def test_http(container: Container, answer: bytes, message: str | None) -> None:
    async with answering(answer) as (port, requests):
        container.runtime.listen("p", 80, port)
        probe = {"httpGet": {"port": 80, "path": "/ready"}}
        result = await attempt(container.runtime, container.target, probe)
    assert (result.success, result.message) == (message is None, message or "")
    assert requests[0].startswith("GET /ready HTTP/1.1\r\nHost: 127.0.0.1:80\r\n")


async def test_http_with_all_that_can_be_said(container: Container) -> None:
    async with answering(OK) as (port, requests):
        container.runtime.listen("p", 80, port)
        action = {"port": "web", "path": "x", "httpHeaders": [{"name": "Host", "value": "h"}]}
        result = await attempt(container.runtime, container.target, {"httpGet": action})
    assert result.success
    assert requests[0].startswith("GET /x HTTP/1.1\r\nHost: h\r\n")


async def test_https_is_not_verified(container: Container, tmp_path: Path) -> None:
    pki = TestPki.make(tmp_path / "pki")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pki.directory / "apiserver.crt", pki.directory / "apiserver.key")
    async with answering(OK, context) as (port, _):
        container.runtime.listen("p", 443, port)
        action = {"port": 443, "scheme": "HTTPS"}
        result = await attempt(container.runtime, container.target, {"httpGet": action})
        assert result.success
        plain = await attempt(container.runtime, container.target, {"httpGet": {"port": 443}})
        assert not plain.success


@pytest.mark.parametrize("kind", ["httpGet", "tcpSocket"])
async def test_a_pod_on_the_nodes_network_is_reached_at_the_node(
    container: Container, kind: str
) -> None:
    target = replace(container.target, host_address="127.0.0.1")
    async with answering(OK) as (port, _):
        assert (await attempt(container.runtime, target, {kind: {"port": port}})).success
        named = {kind: {"port": port, "host": "127.0.0.1"}}
        assert (await attempt(container.runtime, container.target, named)).success
    refused = await attempt(container.runtime, target, {kind: {"port": port}})
    where = (
        f"dial tcp 127.0.0.1:{port}" if kind == "tcpSocket" else f'Get "http://127.0.0.1:{port}/"'
    )
    assert (refused.success, refused.message) == (False, f"{where}: connect: connection refused")


async def test_tcp(container: Container) -> None:
    async with answering(OK) as (port, _):
        container.runtime.listen("p", 80, port)
        probe = {"tcpSocket": {"port": "80"}}
        assert (await attempt(container.runtime, container.target, probe)).success
    other = await attempt(container.runtime, container.target, {"tcpSocket": {"port": 81}})
    assert not other.success


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        pytest.param({"tcpSocket": {"port": "none"}}, "no port named 'none'", id="port name"),
        pytest.param({"x": {"port": 1}}, "no handler that is served", id="handler"),
    ],
)
async def test_probes_that_cannot_be_tried(
    container: Container, probe: Object, message: str
) -> None:
    result = await attempt(container.runtime, container.target, probe)
    assert not result.success
    assert message in result.message


async def test_a_server_that_is_silent_fails_in_time(container: Container) -> None:
    silent = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    container.runtime.listen("p", 80, server.sockets[0].getsockname()[1])
    probe = {"httpGet": {"port": 80}, "timeoutSeconds": 0.05}
    result = await attempt(container.runtime, container.target, probe)
    assert (result.success, result.message) == (
        False,
        'Get "http://127.0.0.1:80/": no answer within 0.05 s',
    )
    silent.set()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    ("command", "success", "message"),
    [
        pytest.param(["true"], True, "", id="succeeds"),
        pytest.param(["cat", "/x"], False, "cat: /x: No such file or directory\n", id="fails"),
    ],
)
async def test_exec(container: Container, command: list[str], success: bool, message: str) -> None:
    result = await attempt(container.runtime, container.target, {"exec": {"command": command}})
    assert (result.success, result.message) == (success, message)


async def test_exec_in_a_container_that_ended(container: Container) -> None:
    container.runtime.exit_container("c")
    result = await attempt(container.runtime, container.target, {"exec": {"command": ["true"]}})
    assert not result.success


class Watching:
    """A pod's probes on a clock that stands still."""

    def __init__(self, container: Container, **probes: Object) -> None:
        self.container = container
        self.clock = FakeClock()
        self.healthy = True
        self.changes = 0
        self.told = EventList()
        container.runtime.on_exec = lambda _config, _command: ExecResult(
            0 if self.healthy else 1, b"", b"oh"
        )
        self.spec = {"name": "c"} | probes
        self.pod: Object = {"metadata": {"name": "p"}, "spec": {"containers": [self.spec]}}
        self.probes = PodProbes(container.runtime, self.clock, "127.0.0.1", self.changed)

    def changed(self) -> None:
        self.changes += 1

    async def follow(self, *, running: bool = True) -> None:
        events = PodEvents(self.told, self.pod)
        pairs = [(self.spec, self.container.status)] if running else []
        self.probes.follow(self.pod, pairs, events)
        await settle()

    @property
    def state(self) -> tuple[bool, bool, str]:
        status = self.container.status
        return (
            self.probes.started(status), self.probes.ready(status), self.probes.dead(status),
        )  # fmt: skip


COMMAND = {"exec": {"command": ["check"]}, "periodSeconds": 10}


async def test_a_container_without_probes_is_ready_at_once(container: Container) -> None:
    watching = Watching(container)
    assert watching.state == (False, False, "")
    await watching.follow()
    assert watching.state == (True, True, "")
    watching.probes.close()
    assert watching.state == (False, False, "")


async def test_readiness_comes_and_goes(container: Container) -> None:
    watching = Watching(container, readinessProbe=COMMAND | {"failureThreshold": 2})
    watching.healthy = False
    await watching.follow()
    assert watching.state == (True, False, "")
    watching.healthy = True
    await watching.clock.advance(0.1)
    assert watching.state == (True, True, ""), "early attempts do not wait for the period"
    watching.healthy = False
    await watching.clock.advance(11)
    assert watching.state == (True, True, ""), "one failure is not enough"
    assert watching.told.lines == ["Warning Unhealthy Readiness probe failed: oh"]
    await watching.clock.advance(11)
    assert watching.state == (True, False, "")
    watching.probes.close()


async def test_startup_goes_first(container: Container) -> None:
    watching = Watching(container, startupProbe=COMMAND, livenessProbe=COMMAND)
    watching.healthy = False
    await watching.follow()
    assert watching.state == (False, False, "")
    watching.healthy = True
    await watching.clock.advance(1)
    assert watching.state == (True, True, "")
    watching.probes.close()


@pytest.mark.parametrize("kind", ["livenessProbe", "startupProbe"])
async def test_a_dead_container_must_be_restarted(container: Container, kind: str) -> None:
    watching = Watching(container, **{kind: COMMAND | {"failureThreshold": 2}})
    watching.healthy = False
    await watching.follow()
    await watching.clock.advance(30)
    name = kind.removesuffix("Probe")
    assert watching.state[2] == f"Container c failed {name} probe, will be restarted"
    assert watching.changes > 0
    await watching.follow(running=False)
    assert watching.state == (False, False, "")
    calls = len(watching.told.lines)
    await watching.clock.advance(60)
    assert len(watching.told.lines) == calls, "nobody probes what is gone"


async def test_probes_that_break_are_logged(
    container: Container, caplog: pytest.LogCaptureFixture
) -> None:
    watching = Watching(container, readinessProbe=COMMAND | {"periodSeconds": "often"})
    await watching.follow()
    assert "the probes of container c ended" in caplog.text
    watching.probes.close()
