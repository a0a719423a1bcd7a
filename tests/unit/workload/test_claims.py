"""Claims of every kind of bound token become an Identity."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podpass.testing.fake_clock import START
from podpass.testing.fake_issuer import LIFE, bound_claims
from podpass.workload.claims import read_identity
from podpass.workload.identity import ObjectRef
from podpass.workload.refusal import Reason, TokenRefused


def private(**changes: Any) -> dict[str, Any]:
    """Claims whose `kubernetes.io` is changed; a change to None takes a member away."""
    inner = bound_claims()["kubernetes.io"] | changes
    kept = {name: one for name, one in inner.items() if one is not None}
    return bound_claims() | {"kubernetes.io": kept}


def test_a_pod_token_tells_account_pod_and_node() -> None:
    identity = read_identity(bound_claims())
    assert identity.username == "system:serviceaccount:shop:app"
    assert (identity.namespace, identity.service_account) == ("shop", ObjectRef("app", "S"))
    assert (identity.pod, identity.node) == (ObjectRef("app-0", "P"), ObjectRef("n1", "N"))
    assert identity.secret is None
    assert (identity.issued_at, identity.not_before) == (START, START)
    assert identity.expires_at == START + timedelta(seconds=LIFE)
    assert (identity.audiences, identity.token_id) == (("vault",), "7f1b")
    assert identity.warn_after is None


def test_a_token_of_an_old_server_has_no_id_and_no_node() -> None:
    claims = private(node=None)
    del claims["jti"]
    identity = read_identity(claims)
    assert (identity.token_id, identity.node) == ("", None)


def test_the_uid_of_the_node_may_be_missing() -> None:
    assert read_identity(private(node={"name": "n1"})).node == ObjectRef("n1")


def test_a_token_of_a_secret() -> None:
    claims = private(pod=None, node=None, secret={"name": "s", "uid": "X"})
    assert read_identity(claims).secret == ObjectRef("s", "X")


def test_times_other_than_the_expiry_may_be_missing() -> None:
    identity = read_identity(bound_claims(iat=None, nbf=None))
    assert (identity.issued_at, identity.not_before) == (None, None)


def test_an_extended_token_is_stale_after_its_warning() -> None:
    warn = int(START.timestamp()) + 3607
    identity = read_identity(private(warnafter=warn))
    assert identity.warn_after == datetime.fromtimestamp(warn, UTC)
    assert not identity.is_stale(START + timedelta(seconds=3607))
    assert identity.is_stale(START + timedelta(seconds=3608))
    assert not read_identity(bound_claims()).is_stale(START + timedelta(days=999))


def test_fractions_of_seconds_are_numbers_too() -> None:
    assert read_identity(bound_claims(exp=1.5)).expires_at.microsecond == 500000


def test_an_audience_may_be_a_plain_text() -> None:
    assert read_identity(bound_claims(aud="vault")).audiences == ("vault",)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        pytest.param(private(serviceaccount=None), Reason.NOT_BOUND, id="no account"),
        pytest.param(private(serviceaccount={"name": "app"}), Reason.NOT_BOUND, id="no uid"),
        pytest.param(private(serviceaccount=["app"]), Reason.MALFORMED, id="account in a list"),
        pytest.param(private(serviceaccount={"uid": "S"}), Reason.MALFORMED, id="no account name"),
        pytest.param(private(namespace=None), Reason.MALFORMED, id="no namespace"),
        pytest.param(private(namespace=1), Reason.MALFORMED, id="a number as namespace"),
        pytest.param(private(namespace="other"), Reason.NOT_BOUND, id="another namespace"),
        pytest.param(private(pod={"name": ""}), Reason.MALFORMED, id="an empty pod name"),
        pytest.param(private(pod={"name": "p", "uid": 1}), Reason.MALFORMED, id="a number as uid"),
        pytest.param(private(warnafter="soon"), Reason.MALFORMED, id="a text as warnafter"),
        pytest.param(bound_claims(nbf=[]), Reason.MALFORMED, id="a list as nbf"),
        pytest.param(bound_claims(iat=-(10**20)), Reason.MALFORMED, id="iat before all calendars"),
        pytest.param(bound_claims(sub=None), Reason.MALFORMED, id="no subject"),
        pytest.param(bound_claims(jti=1), Reason.MALFORMED, id="a number as the token's id"),
        pytest.param(bound_claims(aud=[""]), Reason.MALFORMED, id="an empty audience"),
        pytest.param(bound_claims(aud=""), Reason.MALFORMED, id="an empty text as audience"),
    ],
)  # fmt: skip
def test_claims_of_a_wrong_type_are_refused(claims: dict[str, Any], reason: Reason) -> None:
    with pytest.raises(TokenRefused) as refused:
        read_identity(claims)
    assert refused.value.reason is reason
