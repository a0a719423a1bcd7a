"""Both ways to handle an issuer, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from podpass.operator.go_url import url_error
from podpass.operator.profiles import LEGACY, TRUST_24H
from podpass.operator.service_account_issuer import (
    IssuerEntry,
    IssuerError,
    active_issuer,
    change_issuers,
    check_issuer,
    next_expiration,
    observe_issuer,
    read_entries,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(hours=24)
SECOND = timedelta(seconds=1)
DEFAULT = "https://kubernetes.default.svc"
NEW = "https://test.default.svc"
INFRASTRUCTURE = {
    "apiServerURL": "https://api.example:6443",
    "apiServerInternalURI": "https://api-int.example:6443",
}


@pytest.mark.parametrize(
    "issuer",
    [
        pytest.param("auth.openshift.io", id="a word without a colon"),
        pytest.param("what ever / it is?", id="nonsense without a colon"),
        pytest.param("https://test.default.svc", id="https"),
        pytest.param("http://insecure", id="http"),
        pytest.param("https://x:6443/path?query#fragment", id="everything a URL has"),
        pytest.param("mailto:someone", id="an opaque URL"),
        pytest.param("https://[::1]:6443/", id="an IPv6 address"),
        pytest.param("https://user:secret@host", id="user information"),
        pytest.param("https://host:", id="an empty port"),
        pytest.param("/a:b", id="a path with a colon"),
        pytest.param("https://h%C3%A9.example/", id="an escaped byte in the host"),
    ],
)
def test_an_issuer_that_is_accepted(issuer: str) -> None:
    check_issuer(issuer)


@pytest.mark.parametrize(
    ("issuer", "why"),
    [
        pytest.param(":x", "missing protocol scheme", id="no scheme"),
        pytest.param(
            "1http://x", "first path segment in URL cannot contain colon", id="a bad scheme"
        ),
        pytest.param("https://x:port", 'invalid port ":port" after host', id="a bad port"),
        pytest.param("https://x y", 'invalid character " " in host name', id="a blank in the host"),
        pytest.param("https://x/%zz", 'invalid URL escape "%zz"', id="a bad escape in the path"),
        pytest.param("https://x/%a", 'invalid URL escape "%a"', id="a short escape"),
        pytest.param("https://%41/", 'invalid URL escape "%41"', id="an ASCII escape in the host"),
        pytest.param("https://[::1", "missing ']' in host", id="an open bracket"),
        pytest.param("https://[::1]x", 'invalid port "x" after host', id="more after a bracket"),
        pytest.param("https://a<b@x", "net/url: invalid userinfo", id="bad user information"),
        pytest.param("https://x\n", "net/url: invalid control character in URL", id="a line break"),
    ],
)
def test_an_issuer_that_is_refused(issuer: str, why: str) -> None:
    with pytest.raises(IssuerError) as raised:
        check_issuer(issuer)
    assert str(raised.value).startswith(
        "service-account issuer contained a ':' but was not a valid URL: parse "
    )
    assert str(raised.value).endswith(f": {why}")


def test_a_star_is_a_url() -> None:
    assert url_error("*") == ""


def test_legacy_knows_one_issuer_at_a_time() -> None:
    assert observe_issuer(NEW, (), INFRASTRUCTURE, LEGACY) == {
        "service-account-issuer": [NEW],
        "api-audiences": [NEW],
    }


def test_legacy_without_an_issuer_only_says_where_the_keys_are() -> None:
    assert observe_issuer("", (), INFRASTRUCTURE, LEGACY) == {
        "service-account-jwks-uri": ["https://api-int.example:6443/openid/v1/jwks"]
    }


@pytest.mark.parametrize(
    ("profile", "text"),
    [
        pytest.param(LEGACY, "APIServerInternalURL missing from infrastructure/cluster", id="old"),
        pytest.param(TRUST_24H, "APIServerURL missing from infrastructure/cluster", id="new"),
    ],
)
def test_without_an_address_nothing_is_observed(profile: object, text: str) -> None:
    with pytest.raises(IssuerError, match=text):
        observe_issuer("", (), {}, LEGACY if profile is LEGACY else TRUST_24H)


def test_trusted_issuers_follow_the_active_one() -> None:
    entries = (IssuerEntry(NEW), IssuerEntry(DEFAULT, NOW + DAY), IssuerEntry("x", NOW))
    assert observe_issuer("ignored", entries, INFRASTRUCTURE, TRUST_24H) == {
        "service-account-issuer": [NEW, DEFAULT, "x"],
        "api-audiences": [NEW, DEFAULT, "x"],
        "service-account-jwks-uri": [NEW + "/openid/v1/jwks"],
    }


@pytest.mark.parametrize(
    ("entries", "uri"),
    [
        pytest.param((), "https://api.example:6443/openid/v1/jwks", id="nothing yet: the default"),
        pytest.param(
            (IssuerEntry(DEFAULT),), "https://api.example:6443/openid/v1/jwks", id="the default"
        ),
        pytest.param((IssuerEntry("auth.example"),), "", id="no URL: no address of keys"),
        pytest.param((IssuerEntry("http://x"),), "", id="no https: no address of keys"),
    ],
)
def test_where_the_keys_are(entries: tuple[IssuerEntry, ...], uri: str) -> None:
    observed = observe_issuer("", entries, INFRASTRUCTURE, TRUST_24H)
    assert observed.get("service-account-jwks-uri", [""]) == [uri]


def test_a_bad_issuer_in_the_list_is_refused_by_the_observer_only() -> None:
    change = change_issuers((), "https://x:y", trust=DAY, now=NOW)
    assert change is not None
    with pytest.raises(IssuerError, match="not a valid URL"):
        observe_issuer("", change.entries, INFRASTRUCTURE, TRUST_24H)


def test_a_new_issuer_comes_first_and_the_former_one_expires() -> None:
    change = change_issuers((IssuerEntry(DEFAULT),), NEW, trust=DAY, now=NOW)
    assert change is not None
    assert change.entries == (IssuerEntry(NEW), IssuerEntry(DEFAULT, NOW + DAY))
    assert change.message == (
        f'Desired ServiceAccountIssuer "{NEW}" is now active issuer. Previous issuer '
        f'"{DEFAULT}" is trusted until 2026-01-02 00:00:00 +0000 UTC.'
    )


def test_the_very_first_issuer_has_no_former_one() -> None:
    change = change_issuers((), NEW, trust=DAY, now=NOW)
    assert change is not None
    assert change.message == f'Desired ServiceAccountIssuer "{NEW}" is now active issuer.'


def test_an_empty_field_brings_the_default_back() -> None:
    change = change_issuers((IssuerEntry(NEW),), "", trust=DAY, now=NOW)
    assert change is not None
    assert change.entries == (IssuerEntry(DEFAULT), IssuerEntry(NEW, NOW + DAY))


def test_an_issuer_that_returns_loses_its_expiration() -> None:
    entries = (IssuerEntry("b"), IssuerEntry("a", NOW + DAY), IssuerEntry("c", NOW + SECOND))
    change = change_issuers(entries, "a", trust=DAY, now=NOW)
    assert change is not None
    assert change.entries == (
        IssuerEntry("a"),
        IssuerEntry("b", NOW + DAY),
        IssuerEntry("c", NOW + SECOND),
    )


def test_nothing_changes_twice() -> None:
    entries = (IssuerEntry("a"), IssuerEntry("b", NOW + DAY))
    assert change_issuers(entries, "a", trust=DAY, now=NOW) is None


@pytest.mark.parametrize(
    ("left", "stays"),
    [
        pytest.param(SECOND, True, id="one second before its end"),
        pytest.param(timedelta(0), False, id="at its end"),
    ],
)
def test_what_has_expired_is_dropped(left: timedelta, stays: bool) -> None:
    entries = (IssuerEntry("a"), IssuerEntry("b", NOW + left), IssuerEntry("c", NOW - SECOND))
    change = change_issuers(entries, "a", trust=DAY, now=NOW)
    assert change is not None
    assert [one.name for one in change.entries] == (["a", "b"] if stays else ["a"])
    assert change.message.endswith("no longer trusted: " + ("c" if stays else "b,c"))


@pytest.mark.parametrize(("count", "fits"), [(9, True), (10, False)])
def test_ten_issuers_are_the_most(count: int, fits: bool) -> None:
    entries = [IssuerEntry("0"), *(IssuerEntry(str(i), NOW + DAY) for i in range(1, count))]
    if fits:
        change = change_issuers(entries, "new", trust=DAY, now=NOW)
        assert change is not None
        assert len(change.entries) == 10
        return
    with pytest.raises(IssuerError, match="unable to configure more than 10 trusted"):
        change_issuers(entries, "new", trust=DAY, now=NOW)


def test_entries_survive_the_wire() -> None:
    entries = (IssuerEntry("a"), IssuerEntry("b", NOW + DAY))
    status = {"serviceAccountIssuers": [one.to_json() for one in entries]}
    assert read_entries(status) == entries
    assert active_issuer(entries) == "a"
    assert active_issuer(entries[1:]) is None
    assert next_expiration(entries) == NOW + DAY
    assert next_expiration(entries[:1]) is None
