"""Call credentials against a real gRPC server: each call shows the token of the moment."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from workload.https_server import certificate

from podpass.testing.fake_issuer import FakeIssuer
from podpass.workload.grpc_credentials import token_file_credentials
from podpass.workload.token_file import TokenFile

ISSUER = FakeIssuer()
OLD, NEW = ISSUER.token(jti="old"), ISSUER.token(jti="new")


class Shown(grpc.GenericRpcHandler):
    """Answers with the authorization metadata that came."""

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes]:
        metadata = dict(handler_call_details.invocation_metadata)
        shown = str(metadata.get("authorization", "")).encode()

        def answer(_request: bytes, _context: grpc.ServicerContext) -> bytes:
            return shown

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    chain, key = certificate(tmp_path)
    server = grpc.server(ThreadPoolExecutor(max_workers=2), handlers=[Shown()])
    credentials = grpc.ssl_server_credentials([(key.read_bytes(), chain.read_bytes())])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_each_call_shows_the_present_token(address: str, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(OLD)
    credentials = grpc.composite_channel_credentials(
        grpc.ssl_channel_credentials((tmp_path / "ca.crt").read_bytes()),
        token_file_credentials(TokenFile(path)),
    )
    with grpc.secure_channel(address, credentials) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/shop.Orders/List")
        assert call(b"", timeout=10) == f"Bearer {OLD}".encode()
        path.write_text(NEW)
        assert call(b"", timeout=10) == f"Bearer {NEW}".encode()


def test_without_a_token_the_call_fails_with_the_reason(address: str, tmp_path: Path) -> None:
    credentials = grpc.composite_channel_credentials(
        grpc.ssl_channel_credentials((tmp_path / "ca.crt").read_bytes()),
        token_file_credentials(TokenFile(tmp_path / "token")),
    )
    with grpc.secure_channel(address, credentials) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/shop.Orders/List")
        with pytest.raises(grpc.RpcError) as failed:
            call(b"", timeout=10)
    assert "cannot be read: No such file or directory" in str(failed.value)
