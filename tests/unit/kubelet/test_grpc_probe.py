"""A gRPC health check: what is asked, and what the answers mean."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from podpass.kubelet.probes import ProbeResult, ProbeTarget, attempt
from podpass.kubelet.runtime.interface import ContainerID, SandboxConfig
from podpass.testing.fake_runtime import FakeRuntime

DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7


def frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body) << 8 | kind) + struct.pack(">BI", flags, stream) + body


def message(body: bytes) -> bytes:
    return struct.pack(">BI", 0, len(body)) + body


GREETING = frame(SETTINGS, 0, 0, b"\0\3\0\0\0\x64") + frame(PING, 0, 0, b"12345678")
BEGIN = frame(HEADERS, 0x4, 1, b"\x88")
END = frame(HEADERS, 0x5, 1, b"\x40\x0bgrpc-status\x010")
SERVING = BEGIN + frame(DATA, 0, 1, message(b"\x08\x01")) + END


class Server:
    """Answers every connection with the same bytes, once it has a whole request."""

    def __init__(self) -> None:
        self.port = 0
        self.request = b""
        self.acknowledged: list[tuple[int, bytes]] = []

    @asynccontextmanager
    async def answering(self, answer: bytes) -> AsyncIterator[Server]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
            writer.write(GREETING)
            acknowledged = 0
            while acknowledged < 2 or not self.request:
                head, flags, _stream = struct.unpack(">IBI", await reader.readexactly(9))
                body = await reader.readexactly(head >> 8)
                if flags & 1 and head & 0xFF in (SETTINGS, PING):
                    acknowledged += 1
                    self.acknowledged.append((head & 0xFF, body))
                elif head & 0xFF == HEADERS:
                    assert b"/grpc.health.v1.Health/Check" in body
                elif head & 0xFF == DATA:
                    self.request = body
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            yield self


async def ask(directory: Path, port: int, **probe: object) -> ProbeResult:
    runtime = FakeRuntime()
    sandbox = await runtime.run_pod_sandbox(
        SandboxConfig("ns", "p", "u", 0, "p", host_network=False, log_directory=directory)
    )
    runtime.listen("p", 50051, port)
    target = ProbeTarget(sandbox, ContainerID("c"), None, {})
    action = {"grpc": {"port": 50051, **probe}, "timeoutSeconds": 5}
    return await attempt(runtime, target, action)


@pytest.mark.parametrize(
    ("service", "request_body"),
    [
        pytest.param("", b"", id="the server as a whole"),
        pytest.param("db", b"\x0a\x02db", id="a service"),
        pytest.param("x" * 200, b"\x0a\xc8\x01" + b"x" * 200, id="one with a long name"),
    ],
)
async def test_a_service_that_serves(tmp_path: Path, service: str, request_body: bytes) -> None:
    async with Server().answering(SERVING) as server:
        assert await ask(tmp_path, server.port, service=service) == ProbeResult(success=True)
    assert server.request == message(request_body)
    assert sorted(server.acknowledged) == [(SETTINGS, b""), (PING, b"12345678")]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(
            BEGIN + frame(DATA, 0, 1, message(b"\x08\x02")) + END,
            'service unhealthy (responded with "NOT_SERVING")',
            id="it does not serve",
        ),
        pytest.param(
            BEGIN + frame(DATA, 0, 1, message(b"")) + END,
            'service unhealthy (responded with "UNKNOWN")',
            id="it does not know",
        ),
        pytest.param(frame(HEADERS, 0x5, 1, b"\x88"), "does not know the service", id="a refusal"),
        pytest.param(frame(RESET, 0, 1, b"\0\0\0\7"), "refused the call", id="a reset"),
        pytest.param(frame(GOAWAY, 0, 0, b"\0" * 8), "refused the call", id="a farewell"),
        pytest.param(BEGIN, "bytes read", id="half an answer"),
        pytest.param(b"HTTP/1.1 400 Bad Request\r\n\r\n", "not HTTP/2", id="another protocol"),
    ],
)
async def test_a_service_that_does_not(tmp_path: Path, answer: bytes, words: str) -> None:
    async with Server().answering(answer) as server:
        result = await ask(tmp_path, server.port)
    assert not result.success
    assert words in result.message


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(
            frame(DATA, 0, 1, message(b"\x08\x01")[:3]) + frame(DATA, 0, 1, b"\0\2\x08\x01"),
            id="in pieces",
        ),
        pytest.param(
            frame(DATA, 0x8, 1, b"\x02" + message(b"\x08\x01") + b"\0\0"), id="with padding"
        ),
        pytest.param(frame(DATA, 0, 3, message(b"\x08\x02")) + SERVING, id="after something else"),
    ],
)
async def test_answers_may_come_in_other_shapes(tmp_path: Path, answer: bytes) -> None:
    async with Server().answering(BEGIN + answer + END) as server:
        assert (await ask(tmp_path, server.port)).success


async def test_nobody_listens(tmp_path: Path) -> None:
    runtime = FakeRuntime()
    sandbox = await runtime.run_pod_sandbox(
        SandboxConfig("ns", "p", "u", 0, "p", host_network=False, log_directory=tmp_path)
    )
    target = ProbeTarget(sandbox, ContainerID("c"), None, {})
    result = await attempt(runtime, target, {"grpc": {"port": 9}})
    assert not result.success
    assert result.message.startswith("dial tcp 127.0.0.1:9: ")
