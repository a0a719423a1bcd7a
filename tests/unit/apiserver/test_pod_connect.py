from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
from apiserver.api_calls import ACCOUNTS, PODS, account, call, node, pod
from apiserver.stub_kubelet import PROTOCOLS, StubKubelet
from yarl import URL

from podpass.api.errors import StatusError, bad_request
from podpass.apiserver.pod_connect import choose_container, connect_query, log_query
from podpass.testing.api_server import RunningApiServer, TestPki


@pytest.fixture
async def kubelet(pki: TestPki) -> AsyncIterator[StubKubelet]:
    async with StubKubelet(pki).running() as running:
        yield running


@pytest.fixture
async def admin(
    api: RunningApiServer, kubelet: StubKubelet
) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a session in a cluster with pod `p` on the stub's node and `waiting` on none."""
    async with api.admin() as session:
        await call(session, "POST", ACCOUNTS, account("default"), expect=201)
        await call(session, "POST", "/api/v1/nodes", node("n", port=kubelet.port), expect=201)
        await call(session, "POST", PODS, pod("p", nodeName="n"), expect=201)
        await call(session, "POST", PODS, pod("waiting"), expect=201)
        yield session


async def test_a_log_comes_with_the_options_of_the_client(
    admin: aiohttp.ClientSession, kubelet: StubKubelet
) -> None:
    text = await call(admin, "GET", f"{PODS}/p/log?tailLines=5&timestamps=true&pretty=true")
    assert text == "first line\n"
    assert kubelet.queries == ["/containerLogs/default/p/main?tailLines=5&timestamps=true"]


async def test_a_followed_log_is_passed_on_as_it_grows(
    admin: aiohttp.ClientSession, kubelet: StubKubelet
) -> None:
    async with admin.get(f"{PODS}/p/log?follow=true") as response:
        assert await response.content.readline() == b"first line\n"
        kubelet.more_log.set()
        assert await response.content.readline() == b"second line\n"
        assert await response.content.read() == b""


async def test_a_pod_without_a_node_has_an_empty_log(admin: aiohttp.ClientSession) -> None:
    assert await call(admin, "GET", f"{PODS}/waiting/log") == ""


async def test_a_refusal_of_the_kubelet_reaches_the_client(
    admin: aiohttp.ClientSession, kubelet: StubKubelet
) -> None:
    kubelet.refusal = bad_request('container "main" in pod "p" is waiting to start')
    answer = await call(admin, "GET", f"{PODS}/p/log", expect=400)
    assert answer["message"] == 'container "main" in pod "p" is waiting to start'


async def test_a_kubelet_that_is_away_is_500_with_its_address(
    admin: aiohttp.ClientSession,
) -> None:
    gone = node("gone", port=1)
    await call(admin, "POST", "/api/v1/nodes", gone, expect=201)
    await call(admin, "POST", PODS, pod("q", nodeName="gone"), expect=201)
    answer = await call(admin, "GET", f"{PODS}/q/log", expect=500)
    assert "https://127.0.0.1:1/containerLogs/default/q/main" in answer["message"]
    await call(admin, "POST", PODS, pod("r", nodeName="never"), expect=201)
    await call(admin, "GET", f"{PODS}/r/log", expect=404)


async def test_exec_carries_messages_both_ways(
    admin: aiohttp.ClientSession, kubelet: StubKubelet
) -> None:
    path = f"{PODS}/p/exec?command=cat&command=-&stdin=true&stdout=true&tty=false"
    async with admin.ws_connect(path, protocols=PROTOCOLS) as socket:
        assert socket.protocol == "v5.channel.k8s.io"
        await socket.send_bytes(b"\x00hello")
        assert await socket.receive_bytes() == b"\x01hello"
        await socket.send_bytes(b"\xff\x00")
        assert (await socket.receive_bytes())[:1] == b"\x03"
        assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
    assert kubelet.queries == ["/exec/default/p/main?command=cat&command=-&input=1&output=1"]


async def test_a_refused_exec_is_told_on_the_error_channel(
    admin: aiohttp.ClientSession, kubelet: StubKubelet
) -> None:
    kubelet.refusal = StatusError(404, "NotFound", "no such container")
    async with admin.ws_connect(f"{PODS}/p/exec?command=a", protocols=PROTOCOLS) as socket:
        message = await socket.receive_bytes()
    status = orjson.loads(message[1:])
    assert message[:1] == b"\x03"
    assert (status["code"], status["status"]) == (404, "Failure")
    assert "unable to upgrade connection: container not found" in status["message"]


async def test_ports_are_tunnelled_in_the_websocket_as_they_come(
    admin: aiohttp.ClientSession, kubelet: StubKubelet
) -> None:
    tunnel = "SPDY/3.1+portforward.k8s.io"
    async with admin.ws_connect(f"{PODS}/p/portforward?ports=80", protocols=[tunnel]) as socket:
        assert socket.protocol == tunnel
        await socket.send_bytes(b"\x80\x03bytes")
        assert await socket.receive_bytes() == b"\x80\x03BYTES"
    assert kubelet.queries == ["/portForward/default/p?port=80"]


