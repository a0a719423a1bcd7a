"""Keys, answers and sockets for the tests of the external signer."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from podpass.apiserver.external_jwt.failures import SignerUnusable
from podpass.apiserver.external_jwt.messages import FetchKeysResponse, Timestamp, WireKey
from podpass.jose.keys import ES256, generate_signing_key
from podpass.testing.reference_signer import ReferenceSigner, wire_key

KEY = generate_signing_key(ES256)
OTHER = generate_signing_key(ES256)
STAMP = Timestamp(1_760_000_000, 500_000_000)


def answer(*keys: WireKey, stamp: Timestamp | None = STAMP, hint: int = 60) -> FetchKeysResponse:
    """Return what a signer answers; KEY if no keys are given."""
    return FetchKeysResponse(
        keys=keys or (wire_key(KEY.public),), data_timestamp=stamp, refresh_hint_seconds=hint
    )


class ScriptedSource:
    """Answers requests for keys with what a test puts in."""

    def __init__(self) -> None:
        self.answer: FetchKeysResponse | SignerUnusable = answer()
        self.timeouts: list[float] = []

    @property
    def fetches(self) -> int:
        return len(self.timeouts)

    async def fetch(self, timeout: float) -> FetchKeysResponse:
        self.timeouts.append(timeout)
        if isinstance(self.answer, SignerUnusable):
            raise self.answer
        return self.answer


@pytest.fixture
def socket() -> Iterator[str]:
    """A path that is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="signer-") as directory:
        yield str(Path(directory) / "signer.sock")


@pytest.fixture
def signer(socket: str) -> Iterator[ReferenceSigner]:
    """A signer with KEY that listens at `socket`."""
    made = ReferenceSigner(KEY)
    made.start(socket)
    yield made
    made.stop()
