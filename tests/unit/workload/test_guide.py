"""The code of docs/workload.md runs as it stands there."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
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


def test_the_code_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tls = certificate(tmp_path)
    world = World()
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, str(tls[0]))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("podpass.workload.api_server.SERVICE_ACCOUNT_DIRECTORY", tmp_path)
    with serving(world, tls) as url:
        world.issuer.issuer = url
        world.token = world.issuer.token(SystemClock().now(), iss=url)
        (tmp_path / "token").write_text(world.token)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", url.rpartition(":")[2])
        names: dict[str, Any] = {}
        for block in BLOCKS:
            code = block.replace("/var/run/secrets/tokens", str(tmp_path))
            code = re.sub(r"https://(vault|issuer)\.example", url, code)
            exec(compile(code, "docs/workload.md", "exec"), names)  # noqa: S102 - our own guide
            if main := names.pop("main", None):
                asyncio.run(main())
        names["channel"].close()
        names["session"].close()
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"authorization", f"Bearer {world.token}".encode())]
        asyncio.run(names["guarded"]({"type": "http", "headers": headers}, None, send))
    assert sent[1]["body"] == b"system:serviceaccount:shop:app"
    printed = capsys.readouterr().out
    assert f"a new token of {len(world.token)} characters" in printed
    assert "shop app ObjectRef(name='app-0', uid='P')" in printed
    assert world.served.count("/v1/secrets") == 3
    assert "/apis/authentication.k8s.io/v1/tokenreviews" in world.served


def test_the_guide_names_every_reason() -> None:
    table = GUIDE[GUIDE.index("| reason |") : GUIDE.index("## What a Verifier")]
    assert {one for one in Reason if f"`{one}`" not in table} == set()
