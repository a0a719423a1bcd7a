"""When a server with an external signer starts, and when not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from podpass.apiserver.external_jwt.failures import SignerUnusable
from podpass.apiserver.external_jwt.lifetime import Lifetimes
from podpass.apiserver.metrics import ExternalJwtMetrics
from podpass.apiserver.settings import ApiServerSettings
from podpass.apiserver.signing import Signing, local_signing, open_signing
from podpass.base.clock import SystemClock
from podpass.base.metrics import Registry
from podpass.testing.reference_signer import ReferenceSigner

from .conftest import KEY

YEAR = 365 * 24 * 3600


async def opened(endpoint: str, **more: Any) -> Signing:
    settings = replace(ApiServerSettings(service_account_signing_endpoint=endpoint), **more)
    return await open_signing(settings, SystemClock(), ExternalJwtMetrics(Registry()))


@pytest.mark.rule("signer.metadata")
async def test_keys_and_limits_come_from_the_signer(socket: str, signer: ReferenceSigner) -> None:
    signer.max_token_expiration_seconds = 7200
    signing = await opened(socket, service_account_max_token_expiration=timedelta(hours=1))
    try:
        assert [key.key_id for key in signing.keys.published] == [KEY.public.key_id]
        assert signing.lifetimes == Lifetimes(3600, 7200)
    finally:
        signing.close()


def test_without_an_endpoint_the_key_file_signs(tmp_path: Path) -> None:
    (tmp_path / "sa.key").write_bytes(KEY.to_pem())
    signing = local_signing(ApiServerSettings(service_account_signing_key_file=tmp_path / "sa.key"))
    signing.close()
    assert [key.key_id for key in signing.keys.published] == [KEY.public.key_id]
    assert signing.keys.max_age() == 3600
    assert signing.lifetimes == Lifetimes(0, YEAR)


@pytest.mark.rule("token-request.clamp-range")
@pytest.mark.parametrize(
    ("maximum", "seconds"),
    [
        pytest.param(timedelta(0), 0, id="0 for no limit"),
        pytest.param(timedelta(hours=1), 3600, id="an hour"),
        pytest.param(timedelta(seconds=1 << 32), 1 << 32, id="2^32 seconds"),
    ],
)
def test_a_limit_may_be(tmp_path: Path, maximum: timedelta, seconds: int) -> None:
    (tmp_path / "sa.key").write_bytes(KEY.to_pem())
    signing = local_signing(
        ApiServerSettings(
            service_account_signing_key_file=tmp_path / "sa.key",
            service_account_max_token_expiration=maximum,
        )
    )
    signing.close()
    assert signing.lifetimes.maximum == seconds


@pytest.mark.rule("signer.socket", "signer.metadata", "token-request.clamp-range")
@pytest.mark.parametrize(
    ("more", "why"),
    [
        pytest.param(
            {"service_account_signing_key_file": Path("sa.key")},
            "mutually exclusive",
            id="a signing key file",
        ),
        pytest.param(
            {"service_account_key_files": (Path("sa.pub"),)},
            "mutually exclusive",
            id="a file of public keys",
        ),
        pytest.param(
            {"service_account_signing_endpoint": "@a..b"}, "no abstract socket", id="a bad name"
        ),
        pytest.param(
            {"service_account_max_token_expiration": timedelta(minutes=59)},
            "must be between 1 hour and 2\\^32 seconds",
            id="a limit under an hour",
        ),
        pytest.param(
            {"service_account_max_token_expiration": timedelta(seconds=(1 << 32) + 1)},
            "must be between 1 hour and 2\\^32 seconds",
            id="a limit over 2^32 seconds",
        ),
        pytest.param(
            {"service_account_max_token_expiration": timedelta(days=366)},
            "cannot be set longer than .*: 8784h0m0s > 8760h0m0s",
            id="a limit over the signer's",
        ),
    ],
)
async def test_no_server_starts_with(
    socket: str, signer: ReferenceSigner, more: dict[str, Any], why: str
) -> None:
    assert signer.max_token_expiration_seconds == YEAR
    with pytest.raises(SignerUnusable, match=why):
        await opened(socket, **more)


@pytest.mark.rule("signer.metadata", "signer.fetch-keys")
@pytest.mark.parametrize(
    ("method", "change", "why"),
    [
        pytest.param(
            "Metadata",
            {"max_token_expiration_seconds": 300},
            r"max token life supported by external-jwt-signer \(300s\) is less than",
            id="too short a life",
        ),
        pytest.param("FetchKeys", {"keys": []}, "found no keys$", id="no keys"),
        pytest.param("FetchKeys", {"data_timestamp": None}, "invalid data timestamp", id="no time"),
        pytest.param(
            "FetchKeys",
            {"error": (grpc.StatusCode.UNKNOWN, "keys fetch error")},
            "^while setting up external-jwt-signer: while initially filling key cache: while "
            "fetching token verification keys: while getting externally supported jwt signing "
            "keys: rpc error: code = Unknown desc = keys fetch error$",
            id="an error",
        ),
    ],
)
async def test_no_server_starts_when_the_signer_answers_with(
    socket: str, signer: ReferenceSigner, method: str, change: dict[str, Any], why: str
) -> None:
    for name, value in change.items():
        setattr(signer, name, value)
    with pytest.raises(SignerUnusable, match=why):
        await opened(socket)
    assert signer.calls[method] == 1
