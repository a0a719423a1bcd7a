"""Rules of `kubelet.refresh`, each tried on either side of its edge, and as properties."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podpass.kubelet.refresh import FLOOR, MAX_AGE, MAX_RETRY, TokenLifetime

ISSUED = datetime(2026, 1, 1, tzinfo=UTC)
"""The periods of lives of an hour, of ten minutes and of more than 30 hours begin here."""
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
NONE = timedelta(0)

lives = st.integers(600, 400 * 24 * 3600).map(lambda seconds: timedelta(seconds=seconds))
issues = st.integers(0, 10 * 365 * 24 * 3600).map(lambda seconds: ISSUED + seconds * SECOND)
days = st.integers(600, 2 * 24 * 3600).map(lambda seconds: timedelta(seconds=seconds))
slots = st.floats(0, 1, exclude_max=True)
unhurried = settings(deadline=None)
"""The machine may be busy."""


@pytest.mark.rule(
    "token-manager.refresh-share",
    "token-manager.refresh-day",
    "token-manager.refresh-status",
    "token-manager.no-skew",
)
@pytest.mark.parametrize(
    ("life", "age", "slot", "due"),
    [
        pytest.param(HOUR, NONE, 0.0, False, id="a fresh token is kept"),
        pytest.param(HOUR, -SECOND, 0.0, True, id="a token of the future is replaced"),
        pytest.param(HOUR, 48 * MINUTE, 0.0, False, id="an hour's token is kept at 80 percent"),
        pytest.param(HOUR, 48 * MINUTE + SECOND, 0.0, True, id="and replaced behind it"),
        pytest.param(HOUR, 24 * MINUTE, 0.5, False, id="it is kept until its slot"),
        pytest.param(HOUR, 24 * MINUTE + SECOND, 0.5, True, id="and replaced behind it too"),
        pytest.param(HOUR, 12 * MINUTE, 0.25, False, id="a quarter of the period is the earliest"),
        pytest.param(HOUR, 12 * MINUTE + SECOND, 0.25, True, id="and replaced behind a quarter"),
        pytest.param(HOUR, 24 * MINUTE, 1 / 6, False, id="an earlier slot is mirrored behind it"),
        pytest.param(HOUR, 24 * MINUTE + SECOND, 1 / 6, True, id="by three times its distance"),
        pytest.param(30 * HOUR, 24 * HOUR, 0.0, False, id="80 percent of 30 h are 24 h"),
        pytest.param(40 * HOUR, 24 * HOUR, 0.0, False, id="a long token is kept for 24 h"),
        pytest.param(40 * HOUR, 24 * HOUR + SECOND, 0.0, True, id="and replaced behind them"),
        pytest.param(40 * HOUR, 12 * HOUR, 0.5, False, id="a day has slots too"),
        pytest.param(40 * HOUR, 12 * HOUR + SECOND, 0.5, True, id="and they are kept to"),
    ],
)
def test_refresh_due(life: timedelta, age: timedelta, slot: float, due: bool) -> None:
    token = TokenLifetime(ISSUED, ISSUED + life)
    assert token.refresh_due(ISSUED + age, token.refresh_at(slot)) is due


@pytest.mark.rule("token-manager.refresh-share", "token-manager.refresh-day")
@pytest.mark.parametrize(
    ("life", "period"),
    [
        pytest.param(HOUR, 48 * MINUTE, id="80 percent of an hour"),
        pytest.param(3607 * SECOND, 2886 * SECOND, id="the fifth that is kept is whole seconds"),
        pytest.param(30 * HOUR - SECOND, 24 * HOUR, id="80 percent of nearly 30 hours"),
        pytest.param(40 * HOUR, 24 * HOUR, id="a day of more"),
        pytest.param(4 * SECOND, 4 * SECOND, id="lives below five seconds have no fifth"),
    ],
)
def test_the_longest_time_that_a_token_is_kept(life: timedelta, period: timedelta) -> None:
    assert TokenLifetime(ISSUED, ISSUED + life).period == period


def test_a_token_without_any_life_is_due_at_once() -> None:
    assert TokenLifetime(ISSUED, ISSUED).refresh_at(0.5) == ISSUED


@pytest.mark.parametrize("slot", [-0.001, 1.0], ids=["below", "above"])
def test_a_slot_outside_its_range_is_refused(slot: float) -> None:
    with pytest.raises(ValueError, match="slot must be from 0 to below 1"):
        TokenLifetime(ISSUED, ISSUED + HOUR).refresh_at(slot)


@pytest.mark.rule("token-manager.refresh-share", "token-manager.refresh-day")
@unhurried
@given(lives, issues, slots)
def test_no_refresh_is_later_than_the_rules_or_in_the_first_quarter(
    life: timedelta, issued: datetime, slot: float
) -> None:
    token = TokenLifetime(issued, issued + life)
    age = token.refresh_at(slot) - issued
    assert token.period / 4 <= age <= min(MAX_AGE, life - life // SECOND // 5 * SECOND)
    assert token.period - age < 0.76 * token.period


@unhurried
@given(lives, issues, slots, st.integers(0, 2))
def test_a_token_that_keeps_to_its_slot_is_refreshed_once_a_period(
    life: timedelta, issued: datetime, slot: float, late: int
) -> None:
    """A few early refreshes bring it there, whenever its pod was started."""
    ages = []
    for _ in range(20):
        token = TokenLifetime(issued, issued + life)
        ages.append(token.refresh_at(slot) - issued)
        issued += ages[-1] + late * SECOND
    settled = [age for age in ages if age == token.period - late * SECOND]
    assert len(settled) >= 10
    assert ages[-1] == settled[-1]


@unhurried
@given(lives, issues, slots, st.integers(1, 8))
def test_clocks_that_differ_cost_few_requests(
    life: timedelta, issued: datetime, slot: float, behind: int
) -> None:
    """The API server's clock is behind: a token seems to be issued before its slot came."""
    ages = []
    for _ in range(40):
        token = TokenLifetime(issued, issued + life)
        ages.append(token.refresh_at(slot) - issued)
        issued += ages[-1] - behind * SECOND
    mean = sum(ages, NONE) / len(ages)
    assert mean > 0.6 * token.period


