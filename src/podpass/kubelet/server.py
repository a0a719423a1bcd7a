"""The kubelet's HTTPS server: logs and commands, for the API server only.

1. No certificate of the cluster's CA: 401. A certificate without the group system:masters: 403.
2. Errors are `Status` objects.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import orjson
from aiohttp import web

from podpass.api.errors import StatusError, bad_request, internal, unauthorized
from podpass.api.resources import Object
from podpass.base.clock import Clock
from podpass.base.metrics import CONTENT_TYPE, Registry
from podpass.kubelet import exec_stream, port_forward, spdy_exec
from podpass.kubelet.container_logs import parse_log_options, read_log
from podpass.kubelet.runtime.interface import (
    ContainerID,
    ExecSession,
    Runtime,
    RuntimeFailure,
    SandboxID,
)

_LOG = logging.getLogger("kubelet.server")
_MASTERS = "system:masters"
REFUSAL = "X-Podpass-Refusal"
"""Header of a refused upgrade: the message, percent-encoded."""


@dataclass(frozen=True, slots=True)
class FoundContainer:
    """A container that a request names.

    Attributes:
        id: Its id.
        log_path: Its log.
        is_running: Tells whether it still runs.
    """

    id: ContainerID
    log_path: Path
    is_running: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class FoundSandbox:
    """The sandbox of a pod that a request names.

    Attributes:
        id: Its id.
        uid: UID of the pod.
    """

    id: SandboxID
    uid: str


class ContainerDirectory(Protocol):
    """Where the server finds pods and containers."""

    def find_container(
        self, namespace: str, pod: str, container: str, *, previous: bool = False
    ) -> FoundContainer:
        """Return the container, or its run before with `previous`.

        Raises:
            StatusError: 404 no such pod or container, 400 it has not started.
        """
        ...

    def find_sandbox(self, namespace: str, pod: str) -> FoundSandbox:
        """Return the sandbox of a pod that runs.

        Raises:
            StatusError: 404 no such pod, 400 it does not run.
        """
        ...

    def pods(self) -> list[Object]:
        """Return the pods of this node."""
        ...


@dataclass(frozen=True, slots=True)
class KubeletServer:
    """Answers requests about this node's containers."""

    directory: ContainerDirectory
    runtime: Runtime
    clock: Clock
    metrics: Registry = field(default_factory=Registry)

    def app(self) -> web.Application:
        """Return the application; TLS is the caller's."""
        app = web.Application(middlewares=[_guard])
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/pods", self._pods)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        app.router.add_route("*", "/exec/{namespace}/{pod}/{container}", self._exec)
        app.router.add_route("*", "/attach/{namespace}/{pod}/{container}", self._attach)
        app.router.add_route("*", "/portForward/{namespace}/{pod}", self._port_forward)
        return app

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(text=self.metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    async def _pods(self, _request: web.Request) -> web.Response:
        pods = {"kind": "PodList", "apiVersion": "v1", "metadata": {}}
        return _json(pods | {"items": self.directory.pods()})

    def _find(self, request: web.Request, *, previous: bool = False) -> FoundContainer:
        names = request.match_info
        return self.directory.find_container(
            names["namespace"], names["pod"], names["container"], previous=previous
        )

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        options = parse_log_options(request.query, self.clock.now())
        found = self._find(request, previous=request.query.get("previous") in {"true", "1"})
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        async for piece in read_log(
            found.log_path, options, clock=self.clock, is_running=found.is_running
        ):
            await response.write(piece)
        await response.write_eof()
        return response

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        found = self._find(request)
        command = tuple(request.query.getall("command", []))
        if not command:
            raise bad_request("you must specify at least 1 command for the container")
        wanted = _wanted_streams(request.query)

        def start() -> Awaitable[ExecSession]:
            stdin, tty = "stdin" in wanted, "resize" in wanted
            return self.runtime.exec(found.id, command, stdin=stdin, tty=tty)

        return await _serve_command(request, wanted, start)

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        found = self._find(request)
        wanted = _wanted_streams(request.query)
        return await _serve_command(request, wanted, lambda: self.runtime.attach(found.id))

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["pod"]
        found = self.directory.find_sandbox(request.match_info["namespace"], name)
        pod = port_forward.ForwardedPod(
            name, found.uid, lambda port: self.runtime.connect(found.id, port)
        )
        ports = port_forward.read_ports(request.query.getall("port", []))
        socket = await _upgrade(request, port_forward.PROTOCOLS)
        if socket.ws_protocol == port_forward.TUNNEL:
            await port_forward.serve(socket, pod, self.clock)
        else:
            await port_forward.serve_channels(socket, pod, ports)
        return socket


async def _upgrade(request: web.Request, protocols: tuple[str, ...]) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(protocols=protocols, max_msg_size=0)
    if not socket.can_prepare(request):
        raise bad_request("Upgrade request required")
    offered = request.headers.get("Sec-WebSocket-Protocol", "")
    if not {one.strip() for one in offered.split(",")} & set(protocols):
        raise bad_request(f"unable to negotiate protocol: client supports [{offered}]")
    await socket.prepare(request)
    return socket


async def _serve_command(
    request: web.Request, wanted: set[str], start: Callable[[], Awaitable[ExecSession]]
) -> web.StreamResponse:
    socket = await _upgrade(request, (*exec_stream.PROTOCOLS, spdy_exec.TUNNEL))
    if socket.ws_protocol == spdy_exec.TUNNEL:
        await spdy_exec.serve(socket, wanted, start)
        return socket
    try:
        session = await start()
    except RuntimeFailure as error:
        await exec_stream.refuse(socket, str(error))
        return socket
    await exec_stream.serve(socket, session)
    return socket


def _wanted_streams(query: Mapping[str, str]) -> set[str]:
    """Return which streams the client asks for, by their SPDY names."""

    def is_set(*names: str) -> bool:
        return any(query.get(name) in {"1", "true"} for name in names)

    tty = is_set("tty")
    asked = {
        "stdin": is_set("input", "stdin"),
        "stdout": is_set("output", "stdout"),
        "stderr": is_set("error", "stderr") and not tty,
        "resize": tty,
    }
    return {name for name, wanted in asked.items() if wanted}


def _json(body: Object, status: int = 200) -> web.Response:
    return web.Response(
        body=orjson.dumps(body), status=status, headers={"Content-Type": "application/json"}
    )


@web.middleware
async def _guard(
    request: web.Request, handler: Callable[[web.Request], object]
) -> web.StreamResponse:
    try:
        _authorize(request)
        response = await handler(request)  # type: ignore[misc]
        assert isinstance(response, web.StreamResponse)  # noqa: S101 - aiohttp's contract
    except StatusError as error:
        response = _json(error.to_status(), error.code)
        if "Upgrade" in request.headers:  # of whose refusal clients cannot read the body
            response.headers[REFUSAL] = quote(error.message)
        return response
    except web.HTTPException as error:
        status = StatusError(error.status, "", error.reason)
        return _json(status.to_status(), error.status)
    except Exception:  # noqa: BLE001 - the request boundary
        _LOG.exception("request %s failed", request.path)
        return _json(internal("the kubelet failed; see its log").to_status(), 500)
    return response


def _authorize(request: web.Request) -> None:
    if request.path == "/healthz":
        return
    transport = request.transport
    certificate = transport.get_extra_info("peercert") if transport is not None else None
    if not certificate:
        raise unauthorized()
    subject = {(key, value) for part in certificate["subject"] for key, value in part}
    if ("organizationName", _MASTERS) not in subject:
        name = next((value for key, value in subject if key == "commonName"), "")
        raise StatusError(
            403, "Forbidden", f'Forbidden: user "{name}" may not use the kubelet of this node'
        )
