"""Which URLs are asked, and which discovery documents are believed."""

from __future__ import annotations

import json

import pytest

from podpass.workload.discovery import check_configuration, configuration_url, origin
from podpass.workload.refusal import IssuerUnavailable

ISSUER = "https://issuer.example/tenant"
GOOD = {"issuer": ISSUER, "jwks_uri": "https://keys.example/jwks"}


@pytest.mark.parametrize("issuer", [ISSUER, ISSUER + "/"])
def test_the_document_is_below_the_issuer(issuer: str) -> None:
    expected = "https://issuer.example/tenant/.well-known/openid-configuration"
    assert configuration_url(issuer) == expected


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        pytest.param("https://a.example/x", ("https", "a.example", 443), id="https"),
        pytest.param("https://a.example:6443", ("https", "a.example", 6443), id="with a port"),
        pytest.param("https://[::1]:1", ("https", "::1", 1), id="an IPv6 address"),
        pytest.param("http://localhost", ("http", "localhost", 80), id="loopback by name"),
        pytest.param("http://127.0.0.9:8", ("http", "127.0.0.9", 8), id="loopback by address"),
    ],
)
def test_https_and_loopback_are_asked(url: str, parts: tuple[str, str, int]) -> None:
    assert origin(url) == parts


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://a.example",
        "http://10.0.0.1",
        "http://localhost.evil.example",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "https://",
        "https://user@a.example",
        "https://a.example:http",
        "https://[::1",
        "kubernetes/serviceaccount",
    ],
)
def test_no_other_url_is_asked(url: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        origin(url)


def test_the_keys_may_be_elsewhere() -> None:
    assert check_configuration(json.dumps(GOOD).encode(), ISSUER) == GOOD["jwks_uri"]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        pytest.param(b"<html>", "is not JSON", id="a page"),
        pytest.param(b"{}", "lacks issuer", id="an empty object"),
        pytest.param(json.dumps(GOOD | {"issuer": ""}).encode(), "lacks issuer", id="no issuer"),
        pytest.param(json.dumps(GOOD | {"jwks_uri": 1}).encode(), "jwks_uri", id="no key URL"),
        pytest.param(
            json.dumps(GOOD | {"jwks_uri": "http://a.example"}).encode(),
            "not an https URL",
            id="keys over plain http",
        ),
        pytest.param(
            json.dumps(GOOD | {"issuer": ISSUER + "/"}).encode(), "not of", id="another issuer"
        ),
    ],
)
def test_a_document_that_does_not_fit_is_not_believed(document: bytes, why: str) -> None:
    with pytest.raises(IssuerUnavailable, match=why):
        check_configuration(document, ISSUER)
