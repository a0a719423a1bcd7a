"""Who signs tokens and whose signatures count: key files of ours, or a signer outside.

1. `--service-account-signing-endpoint` and the two flags of key files exclude each other.
2. An external signer is asked for its keys, then for the longest life that it signs. It may come
   late; when it is not there in time, there is no server.
3. `--service-account-max-token-expiration` is 0 or within an hour and 2^32 seconds.

Source: Kubernetes `pkg/controlplane/apiserver/options`, `completeServiceAccountOptions`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from podpass.apiserver.external_jwt.channel import SignerChannel
from podpass.apiserver.external_jwt.failures import SignerUnusable
from podpass.apiserver.external_jwt.key_cache import KeyCache
from podpass.apiserver.external_jwt.lifetime import Lifetimes, negotiate
from podpass.apiserver.external_jwt.signer import ExternalSigner
from podpass.apiserver.metrics import ExternalJwtMetrics
from podpass.apiserver.settings import ApiServerSettings
from podpass.apiserver.signing_keys import Signer, TokenSigner, read_key_set, read_signing_key
from podpass.apiserver.signing_processes import SigningProcesses
from podpass.base.clock import Clock
from podpass.serviceaccount.issuance import MAXIMUM_EXPIRATION_SECONDS
from podpass.serviceaccount.trusted_keys import StaticKeys, TrustedKeys

_HOUR = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """What signs and what verifies.

    Attributes:
        signer: Signs.
        keys: Verify.
        lifetimes: How long tokens may live.
        close: Ends what runs for it; asked for once.
    """

    signer: TokenSigner
    keys: TrustedKeys
    lifetimes: Lifetimes
    close: Callable[[], None]


async def open_signing(
    settings: ApiServerSettings, clock: Clock, metrics: ExternalJwtMetrics
) -> Signing:
    """Read the key files, or connect to the signer.

    Raises:
        UnusableKey: A key file cannot be read.
        SignerUnusable: Rules 1 to 3.
    """
    if settings.service_account_signing_endpoint:
        return await _external(settings, clock, metrics)
    return local_signing(settings)


def local_signing(settings: ApiServerSettings) -> Signing:
    """Return a signer with the key of the key file.

    Raises:
        UnusableKey: A key file cannot be read.
        SignerUnusable: Rule 3.
    """
    maximum = _maximum_seconds(settings.service_account_max_token_expiration)
    key = read_signing_key(settings.signing_key_file)
    signer = Signer(key, processes=SigningProcesses(key))
    keys = read_key_set(settings.service_account_key_files or (settings.signing_key_file,))
    return Signing(
        signer=signer, keys=StaticKeys(keys), lifetimes=Lifetimes(maximum), close=signer.close
    )


async def _external(
    settings: ApiServerSettings, clock: Clock, metrics: ExternalJwtMetrics
) -> Signing:
    if settings.service_account_signing_key_file or settings.service_account_key_files:  # 1
        raise SignerUnusable(
            "service-account-signing-endpoint is mutually exclusive with "
            "service-account-signing-key-file and service-account-key-file"
        )
    maximum = _maximum_seconds(settings.service_account_max_token_expiration)
    channel = SignerChannel(settings.service_account_signing_endpoint, clock, metrics)
    keys = KeyCache(channel.fetch_keys, clock, metrics)
    try:
        try:
            await keys.fill()  # 2
            signers_maximum = await channel.max_token_expiration_seconds()
        except SignerUnusable as error:
            error.add_context("while setting up external-jwt-signer")
            raise
        lifetimes = negotiate(maximum, signers_maximum)
    except BaseException:
        keys.close()
        channel.close()
        raise
    refreshing = asyncio.create_task(keys.run(), name="refresh keys of the signer")

    def close() -> None:
        refreshing.cancel()
        keys.close()
        channel.close()

    signer = ExternalSigner(channel.sign, keys, metrics)
    return Signing(signer=signer, keys=keys, lifetimes=lifetimes, close=close)


def _maximum_seconds(maximum: timedelta | None) -> int:
    seconds = int(maximum.total_seconds()) if maximum else 0
    if seconds and not _HOUR <= seconds <= MAXIMUM_EXPIRATION_SECONDS:  # 3
        raise SignerUnusable(
            "the service-account-max-token-expiration must be between 1 hour and 2^32 seconds"
        )
    return seconds
