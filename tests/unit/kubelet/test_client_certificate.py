"""A kubelet gets its certificate, keeps it fresh, and goes on with the old one."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from kubelet.certificate_signer import LIFE, Signer, passes

from podpass.client.config import ClientConfig, load_kubeconfig
from podpass.client.rest import RestClient
from podpass.kubelet.bootstrap import ensure_login, own_kubeconfig
from podpass.kubelet.certificate_file import CertificateFile, UnusableCertificate, new_key
from podpass.kubelet.client_certificate import ClientCertificate
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.background import Background
from podpass.testing.fake_clock import FakeClock


@pytest.fixture
async def simulator() -> AsyncIterator[ApiSimulator]:
    async with ApiSimulator() as simulator:
        yield simulator


@pytest.fixture
async def client(simulator: ApiSimulator) -> AsyncIterator[RestClient]:
    async with RestClient(ClientConfig(simulator.url)) as client:
        yield client


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def signer(simulator: ApiSimulator, clock: FakeClock) -> Signer:
    return Signer(simulator, clock)


@pytest.fixture
def file(tmp_path: Path) -> CertificateFile:
    return CertificateFile(tmp_path / "pki" / "kubelet-client-current.pem")


@pytest.fixture
def bootstrap(simulator: ApiSimulator, tmp_path: Path) -> Path:
    """A kubeconfig as `podpass join` writes it."""
    path = tmp_path / "bootstrap.kubeconfig"
    path.write_bytes(own_kubeconfig(ClientConfig(simulator.url), tmp_path / "none"))
    return path


@pytest.mark.rule("kubelet.certificate-kept")
async def test_the_first_certificate_and_the_next(
    signer: Signer, client: RestClient, clock: FakeClock, file: CertificateFile, bootstrap: Path
) -> None:
    certificate = ClientCertificate("n1", file, clock)
    assert not certificate.is_good()
    async with Background() as background:
        background.start(certificate.rotate(client, bootstrap))
        await passes(clock, signer.pending)
        request = signer.pending()[0]
        subject = x509.load_pem_x509_csr(base64.b64decode(request["spec"]["request"])).subject
        assert subject.rfc4514_string() == "CN=system:node:n1,O=system:nodes"
        signer.answer()
        await passes(clock, certificate.is_good)
        first = file.path.read_bytes()
        assert file.path.stat().st_mode & 0o777 == 0o600
        await clock.advance(LIFE.total_seconds() * 0.69)
        assert not signer.pending()
        await clock.advance(LIFE.total_seconds() * 0.22)
        await passes(clock, signer.pending)
        assert file.path.read_bytes() == first  # the old one until the new one is there
        signer.answer()
        await passes(clock, lambda: file.path.read_bytes() != first)


async def test_one_that_ran_out_while_nobody_answered_is_replaced(
    signer: Signer, client: RestClient, clock: FakeClock, file: CertificateFile, bootstrap: Path
) -> None:
    key = new_key("n1")
    file.replace(key.key_pem, signer.sign(key.request_pem))
    certificate = ClientCertificate("n1", file, clock)
    away = bootstrap.rename(bootstrap.with_name("away"))
    async with Background() as background:
        background.start(certificate.rotate(client, bootstrap))
        await clock.advance(LIFE.total_seconds() + 1)
        assert not certificate.is_good()
        away.rename(bootstrap)
        await passes(clock, signer.pending)
        signer.answer()
        await passes(clock, certificate.is_good)


async def test_a_denied_request_is_made_again(
    signer: Signer, client: RestClient, clock: FakeClock, file: CertificateFile, bootstrap: Path
) -> None:
    certificate = ClientCertificate("n1", file, clock)
    async with Background() as background:
        background.start(certificate.rotate(client, bootstrap))
        await passes(clock, signer.pending)
        signer.answer({"conditions": [{"type": "Denied", "status": "True"}]})
        await passes(clock, signer.pending)
        assert not file.path.exists()
        signer.answer()
        await passes(clock, certificate.is_good)


def test_a_certificate_for_another_key_changes_nothing(
    signer: Signer, file: CertificateFile
) -> None:
    mine, other = new_key("n1"), new_key("n1")
    file.replace(mine.key_pem, signer.sign(mine.request_pem))
    before = file.path.read_bytes()
    with pytest.raises(UnusableCertificate, match="belong together"):
        file.replace(mine.key_pem, signer.sign(other.request_pem))
    assert file.path.read_bytes() == before
    assert "PRIVATE" not in repr(mine)


async def test_a_login_that_is_good_is_kept(
    signer: Signer, clock: FakeClock, file: CertificateFile, tmp_path: Path
) -> None:
    key = new_key("n1")
    file.replace(key.key_pem, signer.sign(key.request_pem))
    certificate = ClientCertificate("n1", file, clock)
    kubeconfig = tmp_path / "kubeconfig"
    bootstrap = tmp_path / "bootstrap"
    bootstrap.write_bytes(own_kubeconfig(ClientConfig("https://h:1", ca_data=b"ca"), file.path))
    await ensure_login(certificate, bootstrap_kubeconfig=bootstrap, kubeconfig=kubeconfig)
    written = load_kubeconfig(kubeconfig)
    assert (written.server, written.ca_data) == ("https://h:1", b"ca")
    assert written.client_certificate_file == written.client_key_file == file.path
    bootstrap.unlink()
    await ensure_login(certificate, bootstrap_kubeconfig=bootstrap, kubeconfig=kubeconfig)
