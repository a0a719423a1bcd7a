"""Who reads the metrics of a controller manager, and what they say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import aiohttp
import pytest

from podpass.api.resources import CLUSTER_ROLE_BINDINGS, SERVICE_ACCOUNTS
from podpass.base.clock import SystemClock
from podpass.client.config import ClientConfig
from podpass.client.controller import Controller, RetryAfter
from podpass.client.leader import LeaderElector
from podpass.client.rest import RestClient
from podpass.controllers.serving import serving
from podpass.controllers.settings import ControllerManagerSettings
from podpass.testing.api_server import RunningApiServer, TestPki
from podpass.testing.background import Background
from podpass.testing.kubelet_on_api import eventually

from .conftest import client_of


def settings(pki: TestPki) -> ControllerManagerSettings:
    directory = pki.directory
    return ControllerManagerSettings(
        secure_port=0,
        tls_cert_file=directory / "apiserver.crt",
        tls_private_key_file=directory / "apiserver.key",
        client_ca_file=directory / "ca.crt",
    )


@dataclass(frozen=True)
class Served:
    """The metrics of a controller manager, and who asks for them."""

    pki: TestPki
    port: int

    async def get(
        self, path: str, user: str = "", *groups: str, token: str = ""
    ) -> tuple[int, str]:
        context = self.pki.client_context(user, organizations=groups)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
            session.get(f"https://127.0.0.1:{self.port}{path}", headers=headers) as answer,
        ):
            return answer.status, await answer.text()


@pytest.fixture
async def client(api_server: RunningApiServer) -> AsyncIterator[RestClient]:
    async with client_of(api_server, "system:kube-controller-manager") as client:
        yield client


@pytest.fixture
async def served(pki: TestPki, client: RestClient) -> AsyncIterator[Served]:
    async with serving(settings(pki), client, None) as port:
        yield Served(pki, port)


@pytest.mark.parametrize(
    ("path", "user", "groups", "code"),
    [
        pytest.param("/metrics", "root", ("system:masters",), 200, id="an administrator"),
        pytest.param("/metrics", "watch", ("system:monitoring",), 200, id="who monitors"),
        pytest.param("/metrics", "ann", (), 403, id="any user"),
        pytest.param("/metrics", "", (), 403, id="nobody"),
        pytest.param("/healthz", "", (), 200, id="health is for everybody"),
        pytest.param("/nothing", "root", ("system:masters",), 404, id="no such path"),
    ],
)
async def test_who_may_read(
    served: Served, path: str, user: str, groups: tuple[str, ...], code: int
) -> None:
    assert (await served.get(path, user, *groups))[0] == code


async def test_a_service_account_reads_with_its_token_when_it_may(
    served: Served, admin: RestClient
) -> None:
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "prometheus", "namespace": "default"},
    }
    await admin.create(SERVICE_ACCOUNTS, account)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    made = await admin.create(
        SERVICE_ACCOUNTS,
        request,
        namespace="default",
        name="prometheus",
        subresource="token",
    )
    token = made["status"]["token"]
    code, text = await served.get("/metrics", token=token)
    assert code == 403
    assert '"system:serviceaccount:default:prometheus\\" cannot get path' in text
    assert (await served.get("/metrics", token=f"{token}x"))[0] == 401
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "prometheus"},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:monitoring",
        },
        "subjects": [{"kind": "ServiceAccount", "name": "prometheus", "namespace": "default"}],
    }
    await admin.create(CLUSTER_ROLE_BINDINGS, binding)

    async def readable() -> bool:
        return (await served.get("/metrics", token=token))[0] == 200

    await eventually(readable)


RECONCILES = "controller_runtime_reconcile_total"


async def reconcile(key: str) -> None:
    if key == "later":
        raise RetryAfter(1000)


async def test_what_is_read(served: Served) -> None:
    controller = Controller("test-queue", reconcile, clock=SystemClock())
    for key in ("well", "later"):
        controller.enqueue(key)

    async def text() -> str:
        return (await served.get("/metrics", "root", "system:masters"))[1]

    assert "test-queue" not in await text()
    async with Background() as background:
        background.start(controller.run())

        async def counted() -> bool:
            lines = (await text()).splitlines()
            return {
                'leader_election_master_status{name="kube-controller-manager"} 1',
                'workqueue_depth{name="test-queue"} 0',
                'workqueue_adds_total{name="test-queue"} 2',
                'workqueue_retries_total{name="test-queue"} 1',
                f'{RECONCILES}{{controller="test-queue",result="success"}} 1',
                f'{RECONCILES}{{controller="test-queue",result="error"}} 0',
                f'{RECONCILES}{{controller="test-queue",result="requeue_after"}} 1',
            } <= set(lines)

        await eventually(counted)
        assert "process_resident_memory_bytes" in await text()


async def test_a_standby_says_that_it_is_one(pki: TestPki, client: RestClient) -> None:
    elector = LeaderElector(client, namespace="n", name="l", identity="i", clock=SystemClock())
    async with serving(settings(pki), client, elector) as port:
        _, text = await Served(pki, port).get("/metrics", "root", "system:masters")
    assert 'leader_election_master_status{name="kube-controller-manager"} 0' in text


async def test_without_an_api_server_administrators_alone_read(pki: TestPki) -> None:
    async with (
        RestClient(ClientConfig("http://127.0.0.1:1")) as away,
        serving(settings(pki), away, None) as port,
    ):
        served = Served(pki, port)
        assert (await served.get("/metrics", "root", "system:masters"))[0] == 200
        for asking in (served.get("/metrics", "ann"), served.get("/metrics", token="secret-text")):
            code, text = await asking
            assert code == 500
            assert "the API server cannot be asked" in text
            assert "secret-text" not in text


async def test_without_a_certificate_nothing_is_served(client: RestClient) -> None:
    async with serving(ControllerManagerSettings(secure_port=0), client, None) as port:
        assert port == 0


async def test_a_certificate_that_is_gone_is_logged_and_all_else_goes_on(
    pki: TestPki, client: RestClient, caplog: pytest.LogCaptureFixture
) -> None:
    gone = replace(settings(pki), tls_cert_file=pki.directory / "gone.crt")
    async with serving(gone, client, None) as port:
        with pytest.raises((aiohttp.ClientError, ConnectionError)):
            await asyncio.wait_for(Served(pki, port).get("/healthz"), 30)
        assert "metrics are not served" in caplog.text
