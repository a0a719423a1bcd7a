"""The Authorization header and the answers."""

from __future__ import annotations

import pytest

from podpass.workload.bearer import NoToken, bearer_token, denial
from podpass.workload.refusal import (
    IssuerUnavailable,
    Reason,
    TokenRefused,
    TokenUnreadable,
    WorkloadError,
)


@pytest.mark.parametrize("header", ["Bearer abc", "bearer abc", "BEARER abc"])
def test_the_scheme_is_read_in_any_case(header: str) -> None:
    assert bearer_token([header]) == "abc"


@pytest.mark.parametrize("headers", [[], [""], ["Basic abc"], ["abc"], ["Bearerabc"]], ids=repr)
def test_no_bearer_token_is_not_an_invalid_one(headers: list[str]) -> None:
    with pytest.raises(NoToken):
        bearer_token(headers)


@pytest.mark.parametrize(
    "headers",
    [["Bearer"], ["Bearer "], ["Bearer  abc"], ["Bearer abc x"], ["Bearer a", "Bearer b"]],
    ids=repr,
)
def test_a_header_that_is_not_one_token_is_refused(headers: list[str]) -> None:
    with pytest.raises(TokenRefused):
        bearer_token(headers)


@pytest.mark.parametrize(
    ("error", "line", "challenge"),
    [
        pytest.param(NoToken("x"), "401 Unauthorized", "Bearer", id="no token"),
        pytest.param(
            TokenRefused(Reason.EXPIRED, "the token has expired"),
            "401 Unauthorized",
            'Bearer error="invalid_token", error_description="the token has expired"',
            id="a refused token",
        ),
        pytest.param(
            IssuerUnavailable("https://inner.example is away"),
            "503 Service Unavailable",
            None,
            id="no keys",
        ),
        pytest.param(
            TokenUnreadable("/var/run is empty"), "503 Service Unavailable", None, id="no own token"
        ),
    ],
)
def test_the_answer(error: WorkloadError, line: str, challenge: str | None) -> None:
    answer = denial(error)
    headers = dict(answer.headers)
    assert answer.line == line
    assert headers.get("WWW-Authenticate") == challenge
    assert ("Retry-After" in headers) is (challenge is None)
    assert headers["Content-Length"] == str(len(answer.body))
    assert headers["Cache-Control"] == "no-store"
    assert b"example" not in answer.body
    assert b"/var" not in answer.body
