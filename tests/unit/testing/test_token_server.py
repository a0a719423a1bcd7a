"""Recipients find discovery and keys on loopback, as with a real issuer."""

from __future__ import annotations

import pytest

from podpass.testing.token_issuer import ISSUER, TokenIssuer
from podpass.testing.token_server import serving
from podpass.workload.refusal import IssuerUnavailable, TokenRefused
from podpass.workload.transport import HttpsTransport
from podpass.workload.verifier import Verifier


def test_a_recipient_fetches_the_keys(podpass_served_tokens: TokenIssuer) -> None:
    tokens = podpass_served_tokens
    verifier = Verifier.for_issuer(tokens.issuer, audience="vault")
    assert verifier.verify(tokens.token("vault")).issuer == tokens.issuer
    with pytest.raises(TokenRefused):
        verifier.verify(tokens.broken("forged signature", "vault"))


def test_what_is_asked_for_decides_the_answer(podpass_served_tokens: TokenIssuer) -> None:
    get = HttpsTransport()
    url = podpass_served_tokens.issuer
    keys = get("GET", f"{url}/openid/v1/jwks", {})
    assert (keys.status, keys.body) == (200, podpass_served_tokens.jwks())
    assert get("GET", f"{url}/other", {}).status == 404


def test_an_issuer_that_is_away_answers_503(podpass_served_tokens: TokenIssuer) -> None:
    podpass_served_tokens.go_away()
    verifier = Verifier.for_issuer(podpass_served_tokens.issuer, audience="vault")
    with pytest.raises(IssuerUnavailable, match="503"):
        verifier.verify(podpass_served_tokens.token("vault"))


def test_the_issuer_has_its_name_back_at_the_end() -> None:
    tokens = TokenIssuer()
    with serving(tokens) as url:
        assert tokens.issuer == url
    assert tokens.issuer == ISSUER
    with pytest.raises(IssuerUnavailable):
        Verifier.for_issuer(url, audience="vault").verify(
            tokens.token("vault", claims={"iss": url})
        )