@pytest.mark.parametrize("life", [10 * MINUTE, HOUR, 48 * HOUR], ids=str)
def test_tokens_issued_together_are_refreshed_evenly(life: timedelta) -> None:
    """The exact rate: a third more than the average at first, and then no more than the average."""
    count, bins = 12_000, 48
    period = TokenLifetime(ISSUED, ISSUED + life).period
    asked: Counter[int] = Counter()
    for number in range(count):
        issued = ISSUED + 7 * SECOND
        while (issued - ISSUED) < 5 * period:
            issued = TokenLifetime(issued, issued + life).refresh_at(number / count)
            asked[(issued - ISSUED - 7 * SECOND) * bins // period] += 1
    average = count / bins
    rates = [asked[index] / average for index in range(bins * 4)]
    assert max(rates) < 1.45, "early refreshes are a third of the average"
    assert max(rates[2 * bins :]) < 1.15
    assert min(rates[2 * bins + 1 : 3 * bins]) > 0.9, "beside a gap where early refreshes began"
    assert max(rates) / (sum(rates) / len(rates)) < 2


@pytest.mark.rule("token-manager.failure-keeps")
@pytest.mark.parametrize(
    ("life", "failures", "spread", "delay"),
    [
        pytest.param(HOUR, 0, 0.0, 1.0, id="a second at first"),
        pytest.param(HOUR, 1, 0.0, 2.0, id="then two"),
        pytest.param(HOUR, 4, 0.0, 16.0, id="doubled again and again"),
        pytest.param(HOUR, 6, 0.0, 60.0, id="a minute at last"),
        pytest.param(HOUR, 1000, 0.0, 60.0, id="for ever"),
        pytest.param(HOUR, 6, 1.0, 30.0, id="chance takes up to a half off"),
        pytest.param(10 * MINUTE, 4, 0.0, 10.0, id="a sixtieth of a short life"),
        pytest.param(20 * SECOND, 0, 0.0, 0.5, id="half a second of a very short one"),
    ],
)
def test_retry_delay(life: timedelta, failures: int, spread: float, delay: float) -> None:
    token = TokenLifetime(ISSUED, ISSUED + life)
    assert token.retry_delay(failures, spread) == timedelta(seconds=delay)


@pytest.mark.rule("token-manager.failure-keeps")
@unhurried
@given(days, issues, slots, st.floats(0, 1), st.floats(0, 0.03))
def test_failures_for_a_while_leave_more_than_the_floor(
    life: timedelta, issued: datetime, slot: float, spread: float, away: float
) -> None:
    """The API server is away for up to 3 % of the life when the refresh is due."""
    token = TokenLifetime(issued, issued + life)
    moment = due = token.refresh_at(slot)
    failures = 0
    while moment < due + away * life:
        delay = token.retry_delay(failures, spread)
        assert delay <= MAX_RETRY
        moment += delay
        failures += 1
    assert token.expires_at - moment >= FLOOR * life
