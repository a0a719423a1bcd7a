"""Rules of `kubelet.refresh`, each tried on either side of its edge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from podpass.kubelet.refresh import MAX_JITTER, TokenLifetime

ISSUED = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
NONE = timedelta(0)


@pytest.mark.rule(
    "token-manager.refresh-share",
    "token-manager.refresh-day",
    "token-manager.refresh-status",
    "token-manager.no-skew",
)
@pytest.mark.parametrize(
    ("life", "age", "jitter", "due"),
    [
        pytest.param(HOUR, NONE, NONE, False, id="a fresh token is kept"),
        pytest.param(HOUR, -SECOND, NONE, True, id="a token of the future is replaced"),
        pytest.param(HOUR, 48 * MINUTE, NONE, False, id="an hour's token is kept at 80 percent"),
        pytest.param(HOUR, 48 * MINUTE + SECOND, NONE, True, id="and replaced behind it"),
        pytest.param(HOUR, 48 * MINUTE - 9 * SECOND, MAX_JITTER, True, id="jitter acts earlier"),
        pytest.param(HOUR, 48 * MINUTE - 10 * SECOND, MAX_JITTER, False, id="but not earlier yet"),
        pytest.param(30 * HOUR, 24 * HOUR, NONE, False, id="80 percent of 30 h are 24 h"),
        pytest.param(40 * HOUR, 24 * HOUR, NONE, False, id="a long token is kept for 24 h"),
        pytest.param(40 * HOUR, 24 * HOUR + SECOND, NONE, True, id="and replaced behind them"),
        pytest.param(40 * HOUR, 24 * HOUR - 9 * SECOND, MAX_JITTER, True, id="jitter for 24 h too"),
        pytest.param(
            3607 * SECOND, 2886 * SECOND, NONE, False, id="the fifth that is kept is whole seconds"
        ),
        pytest.param(3607 * SECOND, 2887 * SECOND, NONE, True, id="an extended token, behind it"),
    ],
)
def test_refresh_due(life: timedelta, age: timedelta, jitter: timedelta, due: bool) -> None:
    token = TokenLifetime(ISSUED, ISSUED + life)
    assert token.refresh_due(ISSUED + age, jitter) is due


@pytest.mark.rule("token-manager.refresh-share")
@pytest.mark.parametrize(
    ("life", "jitter"),
    [
        pytest.param(HOUR, timedelta(seconds=10), id="ten seconds"),
        pytest.param(10 * MINUTE, timedelta(seconds=10), id="ten seconds of ten minutes"),
        pytest.param(MINUTE, SECOND, id="a sixtieth of a short life"),
    ],
)
def test_the_longest_jitter(life: timedelta, jitter: timedelta) -> None:
    token = TokenLifetime(ISSUED, ISSUED + life)
    assert token.maximum_jitter == jitter
    assert token.refresh_at(jitter) < token.refresh_at(NONE)


@pytest.mark.parametrize("jitter", [-SECOND, MAX_JITTER + SECOND], ids=["late", "too early"])
def test_a_jitter_outside_its_range_is_refused(jitter: timedelta) -> None:
    with pytest.raises(ValueError, match="jitter must be 0 to"):
        TokenLifetime(ISSUED, ISSUED + HOUR).refresh_due(ISSUED, jitter)


@pytest.mark.parametrize(
    ("age", "expired"),
    [pytest.param(HOUR, False, id="at its end"), pytest.param(HOUR + SECOND, True, id="behind it")],
)
def test_expired(age: timedelta, expired: bool) -> None:
    assert TokenLifetime(ISSUED, ISSUED + HOUR).expired(ISSUED + age) is expired
