"""`base.tasks`: delays grow to a ceiling, names come from a safe alphabet."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from podpass.base.tasks import (
    NAME_ALPHABET,
    Backoff,
    jitter,
    new_uid,
    random_index,
    random_suffix,
)


def test_delays_double_up_to_the_ceiling_and_start_again_after_a_reset() -> None:
    backoff = Backoff(initial=10, maximum=60)
    assert [backoff.next_delay() for _ in range(5)] == [10, 20, 40, 60, 60]
    backoff.reset()
    assert backoff.next_delay() == 10


@given(st.floats(0, 1e6), st.floats(0, 1))
def test_jitter_only_lengthens(span: float, share: float) -> None:
    assert span <= jitter(span, share) <= span * (1 + share)


@given(st.integers(0, 30))
def test_a_suffix_has_the_length_and_the_alphabet(length: int) -> None:
    suffix = random_suffix(length)
    assert len(suffix) == length
    assert set(suffix) <= set(NAME_ALPHABET)


def test_a_uid_is_a_random_uuid() -> None:
    assert uuid.UUID(new_uid()).version == 4


@given(st.integers(1, 100))
def test_an_index_is_below_the_count(count: int) -> None:
    assert 0 <= random_index(count) < count
