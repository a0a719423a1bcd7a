"""A recipient that asks the API server about each token."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from podpass.testing.fake_issuer import FakeIssuer
from podpass.workload.api_server import ApiServer
from podpass.workload.identity import Identity
from podpass.workload.refusal import IssuerUnavailable, Reason, TokenRefused
from podpass.workload.review_verifier import AsyncTokenReviewVerifier, TokenReviewVerifier
from podpass.workload.transport import Answer

ISSUER = FakeIssuer()
GOOD = {
    "authenticated": True,
    "audiences": ["vault"],
    "user": {"username": "system:serviceaccount:shop:app", "uid": "S"},
}


class Reviewer:
    """An API server that gives one answer."""

    def __init__(self, status: dict[str, Any], code: int = 201) -> None:
        self.status = status
        self.code = code
        self.questions: list[dict[str, Any]] = []

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        del headers
        assert (method, url) == (
            "POST",
            "https://api.example/apis/authentication.k8s.io/v1/tokenreviews",
        )
        self.questions.append(json.loads(body or b""))
        return Answer(self.code, {}, json.dumps({"status": self.status}).encode())


@pytest.fixture(params=["sync", "async"])
def face(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def verify(face: str, reviewer: Reviewer, token: str) -> Identity:
    server = ApiServer("https://api.example", transport=reviewer)
    if face == "sync":
        return TokenReviewVerifier(server, audience="vault").verify(token)
    return await AsyncTokenReviewVerifier(server, audience="vault").verify(token)


async def test_a_token_is_reviewed_for_our_audience(face: str) -> None:
    reviewer, token = Reviewer(GOOD), ISSUER.token()
    assert (await verify(face, reviewer, token)).namespace == "shop"
    assert reviewer.questions[0]["spec"] == {"token": token, "audiences": ["vault"]}


async def test_a_deleted_pod_counts_at_once(face: str) -> None:
    error = "[invalid bearer token, service account token has been invalidated]"
    with pytest.raises(TokenRefused) as refused:
        await verify(face, Reviewer({"user": {}, "error": error}), ISSUER.token())
    assert refused.value.reason is Reason.BOUND_OBJECT_GONE


async def test_a_malformed_token_is_not_sent_anywhere(face: str) -> None:
    reviewer = Reviewer(GOOD)
    with pytest.raises(TokenRefused):
        await verify(face, reviewer, "x")
    assert reviewer.questions == []


async def test_a_caller_who_may_not_review_is_told(face: str) -> None:
    with pytest.raises(IssuerUnavailable, match="with 403"):
        await verify(face, Reviewer({}, 403), ISSUER.token())


@pytest.mark.parametrize("kind", [TokenReviewVerifier, AsyncTokenReviewVerifier])
def test_the_way_from_inside_of_a_pod(
    kind: type[TokenReviewVerifier | AsyncTokenReviewVerifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "1")
    assert isinstance(kind.in_cluster(audience="vault"), kind)
    with pytest.raises(ValueError, match="an audience is needed"):
        kind.in_cluster(audience=[])
