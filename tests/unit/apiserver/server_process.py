"""`podpass apiserver` as a process of its own."""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from podpass.testing.api_server import ISSUER, TestPki


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def arguments(pki: TestPki, home: Path, port: int, *more: str) -> list[str]:
    directory = pki.directory
    return [
        "apiserver",
        f"--secure-port={port}",
        f"--storage=sqlite://{home}/podpass.db",
        f"--tls-cert-file={directory}/apiserver.crt",
        f"--tls-private-key-file={directory}/apiserver.key",
        f"--client-ca-file={directory}/ca.crt",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-signing-key-file={directory}/sa.key",
        *more,
    ]


async def start(*given: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "podpass", *given, stdout=PIPE, stderr=PIPE
    )


async def serving(process: Process) -> None:
    assert process.stderr is not None
    while line := await process.stderr.readline():
        if b"serving on" in line:
            return
    raise AssertionError("the server ended before it was ready")


@asynccontextmanager
async def running(*given: str) -> AsyncIterator[Process]:
    process = await start(*given)
    try:
        await serving(process)
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()
