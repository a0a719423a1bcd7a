"""The three steps of a signing key."""

from __future__ import annotations

import pytest

from podpass.operator.bound_sa_token_signer import (
    NOT_PUBLISHED,
    Promotion,
    SignerError,
    decide_promotion,
    is_pair,
    publish_key,
)

OLD = {"service-account.key": "old", "service-account.pub": "OLD"}
NEXT = {"service-account.key": "next", "service-account.pub": "NEXT"}
BOTH = {"service-account-001.pub": "OLD", "service-account-002.pub": "NEXT"}


@pytest.mark.parametrize(
    ("data", "complete"),
    [
        pytest.param(NEXT, True, id="both halves"),
        pytest.param({**NEXT, "service-account.key": ""}, False, id="no private half"),
        pytest.param({"service-account.key": "x"}, False, id="no public half"),
        pytest.param({}, False, id="empty"),
        pytest.param(None, False, id="not there"),
    ],
)
def test_a_pair_has_two_halves(data: dict[str, str] | None, complete: bool) -> None:
    assert is_pair(data) is complete


@pytest.mark.parametrize(
    ("published", "name"),
    [
        pytest.param({}, "service-account-001.pub", id="the first"),
        pytest.param({"a": "A"}, "service-account-002.pub", id="numbered by what is there"),
        pytest.param(
            {"service-account-002.pub": "A"}, "service-account-003.pub", id="the next free number"
        ),
    ],
)
def test_a_public_key_is_added(published: dict[str, str], name: str) -> None:
    assert publish_key(published, "NEXT") == {**published, name: "NEXT"}


def test_a_public_key_is_compared_by_value() -> None:
    assert publish_key(BOTH, "OLD") is None


def test_an_empty_public_key_is_refused() -> None:
    with pytest.raises(SignerError, match="empty public key"):
        publish_key({}, "")


@pytest.mark.parametrize(
    ("active", "known", "promotion"),
    [
        pytest.param(NEXT, [], Promotion.DONE, id="it is in use"),
        pytest.param(None, [None], Promotion.NOW, id="the very first is not waited with"),
        pytest.param(OLD, [BOTH, BOTH], Promotion.NOW, id="all nodes know it"),
        pytest.param(OLD, [BOTH, {"a": "OLD"}], Promotion.LATER, id="one node does not know it"),
        pytest.param(OLD, [BOTH, None], Promotion.LATER, id="one node has no copy at all"),
        pytest.param(
            {**NEXT, "service-account.key": "other"}, [BOTH], Promotion.NOW, id="half is in use"
        ),
    ],
)
def test_promotion(
    active: dict[str, str] | None, known: list[dict[str, str] | None], promotion: Promotion
) -> None:
    found = decide_promotion(
        next_pair=NEXT, active_pair=active, published=BOTH, known_by_nodes=known
    )
    assert found is promotion


def test_a_key_that_is_not_published_is_not_promoted() -> None:
    with pytest.raises(SignerError, match=NOT_PUBLISHED):
        decide_promotion(next_pair=NEXT, active_pair=None, published={}, known_by_nodes=[])
