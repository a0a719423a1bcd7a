"""What is said of a token that is refused, to the letter."""

from __future__ import annotations

import pytest
from workload.refusals import GOOD, OURS, PAGE, TOKENS, page, reasons_told, refused

from podpass.testing.fake_issuer import ISSUER
from podpass.workload.aiohttp_middleware import TokenFileMiddleware
from podpass.workload.check import wanted_audiences
from podpass.workload.claims import read_identity
from podpass.workload.compact_token import parse
from podpass.workload.discovery import origin, read_configuration
from podpass.workload.refusal import IssuerUnavailable, Reason, TokenRefused
from podpass.workload.token_content import NotAToken, read_content
from podpass.workload.token_file import TokenFile
from podpass.workload.token_review import read_answer, reviewed_identity
from podpass.workload.trusted_keys import read_jwks


def test_the_page_says_what_is_said() -> None:
    assert page() == PAGE.read_text(encoding="utf-8")


def test_the_page_has_every_reason() -> None:
    assert reasons_told() == set(Reason)


def test_a_good_token_is_not_on_the_page() -> None:
    assert refused(GOOD) is None
    assert read_identity(parse(GOOD).claims).issuer == ISSUER
    assert all(case.token != GOOD for case in TOKENS)


def test_what_is_no_text_is_no_token() -> None:
    with pytest.raises(TokenRefused, match=r"^the token is not a text$"):
        parse(b"a.b.c")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param(
            {"audiences": ["api"]},
            "^the token was not reviewed for our audience$",
            id="for another audience",
        ),
        pytest.param(
            {"user": {"username": "alice"}},
            "^the review is of another user than the token names$",
            id="of another user",
        ),
    ],
)
def test_a_review_that_does_not_fit_the_token(changes: dict[str, object], words: str) -> None:
    good = {
        "authenticated": True,
        "audiences": ["vault"],
        "user": {"username": "system:serviceaccount:shop:app", "uid": "S"},
    }
    assert reviewed_identity(parse(GOOD), good, OURS).namespace == "shop"
    with pytest.raises(TokenRefused, match=words):
        reviewed_identity(parse(GOOD), good | changes, OURS)


@pytest.mark.parametrize("content", [b"a.b", b"a.b.c", GOOD[:-1].encode()], ids=["2", "3", "torn"])
def test_what_is_no_whole_token_is_called_so(content: bytes) -> None:
    with pytest.raises(NotAToken, match=r"^is not a whole token$"):
        read_content(content)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        pytest.param(b"{}", "^the key document has no list of up to 100 keys$", id="no list"),
        pytest.param(b'{"keys":[]}', "^the key document has no usable key$", id="no key"),
    ],
)
def test_a_key_document_that_is_none(document: bytes, words: str) -> None:
    with pytest.raises(IssuerUnavailable, match=words):
        read_jwks(document)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        pytest.param("https://[a", "not a URL", id="no URL"),
        pytest.param("https://", "not a URL of a host", id="no host"),
        pytest.param("ftp://a.example", "not an https URL", id="another scheme"),
    ],
)
def test_a_url_that_may_not_be_asked(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=rf"^{words}$"):
        origin(url)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(IssuerUnavailable, match=r"^the review of a token has no status$"):
        read_answer(201, b"{}")
    words = "the discovery document lacks issuer or jwks_uri"
    with pytest.raises(IssuerUnavailable, match=rf"^{words}$"):
        read_configuration(b"{}")
    words = "an audience is needed: the name under which tokens are made for you"
    with pytest.raises(ValueError, match=rf"^{words}$"):
        wanted_audiences([])
    with pytest.raises(ValueError, match=r"^name the origins that may see the token$"):
        TokenFileMiddleware(TokenFile("token"), origins=[])
