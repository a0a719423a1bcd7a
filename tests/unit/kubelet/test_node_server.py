"""`kubelet.node_server` and `kubelet.pod_finder`, through the kubelet's own HTTPS port."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from podpass.api.resources import PODS, Object
from podpass.base.clock import SystemClock
from podpass.base.lazy_server import listen
from podpass.kubelet.app import Kubelet
from podpass.testing.api_server import TestPki, running_api_server
from podpass.testing.kubelet_on_api import NODE, NodeUnderTest, eventually, node_at
from podpass.testing.memory_store import MemoryStore


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> TestPki:
    return TestPki.make(tmp_path_factory.mktemp("pki"))


class Asked:
    """A kubelet that serves, and a client of it."""

    def __init__(self, node: NodeUnderTest, url: str, context: ssl.SSLContext) -> None:
        self.node = node
        self._url = url
        self._context = context

    async def get(self, path: str) -> tuple[int, str]:
        connector = aiohttp.TCPConnector(ssl=self._context)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(self._url + path) as answer,
        ):
            return answer.status, await answer.text()

    async def exec(self, path: str) -> list[bytes]:
        connector = aiohttp.TCPConnector(ssl=self._context)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.ws_connect(self._url + path, protocols=["v5.channel.k8s.io"]) as stream,
        ):
            return [message.data async for message in stream]


@pytest.fixture
async def asked(pki: TestPki, tmp_path: Path) -> AsyncIterator[Asked]:
    async with (
        running_api_server(MemoryStore(), pki) as api,
        node_at(api, tmp_path) as node,
    ):
        node.options |= {
            "tls_cert_file": pki.directory / "apiserver.crt",
            "tls_private_key_file": pki.directory / "apiserver.key",
            "client_ca_file": pki.directory / "ca.crt",
        }
        listener = listen("127.0.0.1", 0)
        node.manifests.mkdir(parents=True)
        node.kubelet = Kubelet(
            node.settings(), node.runtime, node.client, SystemClock(), listener=listener
        )
        await node.kubelet.start()
        context = pki.client_context("admin", organizations=["system:masters"])
        yield Asked(node, f"https://127.0.0.1:{listener.getsockname()[1]}", context)


def pod(**container: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"nodeName": NODE, "containers": [{"name": "c", "image": "nginx"} | container]},
    }


async def test_the_node_names_the_port(asked: Asked) -> None:
    found = await eventually(asked.node.node)
    port = found["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
    assert asked._url.endswith(f":{port}")


async def test_logs_of_now_and_before(asked: Asked) -> None:
    node = asked.node
    await node.admin.create(PODS, pod())
    await node.wait_ready("web")
    log = node.runtime.container("c").config.log_path
    log.write_text("2026-01-01T00:00:00.000000000Z stdout F first\n")
    assert await asked.get("/containerLogs/default/web/c") == (200, "first\n")
    status, text = await asked.get("/containerLogs/default/web/c?previous=true")
    assert status == 400
    assert 'previous terminated container \\"c\\" in pod \\"web\\" not found' in text
    node.runtime.exit_container("c", 1)

    async def again() -> bool:
        found = await node.pod("web")
        status = (found or {})["status"]["containerStatuses"][0]
        return bool(status["restartCount"] == 1 and status["ready"])

    await eventually(again)
    assert await asked.get("/containerLogs/default/web/c") == (200, "")
    assert await asked.get("/containerLogs/default/web/c?previous=true") == (200, "first\n")


async def test_a_log_is_followed_until_its_container_ends(asked: Asked) -> None:
    node = asked.node
    await node.admin.create(PODS, pod())
    await node.wait_ready("web")
    path = node.runtime.container("c").config.log_path
    following = asyncio.create_task(asked.get("/containerLogs/default/web/c?follow=true"))
    await asyncio.sleep(0.05)
    path.write_text("2026-01-01T00:00:00.000000000Z stdout F last\n")
    node.runtime.exit_container("c", 0)
    assert await asyncio.wait_for(following, 5) == (200, "last\n")


async def test_a_command_is_run(asked: Asked) -> None:
    await asked.node.admin.create(PODS, pod())
    await asked.node.wait_ready("web")
    messages = await asked.exec("/exec/default/web/c?command=echo&command=hello&output=1")
    assert messages[0] == b"\x01hello\n"
    assert orjson.loads(messages[1][1:])["status"] == "Success"


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        pytest.param("default/none/c", 404, 'pods \\"none\\" not found', id="pod"),
        pytest.param(
            "default/web/none", 400, "container none is not valid for pod web", id="container"
        ),
        pytest.param(
            "default/web/c",
            400,
            'container \\"c\\" in pod \\"web\\" is waiting to start',
            id="not started",
        ),
    ],
)
async def test_what_has_no_log(asked: Asked, path: str, status: int, message: str) -> None:
    await asked.node.admin.create(PODS, pod(image="ghost"))
    await asked.node.wait_event("ghost")
    answer = await asked.get(f"/containerLogs/{path}")
    assert answer[0] == status
    assert message in answer[1]


async def test_the_pods_of_the_node_are_listed(asked: Asked) -> None:
    await asked.node.admin.create(PODS, pod())
    await asked.node.wait_ready("web")
    status, text = await asked.get("/pods")
    (found,) = orjson.loads(text)["items"]
    assert (status, found["metadata"]["name"], found["status"]["phase"]) == (200, "web", "Running")
