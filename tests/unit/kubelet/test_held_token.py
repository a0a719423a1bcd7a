"""`kubelet.held_token`: when a token is looked at again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from podpass.base.logs import Secret
from podpass.kubelet.held_token import FUTURE_RETRY, HeldToken
from podpass.kubelet.refresh import TokenLifetime

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
TOKEN = Secret("t")
LIFE = TokenLifetime(NOW, NOW + HOUR)


def test_a_token_is_looked_at_when_it_is_due() -> None:
    held = HeldToken.received(TOKEN, LIFE, 0.0, NOW)
    assert held.next_check() == NOW + 48 * MINUTE
    assert not held.due(NOW + 48 * MINUTE)
    assert held.due(NOW + 48 * MINUTE + SECOND)
    assert not held.expired(NOW + HOUR)
    assert held.expired(NOW + HOUR + SECOND)


def test_a_token_without_a_life_is_left_alone() -> None:
    held = HeldToken.received(TOKEN, None, 0.0, NOW)
    held.refresh_failed(NOW, 0.0)
    assert held.next_check() is None
    assert not held.due(NOW + 100 * HOUR)
    assert not held.expired(NOW + 100 * HOUR)


@pytest.mark.rule("token-manager.no-skew")
@pytest.mark.parametrize(
    ("ahead", "next_check"),
    [
        pytest.param(SECOND, NOW + FUTURE_RETRY, id="ahead"),
        pytest.param(timedelta(0), NOW + 48 * MINUTE, id="at the same time"),
    ],
)
def test_a_token_of_the_future_is_looked_at_soon(ahead: timedelta, next_check: datetime) -> None:
    life = TokenLifetime(NOW + ahead, NOW + ahead + HOUR)
    held = HeldToken.received(TOKEN, life, 0.0, NOW)
    assert held.next_check() == next_check
    held.looked_at()
    assert held.next_check() == NOW + 48 * MINUTE


@pytest.mark.rule("token-manager.failure-keeps")
def test_failures_put_the_next_attempt_off() -> None:
    held = HeldToken.received(TOKEN, LIFE, 0.0, NOW)
    waits = []
    for _ in range(8):
        held.refresh_failed(NOW, 0.0)
        moment = held.next_check()
        assert moment is not None
        waits.append((moment - NOW).total_seconds())
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    held.looked_at()
    assert held.next_check() == NOW + 48 * MINUTE
