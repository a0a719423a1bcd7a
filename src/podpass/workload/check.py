"""The decision: is this token good, here and now. No I/O; keys and time are arguments.

In this order, so that nothing is believed before its signature was checked:

1. The issuer is one that is trusted. Claimed only, so that foreign tokens cost no key lookup.
2. One of the issuer's keys made the signature, with that key's own algorithm.
3. The claims are those of a bound token (`claims`).
4. One of the token's audiences is one of ours; a token for nobody is for nobody.
5. `exp`, `nbf` and `iat`, each with the leeway; exactly at the edge is good.

Source: RFC 7519, section 4.1; RFC 8725; Kubernetes `pkg/serviceaccount`, `validator.Validate`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from podpass.workload.claims import read_identity, read_issuer
from podpass.workload.compact_token import UnverifiedToken
from podpass.workload.identity import Identity
from podpass.workload.refusal import Reason, TokenRefused
from podpass.workload.trusted_keys import TrustedKeys

LEEWAY = timedelta(seconds=60)
"""What the API server grants, too."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose tokens are believed.

    Attributes:
        issuers: Accepted values of `iss`, exact.
        keys: Whose signatures count.
    """

    issuers: frozenset[str]
    keys: TrustedKeys


def wanted_audiences(audience: str | Collection[str]) -> frozenset[str]:
    """Return our audiences, of which a token needs one.

    Raises:
        ValueError: There is none, or an empty one.
    """
    audiences = frozenset([audience] if isinstance(audience, str) else audience)
    if not audiences or "" in audiences:
        raise ValueError("an audience is needed: the name under which tokens are made for you")
    return audiences


def check_issuer(token: UnverifiedToken, issuers: frozenset[str]) -> None:
    """Apply rule 1.

    Raises:
        TokenRefused: ISSUER, or MALFORMED if the token names none.
    """
    if read_issuer(token.claims) not in issuers:
        raise TokenRefused(Reason.ISSUER, "the token is from an issuer that is not trusted here")


def check_signature(token: UnverifiedToken, keys: TrustedKeys) -> None:
    """Apply rule 2.

    Raises:
        TokenRefused: UNKNOWN_KEY, ALGORITHM or SIGNATURE.
    """
    if not keys.knows(token.key_id):
        raise TokenRefused(
            Reason.UNKNOWN_KEY, "the issuer has no key of the id that the token names"
        )
    candidates = keys.candidates(token.key_id, token.algorithm)
    if not candidates:
        raise TokenRefused(Reason.ALGORITHM, "the token's algorithm does not fit the issuer's key")
    if not any(key.verify(token.signing_input, token.signature) for key in candidates):
        raise TokenRefused(Reason.SIGNATURE, "the signature is not that of the issuer's key")


def check_audience(identity: Identity, audiences: frozenset[str]) -> None:
    """Apply rule 4.

    Raises:
        TokenRefused: AUDIENCE.
    """
    if audiences.isdisjoint(identity.audiences):
        raise TokenRefused(Reason.AUDIENCE, "the token was made for another audience")


def check_times(identity: Identity, now: datetime, leeway: timedelta = LEEWAY) -> None:
    """Apply rule 5.

    Raises:
        TokenRefused: EXPIRED or NOT_YET_VALID.
    """
    if identity.expires_at < now - leeway:
        raise TokenRefused(Reason.EXPIRED, "the token has expired")
    for moment in (identity.not_before, identity.issued_at):
        if moment is not None and moment > now + leeway:
            raise TokenRefused(Reason.NOT_YET_VALID, "the token is not valid yet")


def check(
    token: UnverifiedToken,
    trust: Trust,
    audiences: frozenset[str],
    now: datetime,
    leeway: timedelta = LEEWAY,
) -> Identity:
    """Return whom the token speaks for (rules 1 to 5).

    Args:
        token: From `compact_token.parse`.
        trust: Issuers and keys.
        audiences: From `wanted_audiences`.
        now: Aware.
        leeway: How far clocks may be apart.

    Raises:
        TokenRefused: It is not accepted.
    """
    check_issuer(token, trust.issuers)
    check_signature(token, trust.keys)
    identity = read_identity(token.claims)
    check_audience(identity, audiences)
    check_times(identity, now, leeway)
    return identity
