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


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        pytest.param(["Bearer a", "Bearer b"], "more than one Authorization header", id="two"),
        pytest.param(
            ["Bearer a b"], "the Authorization header does not hold one token", id="two tokens"
        ),
        pytest.param(["Bearer "], "the Authorization header does not hold one token", id="none"),
    ],
)
def test_a_wrong_header_is_malformed(headers: list[str], words: str) -> None:
    with pytest.raises(TokenRefused, match=f"^{words}$") as refused:
        bearer_token(headers)
    assert refused.value.reason is Reason.MALFORMED


def test_no_header_is_told_what_is_needed() -> None:
    with pytest.raises(NoToken, match=r"^a bearer token is needed$"):
        bearer_token([])


@pytest.mark.parametrize(
    ("error", "body", "header"),
    [
        pytest.param(
            NoToken("x"),
            b"a bearer token is needed\n",
            ("WWW-Authenticate", "Bearer"),
            id="no token",
        ),
        pytest.param(
            TokenRefused(Reason.EXPIRED, "the token has expired"),
            b"the token has expired\n",
            (
                "WWW-Authenticate",
                'Bearer error="invalid_token", error_description="the token has expired"',
            ),
            id="a refused token",
        ),
        pytest.param(
            IssuerUnavailable("x"),
            b"the token cannot be checked at the moment\n",
            ("Retry-After", "5"),
            id="no keys",
        ),
    ],
)
def test_the_whole_answer(error: WorkloadError, body: bytes, header: tuple[str, str]) -> None:
    answer = denial(error)
    assert answer.body == body
    assert answer.headers == (
        header,
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    )
