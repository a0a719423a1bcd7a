"""Keys that are slow to make are made once."""

from __future__ import annotations

import pytest

from podpass.jose.keys import ES256, SigningKey, generate_signing_key


@pytest.fixture(scope="session")
def rsa_key() -> SigningKey:
    return generate_signing_key()


@pytest.fixture(scope="session")
def elliptic_key() -> SigningKey:
    return generate_signing_key(ES256)
