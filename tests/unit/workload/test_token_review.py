"""What the answer to a TokenReview means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from podpass.testing.fake_issuer import FakeIssuer
from podpass.workload.compact_token import parse
from podpass.workload.refusal import IssuerUnavailable, Reason, TokenRefused
from podpass.workload.token_review import read_answer, review_body, reviewed_identity

TOKEN = FakeIssuer().token()
OURS = frozenset(["vault", "other-name"])
GOOD = {
    "authenticated": True,
    "audiences": ["vault"],
    "user": {"username": "system:serviceaccount:shop:app", "uid": "S"},
}


def test_the_question_names_token_and_audiences() -> None:
    review = json.loads(review_body("t", OURS))
    assert (review["apiVersion"], review["kind"]) == ("authentication.k8s.io/v1", "TokenReview")
    assert review["spec"] == {"token": "t", "audiences": ["other-name", "vault"]}


def test_a_reviewed_token_gives_the_identity() -> None:
    identity = reviewed_identity(parse(TOKEN), GOOD, OURS)
    assert identity.username == "system:serviceaccount:shop:app"
    assert identity.pod is not None
    assert identity.pod.uid == "P"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"authenticated": False}, Reason.REVIEW, id="not authenticated"),
        pytest.param({"authenticated": "true"}, Reason.REVIEW, id="authenticated as a text"),
        pytest.param({"audiences": None}, Reason.AUDIENCE, id="a server without audiences"),
        pytest.param({"audiences": []}, Reason.AUDIENCE, id="no audience"),
        pytest.param({"audiences": ["api"]}, Reason.AUDIENCE, id="the server's own audience"),
        pytest.param({"audiences": "vault"}, Reason.AUDIENCE, id="an audience in no list"),
        pytest.param({"user": None}, Reason.REVIEW, id="no user"),
        pytest.param({"user": {"username": "alice", "uid": "S"}}, Reason.REVIEW, id="another user"),
        pytest.param(
            {"user": {"username": "system:serviceaccount:shop:app", "uid": "T"}},
            Reason.REVIEW,
            id="another uid",
        ),
    ],
)
def test_an_answer_that_does_not_fit_refuses(changes: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(TokenRefused) as refused:
        reviewed_identity(parse(TOKEN), GOOD | changes, OURS)
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("service account token has expired", Reason.EXPIRED),
        ("service account token is not valid yet", Reason.NOT_YET_VALID),
        ("service account token is issued in the future", Reason.NOT_YET_VALID),
        ('token audiences ["a"] is invalid for the target audiences ["b"]', Reason.AUDIENCE),
        ("invalid signature, no keys found", Reason.UNKNOWN_KEY),
        ("go-jose/go-jose: error in cryptographic primitive", Reason.SIGNATURE),
        (
            "pod UID (a) does not match service account pod ref claim (b)",
            Reason.BOUND_OBJECT_RECREATED,
        ),
        (
            "secret UID (a) does not match service account secret ref claim (b)",
            Reason.BOUND_OBJECT_RECREATED,
        ),
        ("service account UID (a) does not match claim (b)", Reason.ACCOUNT_RECREATED),
        ("service account token has been invalidated", Reason.BOUND_OBJECT_GONE),
        ('serviceaccounts "app" not found', Reason.ACCOUNT_GONE),
        ("service account shop/app has been deleted", Reason.ACCOUNT_GONE),
        ("invalid bearer token", Reason.REVIEW),
    ],
)
def test_the_text_of_a_refusal_becomes_a_reason(error: str, reason: Reason) -> None:
    status = {"user": {}, "error": f"[invalid bearer token, {error}]"}
    with pytest.raises(TokenRefused) as refused:
        reviewed_identity(parse(TOKEN), status, OURS)
    assert refused.value.reason is reason


@pytest.mark.parametrize("code", [200, 201])
def test_the_status_is_read(code: int) -> None:
    assert read_answer(code, json.dumps({"status": GOOD}).encode()) == GOOD


@pytest.mark.parametrize(
    ("code", "body", "why"),
    [
        pytest.param(403, b"{}", "with 403", id="not allowed to review"),
        pytest.param(201, b"no", "is not JSON", id="no JSON"),
        pytest.param(201, b'{"status":[]}', "has no status", id="no status"),
    ],
)
def test_a_review_that_did_not_happen_is_no_refusal(code: int, body: bytes, why: str) -> None:
    with pytest.raises(IssuerUnavailable, match=why):
        read_answer(code, body)
