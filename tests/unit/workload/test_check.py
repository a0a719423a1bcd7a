"""The decision at both sides of every edge; what attackers try is in test_attacks."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podpass.jose.keys import ES256, generate_signing_key
from podpass.testing.fake_clock import START
from podpass.testing.fake_issuer import ISSUER, LIFE, bound_claims, signed
from podpass.workload.check import LEEWAY, Trust, check, check_times, wanted_audiences
from podpass.workload.claims import read_identity
from podpass.workload.compact_token import parse
from podpass.workload.identity import Identity
from podpass.workload.refusal import Reason, TokenRefused
from podpass.workload.trusted_keys import read_jwks

KEY = generate_signing_key(ES256)
KEYS = read_jwks(json.dumps({"keys": [KEY.public.to_jwk()]}).encode())
SECOND = timedelta(seconds=1)


def accepted(
    claims: dict[str, Any], audience: Collection[str] = ("vault",), **more: Any
) -> Identity:
    trust = Trust(frozenset([ISSUER, "https://old.example"]), KEYS)
    return check(parse(signed(claims, KEY)), trust, frozenset(audience), START, **more)


@pytest.mark.parametrize(
    ("claims", "audience"),
    [
        pytest.param({}, ["vault"], id="the same single audience"),
        pytest.param({"aud": "vault"}, ["vault"], id="a plain text as the audience"),
        pytest.param({"aud": ["a", "vault"]}, ["vault"], id="ours as the second of two"),
        pytest.param({"aud": ["a"]}, ["vault", "a"], id="one of our names"),
        pytest.param({"iss": "https://old.example"}, ["vault"], id="another trusted issuer"),
    ],
)
def test_a_token_is_accepted(claims: dict[str, Any], audience: list[str]) -> None:
    assert accepted(bound_claims(**claims), audience).namespace == "shop"


@pytest.mark.parametrize(
    ("claim", "seconds", "reason"),
    [
        pytest.param("exp", -60, None, id="expired a minute ago"),
        pytest.param("exp", -61, Reason.EXPIRED, id="expired 61 seconds ago"),
        pytest.param("nbf", 60, None, id="begins in a minute"),
        pytest.param("nbf", 61, Reason.NOT_YET_VALID, id="begins in 61 seconds"),
        pytest.param("iat", 60, None, id="made in a minute"),
        pytest.param("iat", 61, Reason.NOT_YET_VALID, id="made in 61 seconds"),
    ],
)
def test_times_count_with_a_leeway_of_a_minute(
    claim: str, seconds: int, reason: Reason | None
) -> None:
    claims = bound_claims() | {claim: int(START.timestamp()) + seconds}
    if reason is None:
        accepted(claims)
        return
    with pytest.raises(TokenRefused) as refused:
        accepted(claims)
    assert refused.value.reason is reason


@pytest.mark.parametrize(("seconds", "good"), [(0, True), (-1, False)], ids=["at exp", "after exp"])
def test_without_leeway_the_expiry_is_the_last_good_second(*, seconds: int, good: bool) -> None:
    claims = bound_claims(exp=int(START.timestamp()) + seconds)
    if good:
        accepted(claims, leeway=timedelta(0))
        return
    with pytest.raises(TokenRefused):
        accepted(claims, leeway=timedelta(0))


@given(st.integers(-3 * LIFE, 3 * LIFE), st.integers(0, 300))
def test_a_token_is_good_from_its_begin_to_its_expiry_and_the_leeway(at: int, leeway: int) -> None:
    identity = read_identity(bound_claims())
    good = -leeway <= at <= LIFE + leeway
    try:
        check_times(identity, START + at * SECOND, leeway * SECOND)
    except TokenRefused:
        assert not good
    else:
        assert good


def test_the_leeway_is_the_one_of_the_api_server() -> None:
    assert timedelta(seconds=60) == LEEWAY


@pytest.mark.parametrize("audience", ["", [], [""], ["a", ""]], ids=repr)
def test_a_recipient_without_a_name_is_an_error(audience: str | list[str]) -> None:
    with pytest.raises(ValueError, match="an audience is needed"):
        wanted_audiences(audience)


def test_one_name_is_not_taken_for_its_letters() -> None:
    assert wanted_audiences("vault") == {"vault"}
    assert wanted_audiences(["a", "b"]) == {"a", "b"}
