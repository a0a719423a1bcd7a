"""Good tokens are accepted, and each broken one is refused for the reason that it is broken for."""

from __future__ import annotations

import pytest

from podpass.testing.fake_clock import FakeClock
from podpass.testing.token_issuer import BROKEN, TokenIssuer
from podpass.workload.refusal import IssuerUnavailable, Reason, TokenRefused

REASONS = {
    "expired": Reason.EXPIRED,
    "not yet valid": Reason.NOT_YET_VALID,
    "wrong audience": Reason.AUDIENCE,
    "wrong issuer": Reason.ISSUER,
    "forged signature": Reason.SIGNATURE,
    "unknown key": Reason.UNKNOWN_KEY,
    "unsigned": Reason.ALGORITHM,
}


def refusal(issuer: TokenIssuer, token: str) -> Reason | None:
    """Why a new recipient refuses the token, or None."""
    try:
        issuer.verifier("vault").verify(token)
    except TokenRefused as refused:
        return refused.reason
    return None


def test_a_good_token_says_what_was_asked_for(podpass_tokens: TokenIssuer) -> None:
    token = podpass_tokens.token(
        ["vault", "api"], namespace="shop", service_account="app", pod="app-7", node="n3"
    )
    identity = podpass_tokens.verifier("vault").verify(token)
    assert identity.username == "system:serviceaccount:shop:app"
    assert identity.pod is not None
    assert identity.node is not None
    assert (identity.pod.name, identity.node.name) == ("app-7", "n3")
    assert refusal(podpass_tokens, podpass_tokens.token("api")) is Reason.AUDIENCE


def test_a_token_may_be_of_no_pod(podpass_tokens: TokenIssuer) -> None:
    identity = podpass_tokens.verifier("vault").verify(
        podpass_tokens.token("vault", pod=None, node=None)
    )
    assert (identity.pod, identity.node) == (None, None)


def test_each_way_to_break_a_token_has_a_reason() -> None:
    assert set(REASONS) == set(BROKEN)


@pytest.mark.parametrize("how", BROKEN)
async def test_a_broken_token_is_refused_for_its_reason(
    podpass_tokens: TokenIssuer, how: str
) -> None:
    token = podpass_tokens.broken(how, "vault", service_account="app")
    assert refusal(podpass_tokens, token) is REASONS[how]
    with pytest.raises(TokenRefused) as refused:
        await podpass_tokens.async_verifier("vault").verify(token)
    assert refused.value.reason is REASONS[how]


def test_there_are_no_other_ways(podpass_tokens: TokenIssuer) -> None:
    with pytest.raises(ValueError, match="no such way to break a token: 'bent'; one of expired"):
        podpass_tokens.broken("bent", "vault")


def test_a_claim_can_be_added_changed_and_taken_away(podpass_tokens: TokenIssuer) -> None:
    token = podpass_tokens.token("vault", claims={"sub": None})
    assert refusal(podpass_tokens, token) is not None
    other = podpass_tokens.token("vault", claims={"iss": "https://other.example"})
    assert refusal(podpass_tokens, other) is Reason.ISSUER


async def test_a_token_grows_old_with_the_clock() -> None:
    clock = FakeClock()
    issuer = TokenIssuer(clock=clock)
    token = issuer.token("vault", expires_in=100)
    for later, reason in ((159, None), (2, Reason.EXPIRED)):
        await clock.advance(later)
        assert refusal(issuer, token) is reason


@pytest.mark.parametrize("keep_old", [True, False], ids=["old key kept", "old key gone"])
def test_a_rotation_signs_with_a_new_key(podpass_tokens: TokenIssuer, *, keep_old: bool) -> None:
    old = podpass_tokens.token("vault")
    podpass_tokens.rotate(keep_old=keep_old)
    assert refusal(podpass_tokens, podpass_tokens.token("vault")) is None
    assert refusal(podpass_tokens, old) is (None if keep_old else Reason.UNKNOWN_KEY)


def test_an_issuer_that_is_away_comes_back(podpass_tokens: TokenIssuer) -> None:
    token = podpass_tokens.token("vault")
    podpass_tokens.go_away("no route")
    with pytest.raises(IssuerUnavailable, match="no route"):
        podpass_tokens.verifier("vault").verify(token)
    podpass_tokens.come_back()
    assert refusal(podpass_tokens, token) is None
