"""One attempt of a probe: HTTP, TCP, gRPC or a command in the container.

HTTP succeeds with 200 to 399; HTTPS is not verified, as in Kubernetes. Pods with a network of their
own are reached through the runtime, pods on the node's network at the node's address.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from podpass.api.resources import Object
from podpass.kubelet import grpc_probe
from podpass.kubelet.probe_threshold import timeout_seconds
from podpass.kubelet.runtime.interface import (
    ContainerGone,
    ContainerID,
    ExecResult,
    Runtime,
    RuntimeFailure,
    SandboxID,
)

MAX_MESSAGE = 10 * 1024
"""Bytes of an answer or a command's output that go into an event (Kubernetes: 10 KiB)."""
_HTTP_SUCCESS = range(200, 400)


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """The container that is probed.

    Attributes:
        sandbox_id: Its sandbox.
        container_id: The container.
        host_address: Where it listens if it shares the node's network; else None.
        ports: Port name to number, of the container.
    """

    sandbox_id: SandboxID
    container_id: ContainerID
    host_address: str | None
    ports: dict[str, int]


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What an attempt found; the message is for the event of a failure."""

    success: bool
    message: str = ""


async def attempt(runtime: Runtime, target: ProbeTarget, probe: Object) -> ProbeResult:
    """Try the probe once, within its `timeoutSeconds`."""
    limit = timeout_seconds(probe)
    check: Callable[[], Awaitable[ProbeResult]]
    if "exec" in probe:
        return await _command(runtime, target, tuple(probe["exec"].get("command") or ()), limit)
    if "httpGet" in probe:
        check = lambda: _http(runtime, target, probe["httpGet"])  # noqa: E731 - one of two
    elif "tcpSocket" in probe:
        check = lambda: _tcp(runtime, target, probe["tcpSocket"])  # noqa: E731
    elif "grpc" in probe:
        check = lambda: _grpc(runtime, target, probe["grpc"])  # noqa: E731
    else:
        return ProbeResult(success=False, message="the probe has no handler that is served here")
    try:
        async with asyncio.timeout(limit):
            return await check()
    except TimeoutError:
        why = f"no answer within {limit:g} s"
    except OSError as error:
        why = f"connect: {os.strerror(error.errno).lower()}" if error.errno else str(error)
    except (RuntimeFailure, ValueError, EOFError) as error:
        why = str(error) or type(error).__name__
    return ProbeResult(success=False, message=f"{_where(target, probe)}: {why}")


def _where(target: ProbeTarget, probe: Object) -> str:
    """Return what an event calls the place that did not answer."""
    action = probe.get("httpGet") or probe.get("tcpSocket") or probe["grpc"]
    address = f"{action.get('host') or target.host_address or '127.0.0.1'}:{action['port']}"
    if "httpGet" not in probe:
        return f"dial tcp {address}"
    path = str(action.get("path") or "/").lstrip("/")
    return f'Get "{str(action.get("scheme") or "HTTP").lower()}://{address}/{path}"'


async def _command(
    runtime: Runtime, target: ProbeTarget, command: tuple[str, ...], limit: float
) -> ProbeResult:
    try:
        result: ExecResult = await runtime.exec_sync(target.container_id, command, limit)
    except TimeoutError:
        return ProbeResult(
            success=False, message=f"command timed out: {command!r} timed out after {limit:g}s"
        )
    except (ContainerGone, RuntimeFailure) as error:
        return ProbeResult(success=False, message=str(error))
    output = (result.stdout + result.stderr)[:MAX_MESSAGE].decode(errors="replace")
    return ProbeResult(success=result.exit_code == 0, message=output)


def _port(target: ProbeTarget, port: object) -> int:
    if isinstance(port, int):
        return port
    text = str(port)
    number = target.ports.get(text)
    if number is None:
        if not text.isdigit():
            raise ValueError(f"the container has no port named {text!r}")
        number = int(text)
    return number


async def _connect(
    runtime: Runtime, target: ProbeTarget, host: str | None, port: int
) -> socket.socket:
    """Return a connected, non-blocking socket."""
    if target.host_address is None and not host:
        connection = socket.socket(fileno=await runtime.connect(target.sandbox_id, port))
        connection.setblocking(False)  # noqa: FBT003 - the socket API
        return connection
    loop = asyncio.get_running_loop()
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)  # noqa: FBT003
        await loop.sock_connect(connection, (host or target.host_address, port))
    except BaseException:
        connection.close()
        raise
    return connection


async def _tcp(runtime: Runtime, target: ProbeTarget, action: Object) -> ProbeResult:
    connection = await _connect(runtime, target, action.get("host"), _port(target, action["port"]))
    connection.close()
    return ProbeResult(success=True)


async def _grpc(runtime: Runtime, target: ProbeTarget, action: Object) -> ProbeResult:
    port = _port(target, action["port"])
    connection = await _connect(runtime, target, None, port)
    try:
        reader, writer = await asyncio.open_connection(sock=connection)
    except BaseException:
        connection.close()
        raise
    try:
        authority = f"{target.host_address or '127.0.0.1'}:{port}"
        why = await grpc_probe.unhealthy(reader, writer, authority, action.get("service") or "")
        return ProbeResult(success=not why, message=why)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _http(runtime: Runtime, target: ProbeTarget, action: Object) -> ProbeResult:
    port = _port(target, action["port"])
    connection = await _connect(runtime, target, action.get("host"), port)
    context = _unverified_context() if action.get("scheme") == "HTTPS" else None
    try:
        reader, writer = await asyncio.open_connection(
            sock=connection, ssl=context, server_hostname="" if context else None
        )
    except BaseException:
        connection.close()
        raise
    try:
        writer.write(_request(action, target.host_address, port))
        await writer.drain()
        status_line = (await reader.readline()).decode(errors="replace").split(maxsplit=2)
        if len(status_line) < 2 or not status_line[1].isdigit():  # noqa: PLR2004
            return ProbeResult(success=False, message="the answer is not HTTP")
        status = int(status_line[1])
        if status in _HTTP_SUCCESS:
            return ProbeResult(success=True)
        return ProbeResult(success=False, message=f"HTTP probe failed with statuscode: {status}")
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


def _request(action: Object, host_address: str | None, port: int) -> bytes:
    headers = {"Host": f"{action.get('host') or host_address or '127.0.0.1'}:{port}"}
    headers |= {"User-Agent": "kube-probe/1.36", "Accept": "*/*", "Connection": "close"}
    headers |= {one["name"]: one["value"] for one in action.get("httpHeaders") or ()}
    path = action.get("path") or "/"
    lines = [f"GET {path if path.startswith('/') else '/' + path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _unverified_context() -> ssl.SSLContext:
    """TLS without verification: a probe asks whether something answers, not who it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