async def test_spdy_of_older_clients_is_carried_by_a_websocket(
    api: RunningApiServer, admin: aiohttp.ClientSession, kubelet: StubKubelet, pki: TestPki
) -> None:
    del admin  # has made the pod
    certificate, key = pki.client("old", organizations=["system:masters"])
    context = ssl.create_default_context(cafile=str(pki.directory / "ca.crt"))
    context.load_cert_chain(certificate, key)
    url = URL(api.url)
    reader, writer = await asyncio.open_connection(url.host, url.port, ssl=context)
    head = (
        f"POST {PODS}/p/portforward HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
        "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        "X-Stream-Protocol-Version: v9.example\r\n"
        "X-Stream-Protocol-Version: portforward.k8s.io\r\n\r\n"
    )
    writer.write(head.encode())
    answer = (await reader.readuntil(b"\r\n\r\n")).decode()
    assert answer.startswith("HTTP/1.1 101 ")
    assert "Upgrade: SPDY/3.1\r\n" in answer
    assert "X-Stream-Protocol-Version: portforward.k8s.io\r\n" in answer
    assert "Content-Length" not in answer
    big = b"a" * 300_000
    writer.write(big)
    assert await reader.readexactly(len(big)) == big.upper()
    writer.close()
    await writer.wait_closed()
    assert kubelet.queries == ["/portForward/default/p"]


async def test_a_refused_tunnel_says_why(
    admin: aiohttp.ClientSession, kubelet: StubKubelet
) -> None:
    kubelet.refusal = bad_request("pod p is not running")
    spdy = {"Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "portforward.k8s.io"}
    answer = await call(admin, "POST", f"{PODS}/p/portforward", expect=400, **spdy)
    assert answer["message"] == "unable to upgrade connection: pod p is not running"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await admin.ws_connect(f"{PODS}/p/portforward", protocols=["SPDY/3.1+portforward.k8s.io"])
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("path", "headers", "code", "words"),
    [
        ("p/exec?command=a", {}, 400, "Upgrade request required"),
        ("p/exec?command=a", {"Upgrade": "SPDY/3.1"}, 403, "unable to negotiate protocol"),
        ("p/attach", {}, 400, "Upgrade request required"),
        ("p/portforward", {}, 400, "Upgrade request required"),
        ("p/portforward", {"Upgrade": "SPDY/3.1"}, 403, "server accepts ['portforward.k8s.io']"),
        ("waiting/portforward", {}, 400, "does not have a host assigned"),
        ("p/exec", {}, 400, "at least 1 command"),
        ("p/exec?command=a&container=x", {}, 400, "container x is not valid for pod p"),
        ("waiting/exec?command=a", {}, 400, "does not have a host assigned"),
        ("ghost/exec?command=a", {}, 404, "not found"),
        ("ghost/log", {}, 404, "not found"),
        ("p/log?container=x", {}, 400, "container x is not valid for pod p"),
        ("p/log?tailLines=-1", {}, 422, "tailLines"),
        ("p/log?sinceSeconds=0", {}, 422, "sinceSeconds"),
    ],
)
async def test_what_cannot_be_connected_is_said_clearly(
    admin: aiohttp.ClientSession, path: str, headers: dict[str, str], code: int, words: str
) -> None:
    answer = await call(admin, "GET", f"{PODS}/{path}", expect=code, **headers)
    assert words in answer["message"]


@pytest.mark.parametrize("kind", ["exec", "attach", "portforward"])
async def test_who_may_only_read_may_open_no_stream(
    api: RunningApiServer, admin: aiohttp.ClientSession, kind: str
) -> None:
    role = {"metadata": {"name": "r"}, "rules": [
        {"apiGroups": [""], "resources": [f"pods/{kind}"], "verbs": ["get"]}
    ]}  # fmt: skip
    binding = {
        "metadata": {"name": "r"},
        "roleRef": {"kind": "ClusterRole", "name": "r", "apiGroup": "rbac.authorization.k8s.io"},
        "subjects": [{"kind": "User", "name": "eve"}],
    }
    root = "/apis/rbac.authorization.k8s.io/v1"
    await call(admin, "POST", f"{root}/clusterroles", role, expect=201)
    await call(admin, "POST", f"{root}/clusterrolebindings", binding, expect=201)
    async with api.session("eve") as eve:
        answer = await call(eve, "GET", f"{PODS}/p/{kind}?command=a", expect=403)
    assert f'cannot create resource "pods/{kind}"' in answer["message"]


def containers(*names: str, **annotations: str) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "annotations": annotations},
        "spec": {"containers": [{"name": name} for name in names]},
    }


def test_the_only_container_is_meant() -> None:
    assert choose_container(containers("a"), "") == "a"


def test_one_of_several_containers_must_be_named() -> None:
    with pytest.raises(StatusError, match=r"choose one of: \[a b\]"):
        choose_container(containers("a", "b"), "")
    assert choose_container(containers("a", "b"), "b") == "b"


def test_an_annotation_names_the_default_container() -> None:
    annotated = containers("a", "b")
    annotated["metadata"]["annotations"] = {"kubectl.kubernetes.io/default-container": "b"}
    assert choose_container(annotated, "") == "b"


def test_log_options_are_checked() -> None:
    assert log_query({"tailLines": "0", "container": "c"}) == [("tailLines", "0")]
    with pytest.raises(StatusError) as both:
        log_query({"sinceSeconds": "1", "sinceTime": "2026-01-01T00:00:00Z"})
    assert both.value.code == 422
    with pytest.raises(StatusError) as words:
        log_query({"limitBytes": "many"})
    assert words.value.code == 400


def test_the_streams_of_exec_are_named_as_the_kubelet_names_them() -> None:
    query = "command=sh&command=&stdin=1&stdout=true&stderr=false&tty=true&container=c"
    assert connect_query(query) == [
        ("command", "sh"), ("command", ""), ("input", "1"), ("output", "1"), ("tty", "1"),
    ]  # fmt: skip
