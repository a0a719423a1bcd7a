from __future__ import annotations

import pytest

from tests.chaos.history import Record
from tests.chaos.watched import Listed, Told, WatchLog, watch_problems

CREATE = Record("create", "k", 0, "a", 0, 1, "done", 5)
UPDATE = Record("update", "k", 2, "b", 5, 3, "done", 7)
DELETE = Record("delete", "k", 4, "", 7, 5, "done")
LOST = Record("update", "k", 2, "b", 5)
RECORDS = [CREATE, UPDATE, DELETE]

ADDED = Told("ADDED", "k", "a", 5)
MODIFIED = Told("MODIFIED", "k", "b", 7)
DELETED = Told("DELETED", "k", "b", 9)


def log(*entries: Told | Listed, name: str = "w", started: int = 4) -> WatchLog:
    return WatchLog(name, started, list(entries))


def found(*entries: Told | Listed, records: list[Record] = RECORDS) -> str:
    return "\n".join(watch_problems([log(*entries)], records))


def test_a_watcher_that_was_told_everything_is_content() -> None:
    assert found(ADDED, MODIFIED, DELETED) == ""


def test_writes_of_unknown_outcome_may_be_told_or_not() -> None:
    assert found(ADDED, records=[CREATE, LOST]) == ""
    assert found(ADDED, MODIFIED, records=[CREATE, LOST]) == ""


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        pytest.param([ADDED, DELETED], "done 7 was not told", id="missed"),
        pytest.param([ADDED, MODIFIED], "]: done: told None", id="missed deletion"),
        pytest.param([ADDED, ADDED, MODIFIED, DELETED], "after 5 was told", id="repeated"),
        pytest.param([MODIFIED, ADDED, DELETED], "after 7 was told", id="out of order"),
        pytest.param(
            [ADDED, MODIFIED, DELETED, Told("DELETED", "k", "b", 10)],
            "revision=10), but there was nothing",
            id="deleted twice",
        ),
        pytest.param(
            [ADDED, Told("ADDED", "k", "b", 7), DELETED], "but there was 5", id="added twice"
        ),
        pytest.param(
            [ADDED, Told("MODIFIED", "k", "a", 7), DELETED], "done 7: told Told", id="another value"
        ),
        pytest.param(
            [ADDED, MODIFIED, DELETED, Told("ADDED", "k", "x", 11)],
            "was never written",
            id="from nowhere",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(entries: list[Told], text: str) -> None:
    assert text in found(*entries)


def test_nothing_is_asked_of_the_time_before_a_list() -> None:
    assert found(ADDED, Listed(8, {"k": 7}), DELETED) == ""
    assert found(Listed(10, {})) == ""


def test_a_list_that_goes_back_is_named() -> None:
    assert "a list at 6 after 7 was told" in found(ADDED, MODIFIED, Listed(6, {"k": 5}))


def test_what_a_list_shows_is_where_events_go_on() -> None:
    assert "but there was nothing" in found(ADDED, Listed(8, {}), DELETED)


def test_watchers_that_were_told_different_things_are_named() -> None:
    one, other = log(ADDED, MODIFIED, name="one"), log(ADDED, name="other")
    text = "\n".join(watch_problems([one, other], [CREATE, LOST]))
    assert text == f"only watcher one of one and other was told {MODIFIED}"
    listed = log(ADDED, Listed(8, {"k": 7}), name="other")
    assert watch_problems([one, listed], [CREATE, LOST]) == []
    late = log(name="other", started=7)
    assert watch_problems([one, late], [LOST, Record("create", "k", 0, "a", 0)]) == []


@pytest.mark.parametrize(
    ("told", "text"),
    [
        pytest.param([("ADDED", 5), ("BOOKMARK", 5), ("BOOKMARK", 6)], "", id="all is well"),
        pytest.param([("BOOKMARK", 7), ("ADDED", 6)], "ADDED at 6, but 7", id="an older event"),
        pytest.param([("BOOKMARK", 7), ("ADDED", 7)], "ADDED at 7, but 7", id="the same again"),
        pytest.param([("ADDED", 7), ("BOOKMARK", 6)], "BOOKMARK at 6, but 7", id="a bookmark back"),
    ],
)
def test_a_bookmark_is_a_promise(told: list[tuple[str, int]], text: str) -> None:
    one = log()
    for kind, revision in told:
        one.hear(kind, revision)
    said = "\n".join(watch_problems([one], []))
    assert text in said
    assert bool(text) is bool(said)
    assert one.reached == max(revision for _, revision in told)
