"""How long tokens may live that somebody else signs.

1. A signer signs tokens of at least 600 seconds.
2. Without a maximum of our own, the signer's is ours; one that is larger than the signer's is an
   error, a smaller one stays.
3. An extended token lives a year, or as long as the signer allows.

Source: Kubernetes `pkg/controlplane/apiserver/options`, `completeServiceAccountOptions`.
"""

from __future__ import annotations

from dataclasses import dataclass

from podpass.apiserver.external_jwt.failures import SignerUnusable
from podpass.serviceaccount.issuance import (
    EXTENDED_EXPIRATION_SECONDS,
    MINIMUM_EXPIRATION_SECONDS,
)


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Limits, in seconds.

    Attributes:
        maximum: Longest life that is issued; 0 for no limit.
        extended: Life of an extended token.
    """

    maximum: int = 0
    extended: int = EXTENDED_EXPIRATION_SECONDS


def negotiate(ours: int, signers: int) -> Lifetimes:
    """Return the limits for a signer.

    Args:
        ours: `--service-account-max-token-expiration` in seconds, 0 if it is not given.
        signers: `max_token_expiration_seconds` of its metadata.

    Raises:
        SignerUnusable: Rule 1 or 2.
    """
    if signers < MINIMUM_EXPIRATION_SECONDS:
        raise SignerUnusable(
            f"max token life supported by external-jwt-signer ({signers}s) is less than acceptable "
            f"(min {MINIMUM_EXPIRATION_SECONDS}s)"
        )
    if ours > signers:
        raise SignerUnusable(
            "service-account-max-token-expiration cannot be set longer than the token expiration "
            "supported by service-account-signing-endpoint: "
            f"{go_duration(ours)} > {go_duration(signers)}"
        )
    return Lifetimes(ours or signers, min(EXTENDED_EXPIRATION_SECONDS, signers))


def go_duration(seconds: int) -> str:
    """Return a span as Go writes it: `1h0m0s`."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
