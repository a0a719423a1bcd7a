"""The reference signer as a program, and an API server that uses it."""

from __future__ import annotations

import asyncio
import stat
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from podpass.apiserver.external_jwt.channel import SignerChannel
from podpass.apiserver.metrics import ExternalJwtMetrics
from podpass.base.clock import SystemClock
from podpass.base.metrics import Registry
from podpass.jose import base64url
from podpass.jose.pem import load_signing_key

from .conftest import OTHER

MODULE = "podpass.testing.reference_signer"


async def test_the_program_makes_its_key_and_signs(socket: str, tmp_path: Path) -> None:
    key_file, old = tmp_path / "sa.key", tmp_path / "old.pub"
    old.write_bytes(OTHER.public.to_pem())
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", MODULE, f"--socket={socket}", f"--key={key_file}",
        f"--retired-key={old}", "--max-token-expiration-seconds=7200", stdout=PIPE,
    )  # fmt: skip
    channel = SignerChannel(socket, SystemClock(), ExternalJwtMetrics(Registry()))
    try:
        keys = await channel.fetch_keys(20)
        answer = await channel.sign("e30")
        assert await channel.max_token_expiration_seconds() == 7200
    finally:
        channel.close()
        process.terminate()
        out, _ = await process.communicate()
    assert process.returncode == 0
    key = load_signing_key(key_file.read_bytes())
    assert out.decode() == f"signing with {key.public.key_id} at {socket}\n"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert [(one.key_id, one.exclude_from_oidc_discovery) for one in keys.keys] == [
        (key.public.key_id, False),
        (OTHER.public.key_id, True),
    ]
    signed = f"{answer.header}.e30".encode()
    assert key.public.verify(signed, base64url.decode(answer.signature))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        pytest.param(["--socket=@a..b"], "no abstract socket", id="a name that is none"),
        pytest.param(["--socket=no/such/directory/s"], "cannot listen at", id="no directory"),
    ],
)
async def test_the_program_says_why_it_cannot_start(
    tmp_path: Path, arguments: list[str], why: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", MODULE, *arguments, f"--key={tmp_path / 'k'}", stderr=PIPE
    )
    _, err = await process.communicate()
    assert process.returncode == 1
    assert why in err.decode()
    assert "Traceback" not in err.decode()
