"""The issuer's documents as they are sent."""

from __future__ import annotations

import logging

import orjson
import pytest

from podpass.apiserver.well_known import render_documents
from podpass.jose.key_set import KeySet

from .conftest import KEY

KEYS = KeySet([KEY.public])


def test_both_documents_are_rendered_with_their_headers() -> None:
    documents = render_documents(
        issuer="https://i", jwks_uri="", external_address="127.0.0.1:6443", keys=KEYS
    )
    configuration = documents["/.well-known/openid-configuration"]
    assert orjson.loads(configuration.body)["jwks_uri"] == "https://127.0.0.1:6443/openid/v1/jwks"
    assert configuration.headers == {
        "Content-Type": "application/json",
        "Cache-Control": "public, max-age=3600",
    }
    jwks = documents["/openid/v1/jwks"]
    assert orjson.loads(jwks.body)["keys"][0]["kid"] == KEY.public.key_id
    assert jwks.headers == {
        "Content-Type": "application/jwk-set+json",
        "Cache-Control": "public, max-age=3600",
    }


def test_without_an_https_issuer_there_are_none(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    documents = render_documents(issuer="http://i", jwks_uri="", external_address="h", keys=KEYS)
    assert documents == {}
    assert "issuer URL must use https scheme, got: http://i" in caplog.text
