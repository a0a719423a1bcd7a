"""The real kubectl, run against a server of a test."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from podpass.testing.api_server import RunningApiServer

KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent))


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Kubectl:
    kubeconfig: Path

    def start(self, *arguments: str, **environment: str) -> Any:
        assert KUBECTL is not None
        home = str(self.kubeconfig.parent)
        return asyncio.create_subprocess_exec(
            KUBECTL,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"KUBECONFIG": str(self.kubeconfig), "HOME": home} | environment,
        )

    async def run(self, *arguments: str, stdin: str = "", **environment: str) -> Result:
        process = await self.start(*arguments, **environment)
        out, err = await process.communicate(stdin.encode())
        return Result(process.returncode, out.decode(), err.decode())

    async def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> str:
        result = await self.run(*arguments, stdin=stdin, **environment)
        assert result.code == 0, result.err
        assert "Warning" not in result.err
        return result.out


def write_kubeconfig(path: Path, api: RunningApiServer) -> None:
    directory = api.pki.directory
    cluster = {"server": api.url, "certificate-authority": str(directory / "ca.crt")}
    user = {
        "client-certificate": str(directory / "admin.crt"),
        "client-key": str(directory / "admin.key"),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "admin", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "current-context": "test",
    }
    path.write_text(yaml.safe_dump(config))
