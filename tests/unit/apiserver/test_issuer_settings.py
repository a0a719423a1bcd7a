"""Settings of the issuer that cannot be, and those that are odd."""

from __future__ import annotations

from datetime import timedelta

import pytest
from click.testing import CliRunner

from podpass.apiserver.issuer_settings import oddities, problems
from podpass.apiserver.settings import ApiServerSettings
from podpass.cli.apiserver import command

EMPTY = "service-account-issuer should not be an empty string"
NO_URL = "service-account-issuer \"{}\" contained a ':' but was not a valid URL"
NO_HTTPS = "service-account-jwks-uri requires https scheme, parsed as: {}"


@pytest.mark.parametrize(
    ("issuers", "jwks_uri", "expected"),
    [
        pytest.param(("https://a", "https://b"), "", [], id="two"),
        pytest.param(("my-issuer",), "", [], id="no URL and no colon"),
        pytest.param(("urn:example:issuer",), "", [], id="a URL without a host"),
        pytest.param(("https://[::1]:6443/a",), "https://k/jwks", [], id="an address and a path"),
        pytest.param(
            ("",), "", [EMPTY], id="empty", marks=pytest.mark.rule("config.issuer-empty")
        ),
        pytest.param(
            ("a", "b", "a"), "", ['service-account-issuer "a" is already specified'], id="twice",
            marks=pytest.mark.rule("config.issuer-duplicate"),
        ),
        pytest.param(
            ("1:a",), "", [NO_URL.format("1:a")], id="a colon without a scheme",
            marks=pytest.mark.rule("config.issuer-url"),
        ),
        pytest.param(
            ("https://a:x",), "", [NO_URL.format("https://a:x")], id="no port",
            marks=pytest.mark.rule("config.issuer-url"),
        ),
        pytest.param(
            ("https://a b",), "", [NO_URL.format("https://a b")], id="a blank",
            marks=pytest.mark.rule("config.issuer-url"),
        ),
        pytest.param(
            ("https://a/%zz",), "", [NO_URL.format("https://a/%zz")], id="a bad escape",
            marks=pytest.mark.rule("config.issuer-url"),
        ),
        pytest.param(
            ("a",), "http://k", [NO_HTTPS.format("http://k")], id="keys over http",
            marks=pytest.mark.rule("config.jwks-uri"),
        ),
        pytest.param(
            ("a",), "k", ["service-account-jwks-uri must be a valid URL: k"], id="keys nowhere",
            marks=pytest.mark.rule("config.jwks-uri"),
        ),
        pytest.param(("", ""), "http://k", [EMPTY, EMPTY, NO_HTTPS.format("http://k")], id="all"),
    ],
)  # fmt: skip
def test_what_cannot_be(issuers: tuple[str, ...], jwks_uri: str, expected: list[str]) -> None:
    settings = ApiServerSettings(service_account_issuers=issuers, service_account_jwks_uri=jwks_uri)
    assert problems(settings) == expected


@pytest.mark.rule("config.issuer-duplicate", "config.issuer-empty", "config.issuer-required")
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param([], "--service-account-issuer must be given", id="none"),
        pytest.param(["--service-account-issuer="], EMPTY, id="empty"),
        pytest.param(["--service-account-issuer=a"] * 2, '"a" is already specified', id="twice"),
    ],
)
def test_a_server_does_not_start_with_them(arguments: list[str], text: str) -> None:
    outcome = CliRunner().invoke(command, arguments)
    assert outcome.exit_code == 2
    assert text in outcome.output


@pytest.mark.rule("token-request.extension-startup-warning")
@pytest.mark.parametrize(
    ("maximum", "extend", "text"),
    [
        pytest.param(None, True, "", id="no maximum"),
        pytest.param(timedelta(0), True, "", id="a maximum of nothing is none"),
        pytest.param(timedelta(seconds=3606), True, "nothing is extended", id="3606 seconds"),
        pytest.param(timedelta(seconds=3607), True, "longer than", id="3607 seconds"),
        pytest.param(timedelta(days=364), True, "longer than", id="less than a year"),
        pytest.param(timedelta(days=365), True, "", id="a year"),
        pytest.param(timedelta(hours=1), False, "", id="nothing is extended anyway"),
    ],
)
def test_what_is_odd(maximum: timedelta | None, extend: bool, text: str) -> None:
    found = oddities(
        ApiServerSettings(
            service_account_max_token_expiration=maximum,
            service_account_extend_token_expiration=extend,
        )
    )
    assert [text in one for one in found] == ([True] if text else [])
