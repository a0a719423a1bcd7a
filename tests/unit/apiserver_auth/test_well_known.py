"""The issuer's documents as they are sent."""

from __future__ import annotations

import logging

import orjson
import pytest

from podpass.apiserver.well_known import IssuerDocuments
from podpass.jose.key_set import KeySet
from podpass.jose.keys import ES256, generate_signing_key
from podpass.serviceaccount.trusted_keys import StaticKeys, TrustedKeys

from .conftest import KEY

KEYS = KeySet([KEY.public])
CONFIGURATION = "/.well-known/openid-configuration"
JWKS = "/openid/v1/jwks"


class ChangingKeys:
    """Trusted keys that a test changes."""

    def __init__(self) -> None:
        self.published = KEYS
        self.seconds = 60

    async def for_token(self, key_id: str) -> KeySet:
        raise NotImplementedError(key_id)

    def max_age(self) -> int:
        return self.seconds


def documents_of(
    keys: TrustedKeys, *, issuer: str = "https://i", address: str = "127.0.0.1:6443"
) -> IssuerDocuments:
    return IssuerDocuments(issuer=issuer, jwks_uri="", external_address=address, keys=keys)


@pytest.mark.rule("discovery.media-types", "discovery.cache-control", "discovery.default-uri")
def test_both_documents_are_rendered_with_their_headers() -> None:
    documents = documents_of(StaticKeys(KEYS))
    assert sorted(documents) == [CONFIGURATION, JWKS]
    configuration = documents[CONFIGURATION]
    assert orjson.loads(configuration.body)["jwks_uri"] == "https://127.0.0.1:6443/openid/v1/jwks"
    assert configuration.headers == {
        "Content-Type": "application/json",
        "Cache-Control": "public, max-age=3600",
    }
    jwks = documents[JWKS]
    assert orjson.loads(jwks.body)["keys"][0]["kid"] == KEY.public.key_id
    assert jwks.headers == {
        "Content-Type": "application/jwk-set+json",
        "Cache-Control": "public, max-age=3600",
    }


@pytest.mark.rule("discovery.conditions", "config.issuer-not-https")
def test_without_an_https_issuer_there_are_none(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    documents = documents_of(StaticKeys(KEYS), issuer="http://i")
    assert len(documents) == 0
    assert documents.get(JWKS) is None
    assert "issuer URL must use https scheme, got: http://i" in caplog.text


@pytest.mark.rule("discovery.external-signer-cache")
def test_documents_may_be_kept_until_the_keys_are_fetched_again() -> None:
    keys = ChangingKeys()
    documents = documents_of(keys)
    keys.seconds = 17
    assert documents[JWKS].headers["Cache-Control"] == "public, max-age=17"
    assert documents[CONFIGURATION].headers["Cache-Control"] == "public, max-age=17"


@pytest.mark.rule("discovery.render-once")
def test_other_keys_are_rendered_and_the_same_are_not() -> None:
    keys = ChangingKeys()
    documents = documents_of(keys)
    before = documents[JWKS].body
    assert documents[JWKS].body is before
    new = generate_signing_key(ES256).public
    keys.published = KeySet([new])
    assert [key["kid"] for key in orjson.loads(documents[JWKS].body)["keys"]] == [new.key_id]


def test_keys_that_cannot_be_rendered_leave_the_former_documents() -> None:
    keys = ChangingKeys()
    documents = documents_of(keys)
    before = documents[JWKS].body
    keys.published = KeySet([])
    assert documents[JWKS].body == before


def test_documents_appear_when_there_are_keys_to_show() -> None:
    keys = ChangingKeys()
    keys.published = KeySet([])
    documents = documents_of(keys)
    assert list(documents) == []
    keys.published = KEYS
    assert sorted(documents) == [CONFIGURATION, JWKS]
