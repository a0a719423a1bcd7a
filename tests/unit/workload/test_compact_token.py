"""Taking a token apart; the attacks are in test_attacks."""

from __future__ import annotations

import pytest

from podpass.jose.keys import ES256, generate_signing_key
from podpass.testing.fake_issuer import bound_claims, encoded, signed
from podpass.workload.compact_token import (
    MAXIMUM_KEY_ID,
    MAXIMUM_TOKEN,
    parse,
    take_apart,
)
from podpass.workload.refusal import Reason, TokenRefused

KEY = generate_signing_key(ES256)


def test_a_good_token_shows_header_and_claims() -> None:
    token = parse(signed(bound_claims(), KEY))
    assert (token.algorithm, token.key_id) == ("ES256", KEY.public.key_id)
    assert token.claims == bound_claims()
    assert KEY.public.verify(token.signing_input, token.signature)


def test_an_unverified_token_does_not_show_itself() -> None:
    assert "shop" not in repr(parse(signed(bound_claims(), KEY)))


@pytest.mark.parametrize("typ", ["JWT", "jwt"])
def test_the_type_of_external_signers_is_fine(typ: str) -> None:
    header = {"alg": "ES256", "kid": "k", "typ": typ}
    assert parse(signed(bound_claims(), KEY, header=header)).key_id == "k"


@pytest.mark.parametrize("length", [1, MAXIMUM_KEY_ID])
def test_a_key_id_has_up_to_1024_characters(length: int) -> None:
    header = {"alg": "ES256", "kid": "k" * length}
    assert len(parse(signed(bound_claims(), KEY, header=header)).key_id) == length


@pytest.mark.parametrize(
    ("length", "reason"),
    [(MAXIMUM_TOKEN, Reason.MALFORMED), (MAXIMUM_TOKEN + 1, Reason.TOO_LARGE)],
    ids=["the longest is looked at", "a longer one is not"],
)
def test_a_token_has_a_longest_length(length: int, reason: Reason) -> None:
    with pytest.raises(TokenRefused) as refused:
        parse("a" * length)
    assert refused.value.reason is reason


def test_a_look_does_not_mind_a_harmful_header() -> None:
    token = take_apart(f"{encoded({'alg': 'none', 'kid': 1})}.{encoded({})}.")
    assert (token.algorithm, token.key_id, token.signature) == ("none", "", b"")
    with pytest.raises(TokenRefused):
        parse(f"{encoded({'alg': 'none'})}.{encoded({})}.")
