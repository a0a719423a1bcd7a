"""Stands for a kubelet's HTTPS server: fixed log, streams that echo, refusals on demand."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import orjson
from aiohttp import web

from podpass.api.errors import StatusError
from podpass.testing.api_server import TestPki

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")


class StubKubelet:
    """Answers logs with what it was asked, and exec with an echo of standard input."""

    def __init__(self, pki: TestPki) -> None:
        self._pki = pki
        self.queries: list[str] = []
        self.more_log = asyncio.Event()
        self.refusal: StatusError | None = None
        self.exit_code = 0
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[StubKubelet]:
        app = web.Application()
        app.router.add_get("/containerLogs/{tail:.*}", self._logs)
        app.router.add_get("/exec/{tail:.*}", self._exec)
        app.router.add_get("/portForward/{tail:.*}", self._port_forward)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        context = ssl.create_default_context(
            ssl.Purpose.CLIENT_AUTH, cafile=str(self._pki.directory / "ca.crt")
        )
        context.verify_mode = ssl.CERT_REQUIRED
        directory = self._pki.directory
        context.load_cert_chain(directory / "apiserver.crt", directory / "apiserver.key")
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(request.raw_path)
        if self.refusal is not None:
            return web.Response(
                body=orjson.dumps(self.refusal.to_status()), status=self.refusal.code
            )
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first line\n")
        if request.query.get("follow"):
            await self.more_log.wait()
            await response.write(b"second line\n")
        return response

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(request.raw_path)
        if self.refusal is not None:
            return web.Response(text="no", status=self.refusal.code)
        socket = web.WebSocketResponse(protocols=PROTOCOLS)
        await socket.prepare(request)
        async for message in socket:
            if message.data == b"\xff\x00":
                break
            await socket.send_bytes(b"\x01" + message.data[1:])
        await socket.send_bytes(b"\x03" + orjson.dumps(self._exit_status()))
        await socket.close()
        return socket

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(request.raw_path)
        if self.refusal is not None:
            headers = {"X-Podpass-Refusal": quote(self.refusal.message)}
            return web.Response(status=self.refusal.code, headers=headers)
        socket = web.WebSocketResponse(protocols=("SPDY/3.1+portforward.k8s.io",))
        await socket.prepare(request)
        async for message in socket:
            await socket.send_bytes(message.data.upper())
        return socket

    def _exit_status(self) -> dict[str, Any]:
        if not self.exit_code:
            return {"metadata": {}, "status": "Success"}
        cause = {"reason": "ExitCode", "message": str(self.exit_code)}
        return {
            "metadata": {},
            "status": "Failure",
            "reason": "NonZeroExitCode",
            "message": f"command terminated with non-zero exit code: {self.exit_code}",
            "details": {"causes": [cause]},
        }
