"""TokenReview without I/O: the question, and what the answer means.

1. `status.audiences` must contain one of ours: an API server that does not know audiences leaves
   the list empty and would accept a token that was made for somebody else.
2. The user must be the service account that the token itself names, with the same UID; the claims
   were verified by then, and tell the rest of the Identity.
3. Why a token is refused stands in `status.error` as text alone; known texts become a Reason.

Source: kubernetes.io, API reference of TokenReview; Kubernetes `pkg/serviceaccount`.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from podpass.workload.claims import read_identity
from podpass.workload.compact_token import UnverifiedToken
from podpass.workload.identity import Identity
from podpass.workload.refusal import IssuerUnavailable, Reason, TokenRefused
from podpass.workload.strict_json import NotStrictJSON, read_object

PATH = "/apis/authentication.k8s.io/v1/tokenreviews"
_CREATED = (200, 201)

_REASONS = (
    ("has expired", Reason.EXPIRED, "the token has expired"),
    ("not valid yet", Reason.NOT_YET_VALID, "the token is not valid yet"),
    ("issued in the future", Reason.NOT_YET_VALID, "the token is not valid yet"),
    ("token audiences", Reason.AUDIENCE, "the token was made for another audience"),
    ("no keys found", Reason.UNKNOWN_KEY, "the cluster has no key of the id that the token names"),
    ("cryptographic primitive", Reason.SIGNATURE, "the signature is not that of the cluster's key"),
    (
        "ref claim",
        Reason.BOUND_OBJECT_RECREATED,
        "the object that the token is bound to was deleted and made anew",
    ),
    (
        "service account UID (",
        Reason.ACCOUNT_RECREATED,
        "the token's service account was deleted and made anew",
    ),
    (
        "has been invalidated",
        Reason.BOUND_OBJECT_GONE,
        "the object that the token is bound to is gone",
    ),
    ('serviceaccounts "', Reason.ACCOUNT_GONE, "the token's service account is gone"),
    ("has been deleted", Reason.ACCOUNT_GONE, "the token's service account is gone"),
)
"""Part of `status.error`, and what it means."""


def review_body(token: str, audiences: Collection[str]) -> bytes:
    """Return the TokenReview to post to PATH."""
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": sorted(audiences)},
    }
    return json.dumps(review).encode()


def read_answer(code: int, body: bytes) -> dict[str, Any]:
    """Return the `status` of an answered review.

    Raises:
        IssuerUnavailable: The API server did not review the token, for example for lack of the
            permission `system:auth-delegator`.
    """
    if code not in _CREATED:
        raise IssuerUnavailable(f"the API server answered the review of a token with {code}")
    try:
        status = read_object(body).get("status")
    except NotStrictJSON as error:
        raise IssuerUnavailable(f"the review of a token {error}") from None
    if not isinstance(status, dict):
        raise IssuerUnavailable("the review of a token has no status")
    return status


def reviewed_identity(
    token: UnverifiedToken, status: dict[str, Any], audiences: frozenset[str]
) -> Identity:
    """Return whom a reviewed token speaks for (rules 1 to 3).

    Raises:
        TokenRefused: The API server, or one of the rules, does not accept it.
    """
    if status.get("authenticated") is not True:
        raise refusal(status.get("error"))
    accepted = status.get("audiences")
    if not isinstance(accepted, list) or not any(one in audiences for one in accepted):  # 1
        raise TokenRefused(Reason.AUDIENCE, "the token was not reviewed for our audience")
    identity = read_identity(token.claims)
    user = status.get("user")
    account = (identity.username, identity.service_account.uid)
    if not isinstance(user, dict) or (user.get("username"), user.get("uid")) != account:  # 2
        raise TokenRefused(Reason.REVIEW, "the review is of another user than the token names")
    return identity


def refusal(error: object) -> TokenRefused:
    """Return why a review ended without a user (rule 3)."""
    for text, reason, message in _REASONS:
        if isinstance(error, str) and text in error:
            return TokenRefused(reason, message)
    return TokenRefused(Reason.REVIEW, "the API server does not accept the token")
