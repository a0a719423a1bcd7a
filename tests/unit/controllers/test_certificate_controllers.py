"""Requests for certificates are approved, signed and cleaned up, and so are bootstrap tokens."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from controllers.certificate_samples import dns, ip, request_pem, serving_request, signing_request

from podpass.api.bootstrap_token import make_secret
from podpass.api.errors import StatusError
from podpass.api.resources import CERTIFICATE_SIGNING_REQUESTS as CSR
from podpass.api.resources import NODES, SECRETS, Object
from podpass.base.clock import SystemClock
from podpass.base.logs import Secret
from podpass.client.config import ClientConfig
from podpass.client.rest import RestClient
from podpass.controllers.bootstrap_token_cleaner import BootstrapTokenCleaner
from podpass.controllers.certificate_approver import CertificateApprover
from podpass.controllers.certificate_cleaner import is_over
from podpass.controllers.certificate_signer import (
    AuthorityFiles,
    CertificateSigner,
    is_ready_to_sign,
)
from podpass.controllers.serving_certificate_approver import ServingCertificateApprover
from podpass.controllers.shared_informers import SharedInformers
from podpass.testing.api_server import RunningApiServer
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.background import Background
from podpass.testing.fake_clock import FakeClock, until

TOKEN = "abcdef.0123456789abcdef"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def client_of(
    api_server: RunningApiServer, name: str = "", groups: tuple[str, ...] = (), *, token: str = ""
) -> RestClient:
    certificate, key = api_server.pki.client(name, organizations=groups) if name else (None, None)
    return RestClient(
        ClientConfig(
            api_server.url,
            ca_file=api_server.pki.directory / "ca.crt",
            client_certificate_file=certificate,
            client_key_file=key,
            token=Secret(token) if token else None,
        )
    )


@pytest.fixture
async def working(api_server: RunningApiServer, background: Background) -> AsyncIterator[None]:
    """The approver and the signer, as the user that the controller manager is."""
    clock = SystemClock()
    ca = api_server.pki.directory
    async with client_of(api_server, "system:kube-controller-manager") as client:
        informers = SharedInformers(client, clock)
        background.start(informers.run())
        background.start(CertificateApprover(client, informers, clock).run())
        signer = CertificateSigner(
            client,
            informers,
            clock,
            authority=AuthorityFiles(ca / "ca.crt", ca / "ca.key"),
            longest=timedelta(hours=1),
        )
        background.start(signer.run())
        background.start(ServingCertificateApprover(client, informers, clock).run())
        yield


async def get(admin: RestClient, name: str) -> Object:
    return await admin.get(CSR, None, name)


async def certificate_of(admin: RestClient, name: str) -> bytes:
    async def issued() -> bool:
        return bool((await get(admin, name)).get("status", {}).get("certificate"))

    await until_true(issued)
    return base64.b64decode((await get(admin, name))["status"]["certificate"])


async def until_true(probe: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(30):
        while not await probe():
            await SystemClock().sleep(0.02)


@pytest.mark.rule("csr.requestor", "csr.auto-approval", "csr.node-own-name")
@pytest.mark.usefixtures("working")
async def test_a_new_node_and_then_the_node_itself_get_certificates(
    api_server: RunningApiServer, admin: RestClient
) -> None:
    await admin.create(SECRETS, make_secret(*TOKEN.split("."), expires=None))
    async with client_of(api_server, token=TOKEN) as newcomer:
        forged = signing_request(name="first", username="system:admin")
        made = await newcomer.create(CSR, forged)
        assert made["spec"]["username"] == "system:bootstrap:abcdef"
        assert "system:bootstrappers" in made["spec"]["groups"]
        assert (await certificate_of(admin, "first")).startswith(b"-----BEGIN CERTIFICATE-----")
        with pytest.raises(StatusError, match="forbidden"):
            await newcomer.list(SECRETS, "kube-system")
    async with client_of(api_server, "system:node:n1", ("system:nodes",)) as node:
        await node.create(CSR, signing_request(name="second"))
        await certificate_of(admin, "second")
        with pytest.raises(StatusError, match="with CN=system:node:n1"):
            await node.create(CSR, signing_request(request_pem("system:node:n2"), name="other"))


def node_object(*addresses: str) -> Object:
    listed = [{"type": "InternalIP", "address": one} for one in addresses]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n1"},
        "status": {"addresses": [{"type": "Hostname", "address": "n1"}, *listed]},
    }


@pytest.mark.rule("csr.serving-approval", "csr.node-own-name")
@pytest.mark.usefixtures("working")
async def test_a_node_gets_a_serving_certificate_for_its_own_addresses_alone(
    api_server: RunningApiServer, admin: RestClient
) -> None:
    async with client_of(api_server, "system:node:n1", ("system:nodes",)) as node:
        # One that came before its node, one of another's address, and one of both.
        await node.create(CSR, serving_request(dns("n1"), ip("10.0.0.1"), name="own"))
        await node.create(CSR, serving_request(ip("10.0.0.2"), name="of-another"))
        await node.create(CSR, serving_request(ip("10.0.0.1"), ip("10.0.0.2"), name="of-both"))
        pem = request_pem("system:node:n2", sans=[dns("n2")])
        with pytest.raises(StatusError, match="with CN=system:node:n1"):
            await node.create(CSR, serving_request(pem=pem))
        await admin.create(CSR, serving_request(dns("n1"), name="of-an-administrator"))
        await node.create(NODES, node_object("10.0.0.1"))
        assert (await certificate_of(admin, "own")).startswith(b"-----BEGIN CERTIFICATE-----")
        await node.create(CSR, serving_request(dns("n1"), name="last"))
        await certificate_of(admin, "last")  # requests are looked at in their order
        for name in ("of-another", "of-both", "of-an-administrator"):
            assert not (await get(admin, name)).get("status"), name
        await node.patch(NODES, None, "n1", node_object("10.0.0.2"), subresource="status")
        await certificate_of(admin, "of-another")
        assert not (await get(admin, "of-both")).get("status")
        approved = {"status": {"conditions": [{"type": "Approved", "status": "True"}]}}
        await admin.patch(CSR, None, "of-both", approved, subresource="approval")
        await certificate_of(admin, "of-both")


@pytest.mark.rule("csr.immutable")
async def test_what_a_request_says_cannot_be_changed(admin: RestClient) -> None:
    await admin.create(CSR, signing_request(name="one"))
    stored = await get(admin, "one")
    changed = stored | {
        "spec": stored["spec"] | {"username": "else"},
        "status": {"certificate": "eA=="},
    }
    after = await admin.update(CSR, changed)
    assert after["spec"] == stored["spec"]
    assert not after.get("status")


@pytest.mark.rule("csr.approval")
async def test_only_who_may_approve_does(api_server: RunningApiServer, admin: RestClient) -> None:
    await admin.create(CSR, signing_request(name="one"))
    approved = {"type": "Approved", "status": "True", "reason": "T", "message": "t"}
    patch = {"status": {"conditions": [approved]}}
    async with client_of(api_server, "system:node:n1", ("system:nodes",)) as node:
        with pytest.raises(StatusError, match="cannot patch"):
            await node.patch(CSR, None, "one", patch, subresource="approval")
    await admin.patch(CSR, None, "one", patch, subresource="approval")
    assert (await get(admin, "one"))["status"]["conditions"][0]["type"] == "Approved"
    both = {"status": {"conditions": [approved, approved | {"type": "Denied"}]}}
    with pytest.raises(StatusError, match="mutually exclusive"):
        await admin.patch(CSR, None, "one", both, subresource="approval")
    with pytest.raises(StatusError, match="may not remove"):
        await admin.patch(CSR, None, "one", {"status": {"conditions": []}}, subresource="approval")


@pytest.mark.rule("csr.failed")
@pytest.mark.usefixtures("working")
async def test_what_is_approved_by_hand_and_breaks_the_rules_fails(admin: RestClient) -> None:
    await admin.create(CSR, signing_request(request_pem("n1"), name="odd"))
    approved = {"type": "Approved", "status": "True"}
    await admin.patch(
        CSR, None, "odd", {"status": {"conditions": [approved]}}, subresource="approval"
    )

    async def failed() -> bool:
        conditions = (await get(admin, "odd"))["status"]["conditions"]
        return {one["type"] for one in conditions} == {"Approved", "Failed"}

    await until_true(failed)


@pytest.mark.rule("csr.validation", "csr.masters")
@pytest.mark.parametrize(
    ("bad", "text"),
    [
        pytest.param(signing_request(b"x"), "CERTIFICATE REQUEST", id="no request"),
        pytest.param(signing_request(usages=()), "spec.usages", id="no usage"),
        pytest.param(signing_request(usages=["fly"]), "unknown usage", id="an unknown usage"),
        pytest.param(signing_request(usages=["any", "any"]), "Duplicate", id="a usage twice"),
        pytest.param(signing_request(signer=""), "spec.signerName", id="no signer"),
        pytest.param(signing_request(signer="me"), "fully qualified", id="a short signer"),
        pytest.param(signing_request(seconds=599), "600 seconds", id="a life too short"),
        pytest.param(
            signing_request(
                request_pem("mallory", ["system:masters"]),
                signer="kubernetes.io/kube-apiserver-client",
            ),
            "system:masters",
            id="the group of those who may all",
        ),
    ],
)
async def test_bad_requests_are_refused(admin: RestClient, bad: Object, text: str) -> None:
    with pytest.raises(StatusError, match=text) as refused:
        await admin.create(CSR, bad)
    assert refused.value.code in (403, 422)


def conditions(*kinds: str, at: str = "2026-01-01T23:00:00Z") -> Object:
    return {"conditions": [{"type": one, "status": "True", "lastUpdateTime": at} for one in kinds]}


@pytest.mark.rule("csr.cleaned-up")
@pytest.mark.parametrize(
    ("status", "created", "now", "over"),
    [
        pytest.param({}, "2026-01-01T00:00:00Z", NOW, False, id="pending for a day"),
        pytest.param({}, "2026-01-01T00:00:00Z", NOW + SECOND, True, id="and longer"),
        pytest.param(conditions("Approved"), "", NOW, False, id="answered an hour ago"),
        pytest.param(conditions("Denied"), "", NOW + SECOND, True, id="and longer ago"),
        pytest.param({}, "?", NOW, False, id="of no known age"),
    ],
)
def test_is_over(status: Object, created: str, now: datetime, over: bool) -> None:
    request = {"metadata": {"creationTimestamp": created}, "status": status}
    assert is_over(request, now) is over


def test_only_approved_requests_without_an_answer_are_signed() -> None:
    request = signing_request()
    assert not is_ready_to_sign(request)
    assert is_ready_to_sign(request | {"status": conditions("Approved")})
    assert not is_ready_to_sign(request | {"status": conditions("Approved", "Failed")})
    assert not is_ready_to_sign(
        request | {"status": conditions("Approved") | {"certificate": "eA=="}}
    )


@pytest.mark.rule("bootstrap-token.cleaned-up")
async def test_an_expired_bootstrap_token_is_deleted(
    simulator: ApiSimulator,
    client: RestClient,
    informers: SharedInformers,
    clock: FakeClock,
    background: Background,
) -> None:
    background.start(BootstrapTokenCleaner(client, informers, clock).run())
    ends = clock.now() + timedelta(seconds=60)
    simulator.put(SECRETS, make_secret("aaaaaa", "0" * 16, expires=clock.now() - SECOND))
    simulator.put(SECRETS, make_secret("bbbbbb", "0" * 16, expires=ends))
    simulator.put(SECRETS, make_secret("cccccc", "0" * 16, expires=None))
    name = "bootstrap-token-{}".format
    await until(lambda: simulator.object(SECRETS, "kube-system", name("aaaaaa")) is None)
    assert simulator.object(SECRETS, "kube-system", name("bbbbbb")) is not None
    await clock.advance(61)
    await until(lambda: simulator.object(SECRETS, "kube-system", name("bbbbbb")) is None)
    assert simulator.object(SECRETS, "kube-system", name("cccccc")) is not None
