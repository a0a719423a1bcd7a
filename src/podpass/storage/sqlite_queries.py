"""What is asked of the revision table; every function reads one snapshot."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from podpass.storage.interface import (
    Change,
    Compacted,
    FutureRevision,
    KeyValue,
    Listing,
    StoreRevision,
)

_NEWEST_REVISION = "SELECT max(revision) FROM revisions"
_PROMISED = "SELECT promised FROM compaction"
_NEWEST_OF_KEY = (
    "SELECT value, created, revision FROM revisions WHERE key = ? ORDER BY revision DESC LIMIT 1"
)
# With max(), SQLite takes the other columns from the row of the maximum; the index holds the
# newest revision of a key first, so older values are never loaded.
_LIST = """
SELECT key, value, created, max(revision) FROM revisions
WHERE key > ? AND key < ? AND revision <= ?
GROUP BY key HAVING value IS NOT NULL LIMIT ?
"""
_COUNT = """
SELECT count(*) FROM (
    SELECT max(revision), value IS NULL AS gone FROM revisions
    WHERE key > ? AND key < ? AND revision <= ? GROUP BY key
) WHERE NOT gone
"""
# The plus keeps SQLite from using the index on keys: the range of revisions is the small one.
_CHANGES = """
SELECT r.revision, r.key, r.value, r.created, r.previous, p.value, p.created
FROM revisions AS r LEFT JOIN revisions AS p ON p.revision = r.previous
WHERE r.revision > ? AND r.revision <= ? AND +r.key >= ? AND +r.key < ?
ORDER BY r.revision
"""


@dataclass(frozen=True, slots=True)
class ChangeBatch:
    """A stretch of history.

    Attributes:
        changes: In order of revision.
        until: The batch holds everything up to this revision.
        behind: How many revisions follow that were not read.
    """

    changes: list[Change]
    until: StoreRevision
    behind: int


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def newest_revision(connection: sqlite3.Connection) -> StoreRevision:
    """Return the revision of the last commit; 0 for an empty store."""
    (newest,) = connection.execute(_NEWEST_REVISION).fetchone()
    return StoreRevision(newest or 0)


def newest_of_key(connection: sqlite3.Connection, key: str) -> tuple[int, KeyValue | None]:
    """Return the last revision of `key` (0 if it never was) and its value unless deleted."""
    row = connection.execute(_NEWEST_OF_KEY, (key,)).fetchone()
    if row is None:
        return 0, None
    value, created, revision = row
    if value is None:
        return revision, None
    return revision, KeyValue(key, value, StoreRevision(created), StoreRevision(revision))


def list_keys(
    connection: sqlite3.Connection,
    prefix: str,
    after: str,
    limit: int,
    revision: StoreRevision | None,
) -> Listing:
    """Read a listing as `Store.list` describes it.

    Raises:
        Compacted: `revision` is no longer kept.
        FutureRevision: `revision` was not written yet.
    """
    end = _end_of(prefix)
    with _snapshot(connection):
        newest = newest_revision(connection)
        at = newest if revision is None else revision
        if at > newest:
            raise FutureRevision(f"revision {at} is after the newest, {newest}")
        (promised,) = connection.execute(_PROMISED).fetchone()
        if at < promised:
            raise Compacted(at, promised)
        rows = connection.execute(_LIST, (max(prefix, after), end, at, limit or -1)).fetchall()
        remaining = 0
        if limit and len(rows) == limit:
            (remaining,) = connection.execute(_COUNT, (rows[-1][0], end, at)).fetchone()
    items = tuple(
        KeyValue(key, value, StoreRevision(created), StoreRevision(written))
        for key, value, created, written in rows
    )
    return Listing(items, StoreRevision(at), remaining)


def read_changes(
    connection: sqlite3.Connection, prefix: str, after: StoreRevision, span: int
) -> ChangeBatch:
    """Read the changes below `prefix` in the `span` revisions behind `after`.

    Raises:
        Compacted: `after` is no longer kept.
    """
    with _snapshot(connection):
        (promised,) = connection.execute(_PROMISED).fetchone()
        if after < promised:
            raise Compacted(after, promised)
        newest = newest_revision(connection)
        until = max(after, min(newest, after + span))
        rows: list[tuple[int, str, bytes | None, int, int, bytes | None, int]] = []
        if until > after:
            rows = connection.execute(_CHANGES, (after, until, prefix, _end_of(prefix))).fetchall()
    return ChangeBatch(
        [_change(*row) for row in rows], StoreRevision(until), max(0, newest - until)
    )


def _change(
    revision: int,
    key: str,
    value: bytes | None,
    created: int,
    previous: int,
    old_value: bytes | None,
    old_created: int,
) -> Change:
    current = old = None
    if value is not None:
        current = KeyValue(key, value, StoreRevision(created), StoreRevision(revision))
    if old_value is not None:
        old = KeyValue(key, old_value, StoreRevision(old_created), StoreRevision(previous))
    return Change(key, StoreRevision(revision), current, old)


def _end_of(prefix: str) -> str:
    """Return the first text that sorts after all keys below `prefix` (0 follows the slash)."""
    return prefix[:-1] + "0"
