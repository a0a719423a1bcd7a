"""What was done and not seen yet."""

import pytest

from podpass.controllers.expectations import TIMEOUT_SECONDS, Expectations
from podpass.testing.fake_clock import FakeClock


@pytest.fixture
def expectations(clock: FakeClock) -> Expectations:
    return Expectations(clock)


def test_nothing_is_expected_at_first(expectations: Expectations) -> None:
    assert expectations.remaining_seconds("k") == 0
    expectations.created("k", "a")
    expectations.deleted("k", "u")
    assert expectations.remaining_seconds("k") == 0


def test_each_creation_and_deletion_must_be_seen(expectations: Expectations) -> None:
    expectations.expect_creation("k", "a")
    expectations.expect_creation("k", "b")
    expectations.expect_deletion("k", "u")
    expectations.created("k", "a")
    assert expectations.remaining_seconds("k") == TIMEOUT_SECONDS
    expectations.deleted("k", "u")
    assert expectations.remaining_seconds("k") == TIMEOUT_SECONDS
    expectations.created("k", "b")
    assert expectations.remaining_seconds("k") == 0


def test_keys_are_apart(expectations: Expectations) -> None:
    expectations.expect_creation("k", "a")
    expectations.created("other", "a")
    assert expectations.remaining_seconds("k") > 0
    assert expectations.remaining_seconds("other") == 0


async def test_what_is_never_seen_was_missed(expectations: Expectations, clock: FakeClock) -> None:
    expectations.expect_creation("k", "a")
    await clock.advance(TIMEOUT_SECONDS - 1)
    assert expectations.remaining_seconds("k") == pytest.approx(1)
    await clock.advance(1)
    assert expectations.remaining_seconds("k") == 0


def test_a_workload_that_is_gone_is_forgotten(expectations: Expectations) -> None:
    expectations.expect_deletion("k", "u")
    expectations.forget("k")
    expectations.forget("k")
    assert expectations.remaining_seconds("k") == 0
