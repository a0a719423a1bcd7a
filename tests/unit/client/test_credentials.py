"""Credentials follow their files, and survive a file that cannot be read."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from podpass.base.clock import SystemClock
from podpass.base.logs import Secret
from podpass.bootstrap.certificates import Authority, ensure_authority, ensure_certificate
from podpass.client.config import ClientConfig, ConfigError
from podpass.client.credentials import Credentials
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.testing.api_simulator import ApiSimulator


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    authority = ensure_authority(tmp_path, now=SystemClock().now())
    now = SystemClock().now()
    ensure_certificate(authority, tmp_path, "server", "server", now=now, addresses=["127.0.0.1"])
    ensure_certificate(authority, tmp_path, "client", "somebody", now=now)
    return authority


def server_context(directory: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.crt", directory / "server.key")
    context.load_verify_locations(directory / "ca.crt")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def config_of(directory: Path, url: str) -> ClientConfig:
    return ClientConfig(
        url,
        ca_file=directory / "ca.crt",
        client_certificate_file=directory / "client.crt",
        client_key_file=directory / "client.key",
    )


@pytest.mark.usefixtures("authority")
async def test_a_client_certificate_opens_a_server_that_wants_one(tmp_path: Path) -> None:
    async with (
        ApiSimulator(server_context(tmp_path)) as simulator,
        RestClient(config_of(tmp_path, simulator.url)) as client,
    ):
        assert await client.read_path("/readyz") == b"ok"


@pytest.mark.usefixtures("authority")
async def test_inline_certificates_work_without_a_file(tmp_path: Path) -> None:
    async with ApiSimulator(server_context(tmp_path)) as simulator:
        config = ClientConfig(
            simulator.url,
            ca_data=(tmp_path / "ca.crt").read_bytes(),
            client_certificate_data=(tmp_path / "client.crt").read_bytes(),
            client_key_data=Secret((tmp_path / "client.key").read_text()),
        )
        async with RestClient(config) as client:
            assert await client.read_path("/readyz") == b"ok"


@pytest.mark.usefixtures("authority")
async def test_a_server_of_another_authority_is_refused(tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    ensure_authority(stranger, now=SystemClock().now())
    async with ApiSimulator(server_context(tmp_path)) as simulator:
        config = replace(config_of(tmp_path, simulator.url), ca_file=stranger / "ca.crt")
        async with RestClient(config) as client:
            with pytest.raises(ConnectionFailed, match="certificate is not trusted"):
                await client.read_path("/readyz")


@pytest.mark.usefixtures("authority")
async def test_the_name_in_the_certificate_counts_unless_another_is_named(tmp_path: Path) -> None:
    async with ApiSimulator(server_context(tmp_path)) as simulator:
        config = replace(config_of(tmp_path, simulator.url), tls_server_name="elsewhere")
        async with RestClient(config) as client:
            with pytest.raises(ConnectionFailed, match="elsewhere"):
                await client.read_path("/readyz")
        async with RestClient(replace(config, verify=False)) as client:
            assert await client.read_path("/readyz") == b"ok"


def test_a_rotated_certificate_makes_a_new_context(tmp_path: Path, authority: Authority) -> None:
    credentials = Credentials(config_of(tmp_path, "https://127.0.0.1:1"))
    first = credentials.tls_context()
    assert credentials.tls_context() is first
    (tmp_path / "client.crt").unlink()
    (tmp_path / "client.key").unlink()
    assert credentials.tls_context() is first, "an unreadable file keeps the former certificate"
    ensure_certificate(authority, tmp_path, "client", "new", now=datetime.now(UTC))  # noqa: TID251 - OpenSSL compares with the real time
    second = credentials.tls_context()
    assert second is not first
    assert credentials.tls_context() is second


def test_certificates_that_never_were_readable_are_an_error(tmp_path: Path) -> None:
    credentials = Credentials(config_of(tmp_path, "https://127.0.0.1:1"))
    with pytest.raises(ConfigError, match="cannot load the client's certificates"):
        credentials.tls_context()


def test_plain_http_has_no_context() -> None:
    assert Credentials(ClientConfig("http://127.0.0.1:1")).tls_context() is None


def test_a_server_without_named_authority_is_checked_against_the_system() -> None:
    context = Credentials(ClientConfig("https://127.0.0.1:1")).tls_context()
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_token_is_trimmed_and_read_again_when_its_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "token"
    credentials = Credentials(ClientConfig("http://x", token_file=path))
    path.write_text(" one\n")
    assert credentials.authorization() == "Bearer one"
    path.write_text("second")
    assert credentials.authorization() == "Bearer second"
    path.unlink()
    assert credentials.authorization() == "Bearer second"
    path.write_text("")
    assert credentials.authorization() == "Bearer second"
    path.write_text("third")
    assert credentials.authorization() == "Bearer third"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "No such file", id="missing"),
        pytest.param(" \n", "read empty token from file", id="empty"),
        pytest.param("a\nb", "does not hold one token", id="two lines"),
        pytest.param("a b", "does not hold one token", id="two words"),
    ],
)
def test_a_token_that_never_was_readable_is_an_error(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        Credentials(ClientConfig("http://x", token_file=path)).authorization()


def test_an_inline_token_is_used() -> None:
    credentials = Credentials(ClientConfig("http://x", token=Secret("inline")))
    assert credentials.authorization() == "Bearer inline"


def test_without_token_there_is_no_header() -> None:
    assert Credentials(ClientConfig("http://x")).authorization() is None
