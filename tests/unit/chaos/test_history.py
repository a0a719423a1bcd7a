from __future__ import annotations

import pytest

from tests.chaos.history import Record, problems
from tests.chaos.linearizability import NEVER


def create(value: str, revision: int, called: float, ended: float) -> Record:
    return Record("create", "/k", called, value, 0, ended, "done", revision)


def update(value: str, expected: int, revision: int, called: float, ended: float) -> Record:
    return Record("update", "/k", called, value, expected, ended, "done", revision)


def found(value: str, revision: int, called: float, ended: float) -> Record:
    return Record("get", "/k", called, "", 0, ended, "found", revision, value)


def missing(called: float, ended: float) -> Record:
    return Record("get", "/k", called, "", 0, ended, "missing")


def newest(revision: int, called: float, ended: float) -> Record:
    return Record("revision", "/k", called, "", 0, ended, "found", revision)


GOOD = {
    "nothing": [],
    "made, read, replaced, removed": [
        create("a", 1, 0, 1),
        found("a", 1, 2, 3),
        update("b", 1, 2, 4, 5),
        Record("delete", "/k", 6, "", 2, 7, "done"),
        missing(8, 9),
    ],
    "a write without an answer that a reader saw": [
        Record("create", "/k", 0, "a"),
        found("a", 1, 2, 3),
    ],
    "a write without an answer that nobody saw": [
        create("a", 1, 0, 1),
        Record("update", "/k", 2, "b", 1),
        found("a", 1, 9, 10),
        update("c", 1, 3, 11, 12),
    ],
    "a creation without an answer, and who was refused for it": [
        Record("create", "/k", 0, "a"),
        Record("create", "/k", 1, "b", 0, 2, "conflict"),
    ],
    "a deletion without an answer": [
        create("a", 1, 0, 1),
        Record("delete", "/k", 2, "", 1),
        missing(3, 4),
    ],
    "a stale writer is refused": [
        create("a", 1, 0, 1),
        update("b", 1, 2, 2, 3),
        Record("update", "/k", 4, "c", 1, 5, "conflict"),
    ],
    "writes at the same time get revisions in any order": [
        create("a", 2, 0, 5),
        Record("create", "/other", 0, "b", 0, 4, "done", 1),
    ],
    "the newest revision during a write": [
        create("a", 1, 0, 1),
        update("b", 1, 2, 2, 9),
        newest(1, 3, 4),
        newest(2, 5, 6),
    ],
    "a read that was never answered": [create("a", 1, 0, 1), Record("get", "/k", 2)],
}
BAD = {
    "is at revision": [create("a", 1, 0, 1), found("a", 2, 2, 3)],
    "revision 1 is": [create("a", 1, 0, 1), found("b", 1, 2, 3), Record("create", "/k", 0, "b")],
    "was never written": [found("a", 1, 0, 1)],
    "not linearizable": [create("a", 1, 0, 1), missing(2, 3)],
    "update /k at 1 [2.000, 3.000]: done 1, but 1 was known": [
        create("a", 1, 0, 1),
        update("b", 1, 1, 2, 3),
    ],
    "create /other at 0 [2.000, 3.000]: done 4, but 5 was known": [
        create("a", 5, 0, 1),
        Record("create", "/other", 2, "b", 0, 3, "done", 4),
    ],
    "revision /k at 0 [2.000, 3.000]: found 4, but 5 was known": [
        create("a", 5, 0, 1),
        newest(4, 2, 3),
    ],
    "revision /k at 0 [4.000, 5.000]: found 6, but 7 was known": [
        create("a", 5, 0, 1),
        newest(7, 2, 3),
        newest(6, 4, 5),
    ],
}


@pytest.mark.parametrize("records", GOOD.values(), ids=GOOD.keys())
def test_good_histories_have_no_problems(records: list[Record]) -> None:
    assert problems(records) == []


@pytest.mark.parametrize(("text", "records"), BAD.items(), ids=BAD.keys())
def test_problems_are_named(text: str, records: list[Record]) -> None:
    assert any(text in one for one in problems(records)), problems(records)


def test_writes_that_got_no_answer_are_not_acknowledged() -> None:
    assert create("a", 1, 0, 1).acknowledged
    assert not Record("create", "/k", 0, "a", 0, NEVER).acknowledged
    assert not found("a", 1, 0, 1).acknowledged
