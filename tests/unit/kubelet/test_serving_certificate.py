"""A kubelet gets the certificate that it serves with, and renews it under open connections."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from kubelet.certificate_signer import LIFE, Signer, ca_certificate, passes

from podpass.base.lazy_server import server_context
from podpass.client.config import ClientConfig
from podpass.client.rest import RestClient
from podpass.kubelet.certificate_file import CertificateFile, new_key
from podpass.kubelet.certificate_request import ANSWER_SECONDS
from podpass.kubelet.serving_certificate import ServingCertificate
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.background import Background
from podpass.testing.fake_clock import FakeClock

NODE, ADDRESS = "n1", "127.0.0.1"


NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME: the time of the test is not that of the machine."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def simulator() -> AsyncIterator[ApiSimulator]:
    async with ApiSimulator() as simulator:
        yield simulator


@pytest.fixture
async def client(simulator: ApiSimulator) -> AsyncIterator[RestClient]:
    async with RestClient(ClientConfig(simulator.url)) as client:
        yield client


@pytest.fixture
def signer(simulator: ApiSimulator, clock: FakeClock) -> Signer:
    return Signer(simulator, clock)


class Connection:
    """A client that has verified CA and address of the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def serial(self) -> int:
        tls = self._writer.get_extra_info("ssl_object")
        return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True)).serial_number

    async def echo(self, line: bytes) -> bytes:
        self._writer.write(line)
        return await self._reader.readline()

    def close(self) -> None:
        self._writer.transport.abort()


class Server:
    """Echoes lines over TLS, with the context of a kubelet's server."""

    def __init__(self, ca: Path, file: CertificateFile, clock: FakeClock) -> None:
        self.file = file
        self._ca = ca
        self._clock = clock
        self._context = server_context(ca)

    def certificate(self) -> ServingCertificate:
        """Return what a kubelet makes at its start."""
        return ServingCertificate(NODE, (ADDRESS,), self.file, self._context, self._clock)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._echo, ADDRESS, 0, ssl=self._context)

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                writer.write(line)
        writer.close()

    async def connect(self) -> Connection:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self._ca)
        context.verify_flags = ssl.VerifyFlags(context.verify_flags | NO_CHECK_TIME)
        port = self._server.sockets[0].getsockname()[1]
        return Connection(*await asyncio.open_connection(ADDRESS, port, ssl=context))

    async def serial(self) -> int:
        """Return the number of the certificate that is shown, 0 for none."""
        try:
            connection = await self.connect()
        except (ssl.SSLError, ConnectionError):
            return 0
        serial = connection.serial
        connection.close()
        return serial

    async def close(self) -> None:
        self._server.close()


@pytest.fixture
async def server(clock: FakeClock, tmp_path: Path) -> AsyncIterator[Server]:
    ca = tmp_path / "ca.crt"
    ca.write_bytes(ca_certificate(clock))
    file = CertificateFile(tmp_path / "pki" / "kubelet-server-current.pem")
    server = Server(ca, file, clock)
    await server.start()
    yield server
    await server.close()


@pytest.mark.rule("kubelet.serving-certificate")
async def test_it_asks_serves_and_renews_under_open_connections(
    server: Server, signer: Signer, client: RestClient, clock: FakeClock
) -> None:
    async with Background() as background:
        background.start(server.certificate().rotate(client))
        await passes(clock, signer.pending)
        spec = signer.pending()[0]["spec"]
        assert spec["signerName"] == "kubernetes.io/kubelet-serving"
        assert spec["usages"] == ["digital signature", "server auth"]
        [request] = signer.parsed()
        assert request.subject.rfc4514_string() == "CN=system:node:n1,O=system:nodes"
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [str(one.value) for one in names] == [NODE, ADDRESS]
        assert await server.serial() == 0  # refused at once
        signer.answer()
        await passes(clock, server.serial)
        assert server.file.path.stat().st_mode & 0o777 == 0o600
        before = await server.connect()
        await clock.advance(LIFE.total_seconds() * 0.69)
        assert not signer.pending()
        await clock.advance(LIFE.total_seconds() * 0.22)
        await passes(clock, signer.pending)
        assert await server.serial() == before.serial  # until the new one is there
        signer.answer()
        await passes(clock, partial(shows_another, server, before.serial))
        assert await before.echo(b"still here\n") == b"still here\n"
        before.close()


async def shows_another(server: Server, serial: int) -> bool:
    return await server.serial() not in (0, serial)


@pytest.mark.rule("kubelet.serving-certificate")
async def test_one_that_is_denied_or_left_is_asked_for_again_with_another_key(
    server: Server, signer: Signer, client: RestClient, clock: FakeClock
) -> None:
    async with Background() as background:
        background.start(server.certificate().rotate(client))
        await passes(clock, signer.pending)
        signer.answer({"conditions": [{"type": "Denied", "status": "True"}]})
        await passes(clock, signer.pending)
        await clock.advance(ANSWER_SECONDS)  # nobody answers
        await passes(clock, lambda: len(signer.pending()) == 2)
        assert await server.serial() == 0
        one, other = (request.public_key() for request in signer.parsed())
        assert one != other


async def test_one_that_cannot_be_kept_is_asked_for_again(
    server: Server, signer: Signer, client: RestClient, clock: FakeClock
) -> None:
    in_the_way = server.file.path.parent
    in_the_way.write_text("")
    async with Background() as background:
        background.start(server.certificate().rotate(client))
        await passes(clock, signer.pending)
        signer.answer()
        await passes(clock, signer.pending)
        in_the_way.unlink()
        signer.answer()
        await passes(clock, server.serial)


def keep(server: Server, signer: Signer, node: str, *addresses: str) -> None:
    key = new_key(node, serves=(node, *addresses))
    server.file.replace(key.key_pem, signer.sign(key.request_pem))


async def test_the_one_that_is_there_is_used_until_it_is_due(
    server: Server, signer: Signer, client: RestClient, clock: FakeClock
) -> None:
    keep(server, signer, NODE, ADDRESS)
    certificate = server.certificate()
    assert await server.serial()
    async with Background() as background:
        background.start(certificate.rotate(client))
        await clock.advance(LIFE.total_seconds() * 0.69)
        assert not signer.pending()
        await clock.advance(LIFE.total_seconds() * 0.22)
        await passes(clock, signer.pending)


@pytest.mark.parametrize(
    ("node", "addresses"),
    [
        pytest.param(NODE, ["10.0.0.9"], id="for an address that the node had"),
        pytest.param(NODE, [ADDRESS, "10.0.0.9"], id="for an address more"),
        pytest.param(NODE, [], id="for an address less"),
        pytest.param("n2", [ADDRESS], id="for another name"),
    ],
)
async def test_one_that_does_not_fit_is_not_used_and_another_asked_for_at_once(
    server: Server,
    signer: Signer,
    client: RestClient,
    clock: FakeClock,
    node: str,
    addresses: list[str],
) -> None:
    keep(server, signer, node, *addresses)
    certificate = server.certificate()
    assert await server.serial() == 0
    async with Background() as background:
        background.start(certificate.rotate(client))
        await passes(clock, signer.pending)
        signer.answer()
        await passes(clock, server.serial)
