"""The documents of the issuer, and when there are none."""

from __future__ import annotations

import orjson
import pytest

from podpass.jose.key_set import KeySet
from podpass.jose.keys import ES256, ES384, generate_signing_key
from podpass.serviceaccount.discovery import (
    NoDiscovery,
    check_issuer,
    configuration_document,
    resolve_jwks_uri,
)

KEYS = KeySet([generate_signing_key(ES384).public, generate_signing_key(ES256).public])


@pytest.mark.rule("discovery.five-keys", "discovery.algorithms")
def test_the_configuration_has_exactly_five_keys() -> None:
    document = configuration_document("https://i", "https://i/openid/v1/jwks", KEYS)
    assert orjson.loads(document) == {
        "issuer": "https://i",
        "jwks_uri": "https://i/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "ES384"],
    }


@pytest.mark.rule("discovery.conditions-texts")
def test_without_keys_there_is_no_configuration() -> None:
    with pytest.raises(NoDiscovery, match=r"^no keys provided for validating keyset$"):
        configuration_document("https://i", "https://i/keys", KeySet([]))


@pytest.mark.rule("discovery.conditions-texts")
@pytest.mark.parametrize(
    ("issuer", "why"),
    [
        pytest.param("", "empty issuer URL", id="empty"),
        pytest.param("http://i", "issuer URL must use https scheme, got: http://i", id="http"),
        pytest.param("i.example", "issuer URL must use https scheme", id="no scheme"),
        pytest.param("https://i?q", "issuer URL may not include a query", id="a query"),
        pytest.param("https://i?", "issuer URL may not include a query", id="an empty query"),
        pytest.param("https://i#f", "issuer URL may not include a fragment", id="a fragment"),
        pytest.param("https://i#f?q", "issuer URL may not include a fragment", id="? in fragment"),
        pytest.param("https://i?q#f", "issuer URL may not include a query", id="both"),
        pytest.param("https://[", "issuer URL is not a URL", id="no URL"),
    ],
)
def test_an_issuer_that_cannot_be_announced(issuer: str, why: str) -> None:
    with pytest.raises(NoDiscovery) as caught:
        check_issuer(issuer)
    assert str(caught.value).startswith(why)


@pytest.mark.rule("discovery.conditions-texts")
@pytest.mark.parametrize("issuer", ["https://i", "https://i.example:8443/path"])
def test_an_issuer_that_can_be_announced(issuer: str) -> None:
    check_issuer(issuer)


@pytest.mark.rule("discovery.default-uri")
@pytest.mark.parametrize(
    ("jwks_uri", "address", "expected"),
    [
        pytest.param("https://k/keys", "h", "https://k/keys", id="the configured one"),
        pytest.param("", "h", "https://h/openid/v1/jwks", id="the host"),
        pytest.param("", "127.0.0.1:6443", "https://127.0.0.1:6443/openid/v1/jwks", id="and port"),
    ],
)
def test_where_the_keys_are(jwks_uri: str, address: str, expected: str) -> None:
    assert resolve_jwks_uri(jwks_uri, address) == expected


@pytest.mark.rule("discovery.conditions-texts", "discovery.default-uri")
@pytest.mark.parametrize(
    ("jwks_uri", "address", "why"),
    [
        pytest.param("http://k", "h", "jwksURI requires https scheme", id="http"),
        pytest.param("k", "h", "jwksURI requires https scheme", id="no scheme"),
        pytest.param("https://[", "h", "jwksURI is not a URL", id="no URL"),
        pytest.param(
            "",
            "",
            "^either the JWKS URI or the default external address, or both, must be set$",
            id="nothing",
        ),
        pytest.param("", "https://h", "must be host or host:port", id="an address with scheme"),
    ],
)
def test_where_the_keys_cannot_be(jwks_uri: str, address: str, why: str) -> None:
    with pytest.raises(NoDiscovery, match=why):
        resolve_jwks_uri(jwks_uri, address)
