from __future__ import annotations

import random  # noqa: TID251 - histories from a seed

import pytest

from tests.chaos.linearizability import (
    NEVER,
    Effect,
    Is,
    IsNot,
    Operation,
    Swap,
    check_register,
)


def history(*operations: tuple[float, float, Effect]) -> list[Operation]:
    return [Operation(called, ended, effect) for called, ended, effect in operations]


LEGAL = {
    "nothing happened": history(),
    "a read of nothing": history((0, 1, Is(0))),
    "a write is read": history((0, 1, Swap(0, 5)), (2, 3, Is(5))),
    "a read during a write sees the old value": history((0, 9, Swap(0, 5)), (1, 2, Is(0))),
    "a read during a write sees the new value": history((0, 9, Swap(0, 5)), (1, 2, Is(5))),
    "reads during a write see old, then new": history(
        (0, 9, Swap(0, 5)), (1, 2, Is(0)), (3, 4, Is(5))
    ),
    "a read that ends as a write begins sees the old value": history(
        (0, 2, Is(0)), (2, 3, Swap(0, 5))
    ),
    "touching in time counts as at the same time": history((0, 2, Is(5)), (2, 3, Swap(0, 5))),
    "two writes at the same time, in either order": history(
        (0, 9, Swap(5, 6)), (0, 9, Swap(0, 5)), (10, 11, Is(6))
    ),
    "deleted and made again": history(
        (0, 1, Swap(0, 5)), (2, 3, Swap(5, 0)), (4, 5, Is(0)), (6, 7, Swap(0, 8)), (8, 9, Is(8))
    ),
    "a conflict tells of another value": history(
        (0, 1, Swap(0, 5)), (2, 3, Swap(5, 6)), (4, 5, IsNot(5))
    ),
    "a write without an answer was done": history((0, NEVER, Swap(0, 5)), (2, 3, Is(5))),
    "a write without an answer was not done": history((0, NEVER, Swap(0, 5)), (2, 3, Is(0))),
    "a write without an answer was done long after": history(
        (0, NEVER, Swap(0, 5)), (2, 3, Is(0)), (4, 5, Is(5))
    ),
    "two writes without an answer, the second won": history(
        (0, NEVER, Swap(0, 5)), (0, NEVER, Swap(0, 6)), (2, 3, Is(6)), (4, 5, Is(6))
    ),
    "a deletion without an answer between two creations": history(
        (0, 1, Swap(0, 5)), (2, NEVER, Swap(5, 0)), (4, 5, Swap(0, 7))
    ),
}
ILLEGAL = {
    "a read from nowhere": history((0, 1, Is(5))),
    "a stale read": history((0, 1, Swap(0, 5)), (2, 3, Is(0))),
    "a read of the future": history((0, 1, Is(5)), (2, 3, Swap(0, 5))),
    "reads during a write see new, then old": history(
        (0, 9, Swap(0, 5)), (1, 2, Is(5)), (3, 4, Is(0))
    ),
    "a lost update: both replaced the same": history(
        (0, 1, Swap(0, 5)), (2, 9, Swap(5, 6)), (2, 9, Swap(5, 7))
    ),
    "an acknowledged write is gone": history((0, 1, Swap(0, 5)), (2, 3, Swap(5, 6)), (4, 5, Is(5))),
    "a conflict without another write": history((0, 1, Swap(0, 5)), (2, 3, IsNot(5))),
    "two creations without a deletion": history((0, 1, Swap(0, 5)), (2, 3, Swap(0, 6))),
    "a deleted value is read": history((0, 1, Swap(0, 5)), (2, 3, Swap(5, 0)), (4, 5, Is(5))),
    "a write without an answer was seen and is gone": history(
        (0, NEVER, Swap(0, 5)), (2, 3, Is(5)), (4, 5, Is(0))
    ),
    "a write without an answer was seen before it was asked for": history(
        (0, 1, Is(5)), (2, NEVER, Swap(0, 5))
    ),
}


@pytest.mark.parametrize("operations", LEGAL.values(), ids=LEGAL.keys())
def test_legal_histories_are_accepted(operations: list[Operation]) -> None:
    assert check_register(operations).linearizable
    assert check_register(operations[::-1]).linearizable


@pytest.mark.parametrize("operations", ILLEGAL.values(), ids=ILLEGAL.keys())
def test_illegal_histories_are_refused(operations: list[Operation]) -> None:
    assert not check_register(operations).linearizable
    assert not check_register(operations[::-1]).linearizable


def test_the_verdict_names_where_no_order_is_left() -> None:
    verdict = check_register(
        [
            Operation(0, 1, Swap(0, 5), "create"),
            Operation(2, 3, Is(0), "stale read"),
            Operation(4, 5, Is(5), "good read"),
        ]
    )
    assert verdict.stuck is not None
    assert verdict.stuck.what == "stale read"


def real_history(seed: int, count: int) -> list[Operation]:
    """Let a register serve one operation after the other, and clients know of it roughly when."""
    chosen = random.Random(seed)  # noqa: S311 - histories from a seed
    state, made = 0, []
    for turn in range(count):
        effect: Effect = Is(state)
        called, ended = turn - 3 * chosen.random(), turn + 3 * chosen.random()
        if chosen.random() < 0.4:
            effect = Swap(state, turn + 1)
            if chosen.random() < 0.1:
                ended = NEVER
            state = turn + 1
        made.append(Operation(called, ended, effect))
    return made


@pytest.mark.parametrize("seed", range(5))
def test_long_histories_are_judged_in_time(seed: int) -> None:
    operations = real_history(seed, 2000)
    assert check_register(operations).linearizable
    writes = [one for one in operations if isinstance(one.effect, Swap) and one.ended != NEVER]
    lost = writes[len(writes) // 2]
    assert isinstance(lost.effect, Swap)
    later = Operation(lost.ended + 20, lost.ended + 21, Is(lost.effect.expected))
    assert not check_register([*operations, later]).linearizable


def test_many_clients_at_the_same_time_are_judged_in_time() -> None:
    operations = []
    for turn in range(300):
        begin = turn * 10.0
        operations += [Operation(begin, begin + 9, Is(turn)) for _ in range(5)]
        operations += [Operation(begin, begin + 9, Is(turn + 1)) for _ in range(5)]
        operations.append(Operation(begin, begin + 9, Swap(turn, turn + 1)))
    assert check_register(operations).linearizable
    operations.append(Operation(2000, 2001, Is(3)))
    assert not check_register(operations).linearizable
