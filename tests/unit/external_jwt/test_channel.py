"""Calls over a real socket."""

from __future__ import annotations

import asyncio
import sys

import grpc
import pytest

from podpass.apiserver.external_jwt import channel as channel_module
from podpass.apiserver.external_jwt.channel import SignerChannel, code_name, load_grpc
from podpass.apiserver.external_jwt.failures import CallFailed, SignerUnusable
from podpass.apiserver.metrics import ExternalJwtMetrics
from podpass.base.clock import SystemClock
from podpass.base.metrics import Registry
from podpass.base.tasks import random_suffix
from podpass.jose import base64url
from podpass.testing.fake_clock import until
from podpass.testing.reference_signer import ReferenceSigner

from .conftest import KEY


class Line:
    """A channel and what it counts."""

    def __init__(self, endpoint: str) -> None:
        self.metrics = ExternalJwtMetrics(Registry())
        self.channel = SignerChannel(endpoint, SystemClock(), self.metrics)

    def __enter__(self) -> SignerChannel:
        return self.channel

    def __exit__(self, *_error: object) -> None:
        self.channel.close()


@pytest.mark.rule("signer.socket", "signer.sign")
async def test_the_three_methods_are_called(socket: str, signer: ReferenceSigner) -> None:
    signer.max_token_expiration_seconds = 7200
    line = Line(socket)
    with line as channel:
        keys = await channel.fetch_keys(10)
        assert [key.key_id for key in keys.keys] == [KEY.public.key_id]
        assert await channel.max_token_expiration_seconds() == 7200
        answer = await channel.sign("e30")
    signed = f"{answer.header}.e30".encode()
    assert KEY.public.verify(signed, base64url.decode(answer.signature))
    assert dict(signer.calls) == {"FetchKeys": 1, "Metadata": 1, "Sign": 1}
    for method in ("FetchKeys", "Metadata", "Sign"):
        assert line.metrics.durations.count(f"/v1.ExternalJWTSigner/{method}", "OK") == 1


@pytest.mark.rule("signer.socket")
async def test_an_abstract_socket_is_called() -> None:
    name = f"@podpass.test-{random_suffix(10)}"
    signer = ReferenceSigner(KEY)
    signer.start(name)
    try:
        with Line(name) as channel:
            assert (await channel.sign("e30")).header
    finally:
        signer.stop()


@pytest.mark.rule("signer.late")
async def test_a_signer_that_comes_late_is_waited_for(socket: str) -> None:
    signer = ReferenceSigner(KEY)
    with Line(socket) as channel:
        waiting = asyncio.create_task(channel.fetch_keys(20))
        await asyncio.sleep(0)
        signer.start(socket)
        try:
            assert (await waiting).refresh_hint_seconds == 60
        finally:
            signer.stop()


async def test_a_signer_that_does_not_come_is_given_up(socket: str) -> None:
    line = Line(socket)
    with line as channel, pytest.raises(CallFailed) as caught:
        await channel.fetch_keys(0.1)
    assert caught.value.code == "DeadlineExceeded"
    assert str(caught.value).startswith(
        "while getting externally supported jwt signing keys: "
        "rpc error: code = DeadlineExceeded desc = "
    )
    assert line.metrics.durations.count("/v1.ExternalJWTSigner/FetchKeys", "DeadlineExceeded") == 1


async def test_the_words_of_the_signer_are_shown_without_tokens(
    socket: str, signer: ReferenceSigner
) -> None:
    token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJpIn0.c2ln"
    signer.error = (grpc.StatusCode.PERMISSION_DENIED, f"not for {token}, {'x' * 1000}")
    with Line(socket) as channel, pytest.raises(CallFailed) as caught:
        await channel.sign("e30")
    text = str(caught.value)
    assert text.startswith("rpc error: code = PermissionDenied desc = not for [token], xxx")
    assert len(text) < 600


async def test_who_stops_waiting_ends_the_call(socket: str) -> None:
    line = Line(socket)
    with line as channel:
        waiting = asyncio.create_task(channel.fetch_keys(60))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()


async def test_a_closed_channel_fails_calls_under_way(socket: str) -> None:
    line = Line(socket)
    waiting = asyncio.create_task(line.channel.fetch_keys(60))
    await asyncio.sleep(0)
    line.channel.close()
    with pytest.raises(CallFailed) as caught:
        await waiting
    assert caught.value.code == "Canceled"


async def test_a_signer_that_comes_back_is_found(socket: str, signer: ReferenceSigner) -> None:
    with Line(socket) as channel:
        await channel.sign("e30")
        signer.stop()
        waiting = asyncio.create_task(channel.sign("e30"))
        await asyncio.sleep(0)
        signer.start(socket)
        assert (await waiting).signature
        await until(lambda: signer.calls["Sign"] >= 2)


def test_without_grpc_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "grpc", None)
    with pytest.raises(SignerUnusable, match=r"pip install 'podpass\[external-signer\]'"):
        load_grpc()
    assert channel_module.load_grpc is load_grpc


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (grpc.StatusCode.OK, "OK"),
        (grpc.StatusCode.CANCELLED, "Canceled"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "DeadlineExceeded"),
        (grpc.StatusCode.UNAVAILABLE, "Unavailable"),
    ],
)
def test_codes_have_the_names_of_go(status: grpc.StatusCode, name: str) -> None:
    assert code_name(status) == name
