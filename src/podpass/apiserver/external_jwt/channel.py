"""The connection to the signer: gRPC over a unix socket.

Calls go through gRPC's own threads and come back to the event loop; grpc.aio is not used, since it
wants the event loop for itself. gRPC is imported only when a channel is opened: it costs a process
11 MB. Insecure transport, authority `localhost`, and calls wait for a signer that is not there yet.
"""

from __future__ import annotations

import asyncio
import os
from types import ModuleType
from typing import Any, TypeVar

from podpass.apiserver.external_jwt import messages
from podpass.apiserver.external_jwt.endpoint import grpc_target
from podpass.apiserver.external_jwt.failures import CallFailed, SignerUnusable
from podpass.apiserver.external_jwt.messages import FetchKeysResponse, SignResponse
from podpass.apiserver.metrics import ExternalJwtMetrics
from podpass.base.clock import Clock
from podpass.base.logs import redact

METADATA_TIMEOUT = 10.0
SIGN_TIMEOUT = 30.0
"""A request is given up by its client after about as many seconds."""

_MAX_DETAILS = 512
"""Characters of the signer's own words that an error shows."""
_RECONNECT = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)
"""A signer that starts late is found within a second."""
_OTHER_NAMES = {"OK": "OK", "CANCELLED": "Canceled"}
T = TypeVar("T")


def load_grpc() -> ModuleType:
    """Return the gRPC library.

    Raises:
        SignerUnusable: It is not installed.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what fails is told by the call
    try:
        import grpc  # noqa: PLC0415 - only who has an external signer pays for it
    except ImportError:
        raise SignerUnusable(
            "service-account-signing-endpoint needs gRPC; install it with "
            "`pip install 'podpass[external-signer]'`"
        ) from None
    return grpc


def code_name(status: Any) -> str:
    """Return a gRPC status as Go programs write it: `DeadlineExceeded`."""
    name = str(status.name)
    return _OTHER_NAMES.get(name) or name.title().replace("_", "")


class SignerChannel:
    """Calls of one signer."""

    def __init__(self, endpoint: str, clock: Clock, metrics: ExternalJwtMetrics) -> None:
        """Prepare the connection; it is made with the first call.

        Raises:
            SignerUnusable: The endpoint is no socket's name, or gRPC is not installed.
        """
        target = grpc_target(endpoint)
        self._grpc = load_grpc()
        options = [("grpc.default_authority", "localhost"), ("grpc.enable_http_proxy", 0)]
        self._channel = self._grpc.insecure_channel(target, options=[*options, *_RECONNECT])
        self._clock = clock
        self._metrics = metrics

    async def sign(self, claims: str) -> SignResponse:
        """Return header and signature for the second part of a token.

        Raises:
            CallFailed: The signer did not answer.
            BadAnswer: The answer cannot be read.
        """
        request = messages.encode_sign_request(claims)
        return messages.decode_sign_response(await self._call(messages.SIGN, request, SIGN_TIMEOUT))

    async def fetch_keys(self, timeout: float) -> FetchKeysResponse:
        """Return the keys that verify.

        Args:
            timeout: Seconds that it may take, the wait for the signer included.

        Raises:
            CallFailed: The signer did not answer.
            BadAnswer: The answer cannot be read.
        """
        try:
            answer = await self._call(messages.FETCH_KEYS, b"", timeout)
        except CallFailed as error:
            error.add_context("while getting externally supported jwt signing keys")
            raise
        return messages.decode_fetch_keys_response(answer)

    async def max_token_expiration_seconds(self) -> int:
        """Return the longest life of a token that the signer signs, in seconds.

        Raises:
            CallFailed: The signer did not answer.
            BadAnswer: The answer cannot be read.
        """
        answer = await self._call(messages.METADATA, b"", METADATA_TIMEOUT)
        return messages.decode_metadata_response(answer)

    def close(self) -> None:
        """End the connection; calls under way fail."""
        self._channel.close()

    async def _call(self, method: str, request: bytes, timeout: float) -> bytes:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not done.done():
                done.set_result(None)

        started = self._clock.monotonic()
        call = self._channel.unary_unary(method).future(
            request, timeout=timeout, wait_for_ready=True
        )
        call.add_done_callback(lambda _: loop.call_soon_threadsafe(wake))
        try:
            await done
        except asyncio.CancelledError:
            call.cancel()
            raise
        code = code_name(call.code())
        self._metrics.durations.observe(self._clock.monotonic() - started, method, code)
        if code != "OK":
            raise CallFailed(code, redact(str(call.details() or ""))[:_MAX_DETAILS])
        answer: bytes = call.result()
        return answer
