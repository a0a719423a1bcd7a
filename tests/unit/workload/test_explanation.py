"""Why a token is refused, in words: each reason is told, with what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podpass.jose.keys import ES256, generate_signing_key
from podpass.testing.fake_clock import START
from podpass.testing.fake_issuer import ISSUER, FakeIssuer, bound_claims, encoded, signed
from podpass.workload.check import Trust
from podpass.workload.explanation import Known, explain, span, unchecked
from podpass.workload.refusal import Reason, TokenRefused
from podpass.workload.trusted_keys import TrustedKeys, read_jwks

SIGNER = FakeIssuer()
KEY = SIGNER.keys[0]
STRANGER = generate_signing_key(ES256)
TRUST = Trust(frozenset([ISSUER]), read_jwks(SIGNER.jwks()))
ALL = Known(audiences=frozenset(["vault"]), trust=TRUST, review=True)
GOOD = SIGNER.token()


def reviewed(reason: Reason) -> Known:
    return Known(
        audiences=frozenset(["vault"]), trust=TRUST, review=TokenRefused(reason, "said so")
    )


def private(**changes: Any) -> dict[str, Any]:
    claims = bound_claims()
    inner = claims["kubernetes.io"] | changes
    return claims | {"kubernetes.io": {name: one for name, one in inner.items() if one}}


def test_a_good_token_has_no_finding() -> None:
    assert explain(GOOD, ALL, START) == []
    assert unchecked(ALL) == []


def test_what_was_not_looked_at_is_told() -> None:
    assert explain(GOOD, Known(), START) == []
    assert len(unchecked(Known())) == 3


@pytest.mark.parametrize(
    ("token", "known", "reason", "words"),
    [
        pytest.param("a.b", ALL, Reason.MALFORMED, "three parts", id="malformed"),
        pytest.param("a" * 99999, ALL, Reason.TOO_LARGE, "16384 characters", id="too large"),
        pytest.param(
            f"{encoded({'alg': 'none'})}.{encoded(bound_claims())}.",
            ALL,
            Reason.ALGORITHM,
            "allowed algorithm",
            id="alg none",
        ),
        pytest.param(
            signed(bound_claims(), KEY, header={"alg": "ES256", "jku": "https://x"}),
            ALL,
            Reason.EMBEDDED_KEY,
            "a key of its own",
            id="an embedded key",
        ),
        pytest.param(
            signed(bound_claims(iss="https://old.example"), KEY),
            ALL,
            Reason.ISSUER,
            "The issuer changed after the token was made",
            id="the issuer changed",
        ),
        pytest.param(
            signed(bound_claims(iss="https://other.example"), STRANGER),
            ALL,
            Reason.ISSUER,
            "a token of another cluster",
            id="another cluster",
        ),
        pytest.param(
            signed(bound_claims(iss="https://other.example"), KEY, header={"alg": "ES256"}),
            ALL,
            Reason.ISSUER,
            "a token of another cluster",
            id="another issuer, no key id",
        ),
        pytest.param(
            signed(bound_claims(iss="https://other.example"), STRANGER),
            Known(issuers=frozenset([ISSUER])),
            Reason.ISSUER,
            'its issuer is "https://other.example", accepted is "https://issuer.example"',
            id="another issuer, keys not known",
        ),
        pytest.param(
            signed(bound_claims(), STRANGER),
            ALL,
            Reason.UNKNOWN_KEY,
            f'no key "{STRANGER.public.key_id}"',
            id="an unknown key",
        ),
        pytest.param(
            GOOD[:-8] + "AAAAAAAA"[:7] + "A",
            ALL,
            Reason.SIGNATURE,
            "not that of the issuer's key",
            id="a wrong signature",
        ),
        pytest.param(
            SIGNER.token(aud=["b", "a"]),
            ALL,
            Reason.AUDIENCE,
            'made for "a", "b", not for "vault"',
            id="another audience",
        ),
        pytest.param(
            SIGNER.token(aud=None), ALL, Reason.AUDIENCE, "made for nobody", id="no audience"
        ),
        pytest.param(
            SIGNER.token(START - timedelta(hours=3)),
            ALL,
            Reason.EXPIRED,
            "expired 2 h ago, at 2025-12-31 22:00:00 UTC",
            id="expired",
        ),
        pytest.param(
            SIGNER.token(START + timedelta(seconds=90)),
            ALL,
            Reason.NOT_YET_VALID,
            "begins in 1 min 30 s, at 2026-01-01 00:01:30 UTC",
            id="not yet valid",
        ),
        pytest.param(SIGNER.token(sub="alice"), ALL, Reason.NOT_BOUND, "differ", id="no account's"),
        pytest.param(
            SIGNER.token(exp="soon"),
            ALL,
            Reason.MALFORMED,
            "claim exp",
            id="a claim of a wrong type",
        ),
        pytest.param(
            SIGNER.token(iss=None), ALL, Reason.MALFORMED, "claim iss", id="no issuer, told once"
        ),
        pytest.param(
            GOOD,
            reviewed(Reason.ACCOUNT_GONE),
            Reason.ACCOUNT_GONE,
            'the service account "shop/app", which is gone',
            id="the account is gone",
        ),
        pytest.param(
            GOOD,
            reviewed(Reason.ACCOUNT_RECREATED),
            Reason.ACCOUNT_RECREATED,
            'the service account "shop/app", which was deleted and made anew',
            id="the account was recreated",
        ),
        pytest.param(
            GOOD,
            reviewed(Reason.BOUND_OBJECT_GONE),
            Reason.BOUND_OBJECT_GONE,
            'the pod "app-0", which is gone',
            id="the pod is gone",
        ),
        pytest.param(
            GOOD,
            reviewed(Reason.BOUND_OBJECT_RECREATED),
            Reason.BOUND_OBJECT_RECREATED,
            'the pod "app-0", which was deleted and made anew',
            id="the pod was recreated",
        ),
        pytest.param(
            signed(private(pod=None, node=None, secret={"name": "s", "uid": "X"}), KEY),
            reviewed(Reason.BOUND_OBJECT_GONE),
            Reason.BOUND_OBJECT_GONE,
            'the Secret "s"',
            id="the secret is gone",
        ),
        pytest.param(
            signed(private(pod=None), KEY),
            reviewed(Reason.BOUND_OBJECT_GONE),
            Reason.BOUND_OBJECT_GONE,
            'the node "n1"',
            id="the node is gone",
        ),
        pytest.param(
            signed(private(pod=None, node=None), KEY),
            reviewed(Reason.BOUND_OBJECT_GONE),
            Reason.BOUND_OBJECT_GONE,
            "bound to an object, which is gone",
            id="something is gone",
        ),
        pytest.param(
            GOOD, reviewed(Reason.REVIEW), Reason.REVIEW, "said so", id="no reason is given"
        ),
        pytest.param(
            GOOD, reviewed(Reason.EXPIRED), Reason.EXPIRED, "said so", id="the clocks differ"
        ),
    ],
)
def test_each_reason_is_told_with_a_remedy(
    token: str, known: Known, reason: Reason, words: str
) -> None:
    findings = explain(token, known, START)
    assert [one.reason for one in findings] == [reason]
    assert words in findings[0].what
    assert len(findings[0].remedy) > 20
    assert token[-20:] not in findings[0].what + findings[0].remedy


def test_a_leeway_is_for_the_caller_to_choose() -> None:
    token, leeway = SIGNER.token(START - timedelta(seconds=3600 + 90)), timedelta(seconds=90)
    assert explain(token, ALL, START, leeway) == []
    assert [one.reason for one in explain(token, ALL, START)] == [Reason.EXPIRED]


def test_a_wrong_signature_is_told_beside_a_changed_issuer() -> None:
    forged = signed(
        bound_claims(iss="https://old.example"),
        STRANGER,
        header={"alg": "ES256", "kid": KEY.public.key_id},
    )
    reasons = [one.reason for one in explain(forged, ALL, START)]
    assert reasons == [Reason.ISSUER, Reason.SIGNATURE]


def test_what_nobody_looked_at_is_told_to_the_letter() -> None:
    assert unchecked(Known()) == [
        "whether it is meant for you (no audience was given)",
        "the signature (no keys were given)",
        "whether account and pod still exist (the API server was not asked)",
    ]


def test_all_that_is_wrong_is_told() -> None:
    token = signed(bound_claims(aud=["b"], exp=1, iss="https://old.example"), KEY)
    findings = explain(token, reviewed(Reason.BOUND_OBJECT_GONE), START)
    assert [one.reason for one in findings] == [
        Reason.ISSUER,
        Reason.AUDIENCE,
        Reason.EXPIRED,
        Reason.BOUND_OBJECT_GONE,
    ]


@pytest.mark.parametrize("reason", [Reason.EXPIRED, Reason.REVIEW])
def test_what_the_api_server_says_is_not_told_twice(reason: Reason) -> None:
    findings = explain(SIGNER.token(exp=1), reviewed(reason), START)
    assert [one.reason for one in findings] == [Reason.EXPIRED]


def test_a_key_of_another_algorithm_is_told() -> None:
    token = signed(bound_claims(), KEY, header={"alg": "RS256", "kid": KEY.public.key_id})
    assert [one.reason for one in explain(token, ALL, START)] == [Reason.ALGORITHM]


def test_values_cannot_write_on_the_terminal() -> None:
    token = signed(bound_claims(iss="\x1b[2J\u202egood"), STRANGER)
    what = explain(token, ALL, START)[0].what
    assert "\\u001b[2J\\u202egood" in what
    assert what.isprintable()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59, "59 s"),
        (-60, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3601, "1 h"),
        (7260, "2 h 1 min"),
        (86400 * 3 + 3600, "3 d 1 h"),
        (86400 * 3 + 60, "3 d"),
    ],
)
def test_spans_have_two_units(seconds: float, words: str) -> None:
    assert span(seconds) == words


CHANGES: list[Callable[[dict[str, Any]], object]] = [
    lambda claims: claims.update(aud=["b"]),
    lambda claims: claims.update(exp=1),
    lambda claims: claims.update(nbf=9**10),
    lambda claims: claims.update(iss="x"),
    lambda claims: claims.pop("sub"),
]


@given(
    st.lists(st.sampled_from(range(len(CHANGES))), unique=True),
    st.booleans(),
    st.sampled_from([None, True, TokenRefused(Reason.REVIEW, "no")]),
)
def test_there_is_a_finding_for_whatever_is_refused(
    changes: list[int], known_key: bool, review: TokenRefused | bool | None
) -> None:
    claims = bound_claims()
    for number in changes:
        CHANGES[number](claims)
    token = signed(claims, KEY if known_key else STRANGER)
    known = Known(audiences=frozenset(["vault"]), trust=TRUST, review=review)
    bad = bool(changes) or not known_key or isinstance(review, TokenRefused)
    assert bool(explain(token, known, START)) is bad


def test_without_any_key_every_token_is_of_another_cluster() -> None:
    known = Known(trust=Trust(frozenset(["x"]), TrustedKeys([])))
    assert [one.reason for one in explain(GOOD, known, START)] == [Reason.ISSUER]
