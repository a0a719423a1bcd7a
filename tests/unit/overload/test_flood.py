"""One client floods a real API server with TokenReviews while a kubelet renews its tokens."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from apiserver.api_calls import ACCOUNTS, PODS, account, call, node, pod
from apiserver.server_process import arguments, free_port, running

from podpass.testing.api_server import TestPki

SETTINGS = ("--max-requests-inflight=6", "--max-mutating-requests-inflight=4")
"""Leaves the flood two seats and forty places; there is no need to flood with hundreds."""

CONNECTIONS = 60
RENEWALS = 60
PATIENCE = 30.0
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> TestPki:
    return TestPki.make(tmp_path_factory.mktemp("pki"))


@pytest.fixture
async def url(pki: TestPki, tmp_path: Path) -> AsyncIterator[str]:
    port = free_port()
    async with running(*arguments(pki, tmp_path, port, *SETTINGS)):
        yield f"https://127.0.0.1:{port}"


def client(pki: TestPki, url: str, name: str, *groups: str) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(ssl=pki.client_context(name, organizations=groups))
    return aiohttp.ClientSession(url, connector=connector)


async def prepare(admin: aiohttp.ClientSession) -> tuple[str, dict[str, Any]]:
    """Make a pod on a node, and let `flooder` review tokens; returns a token and a renewal."""
    await call(admin, "POST", ACCOUNTS, account("web"), expect=201)
    await call(admin, "POST", "/api/v1/nodes", node("n1"), expect=201)
    body = pod("web", serviceAccountName="web", nodeName="n1")
    made = await call(admin, "POST", PODS, body, expect=201)
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "flooder"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:auth-delegator",
        },
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "flooder"}],
    }
    await call(admin, "POST", BINDINGS, binding, expect=201)
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": made["metadata"]["uid"]}
    renewal = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3607, "boundObjectRef": bound},
    }
    token = await call(admin, "POST", f"{ACCOUNTS}/web/token", renewal, expect=201)
    return token["status"]["token"], renewal


def review_request(token: str) -> bytes:
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token},
    }
    body = orjson.dumps(review)
    head = f"POST {REVIEWS} HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def flooding(
    pki: TestPki, url: str, request: bytes, tmp_path: Path
) -> AsyncIterator[Process]:
    file = tmp_path / "request"
    file.write_bytes(request)
    certificate, key = pki.client("flooder")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "overload.flood", url, file, pki.directory / "ca.crt", certificate,
        key, str(CONNECTIONS),
        stdin=PIPE, stdout=PIPE, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            assert await process.stdout.readline() == b"flooding\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def renew(
    kubelet: aiohttp.ClientSession, renewal: dict[str, Any], until: asyncio.Event
) -> tuple[Counter[int], list[float]]:
    """Renew until told to stop; returns the codes and how many seconds each renewal took."""
    codes: Counter[int] = Counter()
    seconds: list[float] = []
    loop = asyncio.get_running_loop()
    while len(seconds) < RENEWALS or not until.is_set():
        started = loop.time()
        async with kubelet.post(f"{ACCOUNTS}/web/token", json=renewal) as response:
            await response.read()
            codes[response.status] += 1
        seconds.append(loop.time() - started)
    return codes, sorted(seconds)


async def rejected(admin: aiohttp.ClientSession) -> dict[str, int]:
    """Return how many requests each lane refused, from the metrics."""
    lanes: Counter[str] = Counter()
    for line in (await call(admin, "GET", "/metrics")).splitlines():
        if line.startswith("apiserver_flowcontrol_rejected_requests_total{"):
            lanes[line.split('"')[1]] += int(line.rsplit(" ", 1)[1])
    return lanes


async def test_a_flood_of_reviews_leaves_the_renewals_of_a_kubelet_alone(
    pki: TestPki, url: str, tmp_path: Path
) -> None:
    refused = asyncio.Event()
    async with (
        client(pki, url, "admin", "system:masters") as admin,
        client(pki, url, "system:node:n1", "system:nodes") as kubelet,
        client(pki, url, "bystander", "devs") as bystander,
    ):
        token, renewal = await prepare(admin)
        async with flooding(pki, url, review_request(token), tmp_path) as process:
            renewing = asyncio.create_task(renew(kubelet, renewal, refused))
            async with asyncio.timeout(PATIENCE):
                while not (lanes := await rejected(admin)):
                    await call(bystander, "GET", "/version")
            refused.set()
            codes, seconds = await renewing
            assert process.stdin is not None
            process.stdin.close()
            async with asyncio.timeout(PATIENCE):
                out, _ = await process.communicate()
    seen = orjson.loads(out)
    print(  # noqa: T201 - shown by pytest -s
        f"renewals {dict(codes)}, median {seconds[len(seconds) // 2] * 1000:.1f} ms, "
        f"p99 {seconds[int(len(seconds) * 0.99)] * 1000:.1f} ms; flood {seen['answers']}"
    )
    assert seen["broken"] == []
    assert set(seen["answers"]) == {"201", "429"}
    assert set(codes) == {201}
    assert set(lanes) == {"workload"}
    assert seconds[len(seconds) // 2] < 2.0
