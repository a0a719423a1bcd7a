"""Claims as JSON, there and back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podpass.serviceaccount.claims import (
    MalformedClaims,
    ObjectRef,
    TokenClaims,
    decode_claims,
    encode_claims,
    unverified_issuer,
    username,
)

NOW = datetime.fromtimestamp(1770000000, UTC)
ISSUER = "https://kubernetes.default.svc"
UNBOUND = TokenClaims(
    issuer=ISSUER,
    subject="system:serviceaccount:ns1:app",
    audiences=("vault",),
    issued_at=NOW,
    not_before=NOW,
    expires_at=NOW + timedelta(seconds=600),
    token_id="7f1b",
    namespace="ns1",
    service_account=ObjectRef("app", "S"),
)
POD = replace(UNBOUND, pod=ObjectRef("app-0", "P"), node=ObjectRef("n1", "N"))


@pytest.mark.rule("jwt.example", "jwt.sorted", "jwt.audience-list", "jwt.private-claims")
def test_a_pod_token_reads_as_documented() -> None:
    assert encode_claims(POD).decode() == (
        '{"aud":["vault"],"exp":1770000600,"iat":1770000000,'
        '"iss":"https://kubernetes.default.svc","jti":"7f1b",'
        '"kubernetes.io":{"namespace":"ns1","node":{"name":"n1","uid":"N"},'
        '"pod":{"name":"app-0","uid":"P"},"serviceaccount":{"name":"app","uid":"S"}},'
        '"nbf":1770000000,"sub":"system:serviceaccount:ns1:app"}'
    )


@pytest.mark.rule("jwt.private-claims", "jwt.absent-omitted", "jwt.warnafter")
@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        pytest.param(
            UNBOUND,
            {"namespace": "ns1", "serviceaccount": {"name": "app", "uid": "S"}},
            id="unbound names the account alone",
        ),
        pytest.param(
            replace(UNBOUND, secret=ObjectRef("s", "X")),
            {
                "namespace": "ns1",
                "secret": {"name": "s", "uid": "X"},
                "serviceaccount": {"name": "app", "uid": "S"},
            },
            id="bound to a secret",
        ),
        pytest.param(
            replace(UNBOUND, node=ObjectRef("n1")),
            {
                "namespace": "ns1",
                "node": {"name": "n1"},
                "serviceaccount": {"name": "app", "uid": "S"},
            },
            id="a node that is not known has no UID",
        ),
        pytest.param(
            replace(UNBOUND, warn_after=NOW + timedelta(seconds=3607)),
            {
                "namespace": "ns1",
                "serviceaccount": {"name": "app", "uid": "S"},
                "warnafter": 1770003607,
            },
            id="an extended token warns",
        ),
    ],
)
def test_private_claims(claims: TokenClaims, expected: dict[str, Any]) -> None:
    assert orjson.loads(encode_claims(claims))["kubernetes.io"] == expected


@pytest.mark.rule("jwt.times")
def test_times_are_cut_to_seconds() -> None:
    claims = replace(UNBOUND, issued_at=NOW + timedelta(microseconds=999_999))
    assert orjson.loads(encode_claims(claims))["iat"] == 1770000000


@pytest.mark.rule("jwt.audience-omitted", "jwt.absent-omitted")
def test_what_is_not_there_is_left_out() -> None:
    payload = orjson.loads(encode_claims(TokenClaims(issuer=ISSUER)))
    assert sorted(payload) == ["iss", "kubernetes.io", "sub"]


@pytest.mark.rule("jwt.one-binding")
@pytest.mark.parametrize("second", ["pod", "node"])
def test_a_token_is_bound_to_one_object(second: str) -> None:
    refs: dict[str, Any] = {"secret": ObjectRef("s", "X"), second: ObjectRef("x", "Y")}
    with pytest.raises(
        ValueError, match=r"^internal error, token can only be bound to one object type$"
    ):
        replace(UNBOUND, **refs)


_REFS = st.none() | st.builds(ObjectRef, st.text(), st.text())
_TIMES = st.none() | st.integers(0, 1 << 33).map(lambda one: datetime.fromtimestamp(one, UTC))


@given(
    st.builds(
        TokenClaims,
        issuer=st.text(),
        subject=st.text(),
        audiences=st.lists(st.text()).map(tuple),
        issued_at=_TIMES,
        not_before=_TIMES,
        expires_at=_TIMES,
        token_id=st.text(),
        namespace=st.text(),
        service_account=st.builds(ObjectRef, st.text(), st.text()),
        pod=_REFS,
        secret=st.none(),
        node=_REFS,
        warn_after=st.none() | st.just(NOW),
    )
)
def test_what_is_encoded_is_decoded(claims: TokenClaims) -> None:
    assert decode_claims(encode_claims(claims)) == claims


@pytest.mark.rule("jwt.audience-list")
def test_a_single_audience_may_be_a_text() -> None:
    assert decode_claims(b'{"iss":"i","aud":"a"}').audiences == ("a",)


@pytest.mark.rule("verify.warnafter-zero")
def test_a_warning_time_of_zero_is_none() -> None:
    assert decode_claims(b'{"iss":"i","kubernetes.io":{"warnafter":0}}').warn_after is None


def test_without_an_account_its_name_and_uid_are_empty() -> None:
    assert decode_claims(b'{"iss":"i"}').service_account == ObjectRef("", "")


def test_fractions_of_a_second_are_cut() -> None:
    assert decode_claims(b'{"exp":1770000000.9}').expires_at == NOW


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        pytest.param(b"{", "^the claims are not JSON$", id="no JSON"),
        pytest.param(b"[]", "^the claims are not an object$", id="a list"),
        pytest.param(b'{"iss":1}', "claim iss", id="the issuer is a number"),
        pytest.param(b'{"aud":1}', "claim aud", id="the audience is a number"),
        pytest.param(b'{"aud":["a",1]}', "claim aud", id="one audience is a number"),
        pytest.param(b'{"exp":"1"}', "claim exp", id="a time is a text"),
        pytest.param(b'{"exp":true}', "claim exp", id="a time is a truth"),
        pytest.param(b'{"exp":1e300}', "claim exp is no time", id="a time beyond all times"),
        pytest.param(b'{"kubernetes.io":1}', "kubernetes.io", id="no private claims"),
        pytest.param(b'{"kubernetes.io":{"pod":"p"}}', "claim pod", id="the pod is a text"),
        pytest.param(
            b'{"kubernetes.io":{"pod":{},"secret":{}}}', "one object type", id="bound to two"
        ),
    ],
)
def test_wrong_types_are_malformed(payload: bytes, why: str) -> None:
    with pytest.raises(MalformedClaims, match=why):
        decode_claims(payload)


@pytest.mark.parametrize(
    ("payload", "issuer"),
    [
        pytest.param(b'{"iss":"i"}', "i", id="a text"),
        pytest.param(b'{"iss":1}', None, id="a number"),
        pytest.param(b"{}", None, id="absent"),
        pytest.param(b"[]", None, id="claims are a list"),
        pytest.param(b"x", None, id="no JSON"),
    ],
)
def test_the_issuer_before_any_check(payload: bytes, issuer: str | None) -> None:
    assert unverified_issuer(payload) == issuer


@pytest.mark.rule("jwt.subject")
def test_the_user_name_of_an_account() -> None:
    assert username("ns1", "app") == "system:serviceaccount:ns1:app"
