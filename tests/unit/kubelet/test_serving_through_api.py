"""A kubelet that joined: its certificate comes by a request, and the API server reads its logs."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509

from podpass.api.certificate_requests import KUBELET_SERVING
from podpass.api.resources import CERTIFICATE_SIGNING_REQUESTS, NODES, PODS
from podpass.base.clock import SystemClock
from podpass.base.lazy_server import listen
from podpass.bootstrap.certificates import ensure_authority
from podpass.client.rest import RestClient
from podpass.controllers.certificate_signer import AuthorityFiles, CertificateSigner
from podpass.controllers.serving_certificate_approver import ServingCertificateApprover
from podpass.controllers.shared_informers import SharedInformers
from podpass.kubelet.app import Kubelet
from podpass.testing.api_server import RunningApiServer, TestPki, running_api_server
from podpass.testing.background import Background
from podpass.testing.kubelet_on_api import (
    NODE,
    NodeUnderTest,
    client_config,
    eventually,
    node_at,
)
from podpass.testing.memory_store import MemoryStore

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"nodeName": NODE, "containers": [{"name": "c", "image": "nginx"}]},
}


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> TestPki:
    return TestPki.make(tmp_path_factory.mktemp("pki"))


@pytest.fixture
async def api(pki: TestPki) -> AsyncIterator[RunningApiServer]:
    """An API server that trusts kubelets with certificates of a CA of their own, too."""
    directory = pki.directory
    ensure_authority(directory, now=SystemClock().now(), stem="serving-ca", common_name="serving")
    bundle = directory / "kubelet-ca.crt"
    bundle.write_bytes(
        (directory / "ca.crt").read_bytes() + (directory / "serving-ca.crt").read_bytes()
    )
    settings = replace(pki.settings(), kubelet_certificate_authority=bundle)
    async with running_api_server(MemoryStore(), pki, settings=settings) as api:
        yield api


@pytest.fixture
async def signing(api: RunningApiServer) -> AsyncIterator[None]:
    """The approver and the signer, as the user that the controller manager is."""
    clock, ca = SystemClock(), api.pki.directory
    config = client_config(api, "system:kube-controller-manager", group="system:authenticated")
    async with RestClient(config) as client, Background() as background:
        informers = SharedInformers(client, clock)
        signer = CertificateSigner(
            client,
            informers,
            clock,
            authority=AuthorityFiles(ca / "ca.crt", ca / "ca.key"),
            serving_authority=AuthorityFiles(ca / "serving-ca.crt", ca / "serving-ca.key"),
            longest=timedelta(hours=1),
        )
        for part in (informers, signer, ServingCertificateApprover(client, informers, clock)):
            background.start(part.run())
        yield


@pytest.fixture
async def node(
    api: RunningApiServer,
    signing: None,  # noqa: ARG001 - it works meanwhile
    tmp_path: Path,
) -> AsyncIterator[NodeUnderTest]:
    async with node_at(api, tmp_path) as node:
        node.options |= {
            "rotate_server_certificates": True,
            "client_ca_file": api.pki.directory / "ca.crt",
        }
        node.manifests.mkdir(parents=True)
        node.kubelet = Kubelet(
            node.settings(),
            node.runtime,
            node.client,
            SystemClock(),
            listener=listen("127.0.0.1", 0),
        )
        await node.kubelet.start()
        await node.admin.create(PODS, POD)
        await node.wait_ready("web")
        log = node.runtime.container("c").config.log_path
        log.write_text("2026-01-01T00:00:00.000000000Z stdout F hello\n")
        yield node


async def log_of(api: RunningApiServer) -> tuple[int, str]:
    context = api.pki.client_context("admin", organizations=["system:masters"])
    connector = aiohttp.TCPConnector(ssl=context)
    url = f"{api.url}/api/v1/namespaces/default/pods/web/log"
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as answer:
        return answer.status, await answer.text()


@pytest.mark.rule("kubelet.serving-certificate", "csr.serving-approval")
async def test_the_api_server_reads_logs_once_the_certificate_is_there(
    api: RunningApiServer, node: NodeUnderTest
) -> None:
    async def read() -> bool:
        return await log_of(api) == (200, "hello\n")

    await eventually(read)
    requests = (await node.admin.list(CERTIFICATE_SIGNING_REQUESTS))["items"]
    [request] = [one for one in requests if one["spec"]["signerName"] == KUBELET_SERVING]
    assert request["spec"]["username"] == f"system:node:{NODE}"
    issued = x509.load_pem_x509_certificate(base64.b64decode(request["status"]["certificate"]))
    assert issued.issuer.rfc4514_string() == "CN=serving"  # who trusts the cluster's CA, not this


@pytest.mark.rule("kubelet.serving-verified")
async def test_the_certificate_of_one_node_is_not_taken_for_another(
    api: RunningApiServer, node: NodeUnderTest
) -> None:
    async def read() -> bool:
        return (await log_of(api))[0] == 200

    await eventually(read)
    # Another node says that it is where this one is: its pods are not looked for here.
    status = (await node.admin.get(NODES, None, NODE))["status"]
    other = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "other"}, "status": status}
    await node.admin.create(NODES, other)
    moved = POD | {
        "metadata": {"name": "moved", "namespace": "default"},
        "spec": {"nodeName": "other", "containers": [{"name": "c", "image": "nginx"}]},
    }
    await node.admin.create(PODS, moved)
    context = api.pki.client_context("admin", organizations=["system:masters"])
    url = f"{api.url}/api/v1/namespaces/default/pods/moved/log"
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
        session.get(url) as answer,
    ):
        assert answer.status == 500
        assert "not that of node other" in (await answer.json())["message"]
