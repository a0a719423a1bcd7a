"""When an issuer is asked again, at both sides of every edge."""

from __future__ import annotations

import pytest

from podpass.jose.keys import ES256, generate_signing_key
from podpass.workload.check import Trust
from podpass.workload.key_cache import CacheRules, KeyCache
from podpass.workload.trusted_keys import TrustedKeys

RULES = CacheRules(
    minimum_fresh=10,
    default_fresh=300,
    maximum_fresh=1000,
    maximum_stale=500,
    unknown_key_interval=30,
    first_retry=1,
    maximum_retry=60,
)
TRUST = Trust(frozenset(["i"]), TrustedKeys([("k", generate_signing_key(ES256).public)]))
EMPTY = KeyCache(RULES)
FULL = EMPTY.succeeded(0, TRUST, 100)


def test_without_keys_the_issuer_is_asked_at_once() -> None:
    assert EMPTY.should_fetch(0, known=False)
    assert EMPTY.usable(0) is None


@pytest.mark.parametrize(
    ("at", "ask"), [(99, False), (100, True)], ids=["while fresh", "no longer fresh"]
)
def test_a_known_key_is_used_while_it_is_fresh(*, at: float, ask: bool) -> None:
    assert FULL.should_fetch(at, known=True) is ask
    assert FULL.usable(at) is TRUST


@pytest.mark.parametrize(
    ("at", "ask"), [(29, False), (30, True)], ids=["too soon", "after the interval"]
)
def test_an_unknown_key_is_asked_for_now_and_then(*, at: float, ask: bool) -> None:
    assert FULL.should_fetch(at, known=False) is ask


@pytest.mark.parametrize(
    ("said", "fresh"),
    [
        pytest.param(None, 300, id="nothing said"),
        pytest.param(0.0, 10, id="not to be kept"),
        pytest.param(10.0, 10, id="the shortest time"),
        pytest.param(11.0, 11, id="a little more than that"),
        pytest.param(1000.0, 1000, id="the longest time"),
        pytest.param(float("inf"), 1000, id="for ever"),
    ],
)
def test_the_time_that_headers_say_is_kept_within_bounds(said: float | None, fresh: float) -> None:
    cache = EMPTY.succeeded(5, TRUST, said)
    assert not cache.should_fetch(5 + fresh - 0.1, known=True)
    assert cache.should_fetch(5 + fresh, known=True)


@pytest.mark.parametrize(("at", "usable"), [(599, True), (600, False)], ids=["stale", "too stale"])
def test_old_keys_are_used_while_the_issuer_is_away_but_not_for_ever(
    *, at: float, usable: bool
) -> None:
    cache = FULL.failed(100)
    assert (cache.usable(at) is TRUST) is usable


def test_failures_wait_longer_each_time() -> None:
    cache, at, waits = FULL, 100.0, []
    for _ in range(9):
        cache = cache.failed(at)
        waits.append(cache.next_try - at)
        assert not cache.should_fetch(cache.next_try - 0.1, known=False)
        at = cache.next_try
        assert cache.should_fetch(at, known=False)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_thousand_failures_are_no_trouble() -> None:
    cache = EMPTY
    for _ in range(1000):
        cache = cache.failed(0)
    assert cache.next_try == 60


def test_a_success_ends_the_waiting() -> None:
    cache = EMPTY.failed(0).failed(1).succeeded(3, TRUST, 100)
    assert (cache.failures, cache.usable(3)) == (0, TRUST)
    assert cache.failed(200).next_try == 201
