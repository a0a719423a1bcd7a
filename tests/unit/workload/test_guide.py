"""The code of docs/workload.md runs as it stands there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from workload.https_server import Asked, Reply, certificate, serving

from podpass.base.clock import SystemClock
from podpass.testing.fake_issuer import FakeIssuer
from podpass.workload import Reason

GUIDE = (Path(__file__).parents[3] / "docs" / "workload.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
USER = {"username": "system:serviceaccount:shop:app", "uid": "S"}


class World:
    """Issuer, API server and vault in one."""

    def __init__(self) -> None:
        self.issuer = FakeIssuer()
        self.token = ""
        self.served: list[str] = []

    def __call__(self, asked: Asked) -> Reply:
        shown = asked.headers.get("Authorization")
        self.served.append(asked.path)
        if asked.path.startswith("/v1/"):
            return Reply(200 if shown == f"Bearer {self.token}" else 401)
        if asked.path.endswith("/tokenreviews"):
            spec = json.loads(asked.body)["spec"]
            status = {"authenticated": True, "audiences": spec["audiences"], "user": USER}
            return Reply(201, json.dumps({"status": status}).encode())
        return Reply(200, self.issuer("GET", asked.path, {}).body)


PRELUDE = """
import asyncio, pathlib, sys
import podpass.workload.api_server
podpass.workload.api_server.SERVICE_ACCOUNT_DIRECTORY = pathlib.Path(sys.argv[1])
"""
RUN_MAIN = """
if "main" in globals():
    asyncio.run(main())
    del main
"""
EPILOGUE = """
channel.close()
session.close()

async def send(message):
    print(message.get("body"))

headers = [(b"authorization", f"Bearer {token}".encode())]
asyncio.run(guarded({"type": "http", "headers": headers}, None, send))
"""


def test_the_code_runs(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    world = World()
    with serving(world, tls) as url:
        world.issuer.issuer = url
        world.token = world.issuer.token(SystemClock().now(), iss=url)
        (tmp_path / "token").write_text(world.token)
        program = PRELUDE + RUN_MAIN.join([*BLOCKS, ""]) + EPILOGUE
        program = program.replace("/var/run/secrets/tokens", str(tmp_path))
        program = re.sub(r"https://(vault|issuer)\.example", url, program)
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=50,
            env=os.environ
            | {
                "KUBERNETES_SERVICE_HOST": "127.0.0.1",
                "KUBERNETES_SERVICE_PORT": url.rpartition(":")[2],
                "NO_PROXY": "127.0.0.1",
                "REQUESTS_CA_BUNDLE": str(tls[0]),
                "SSL_CERT_FILE": str(tls[0]),
            },
        )
    assert done.returncode == 0, done.stderr
    assert f"a new token of {len(world.token)} characters" in done.stdout
    assert "shop app ObjectRef(name='app-0', uid='P')" in done.stdout
    assert "b'system:serviceaccount:shop:app'" in done.stdout
    assert world.served.count("/v1/secrets") == 3
    assert "/apis/authentication.k8s.io/v1/tokenreviews" in world.served


def test_the_guide_names_every_reason() -> None:
    table = GUIDE[GUIDE.index("| reason |") : GUIDE.index("## What a Verifier")]
    assert {one for one in Reason if f"`{one}`" not in table} == set()
