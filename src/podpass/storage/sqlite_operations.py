"""Writes to the revision table, each a function of the group's transaction.

1. An operation looks first and writes last: one that is refused has changed nothing, so the
   others of its group go on.
2. Compaction first promises, then sweeps a stretch at a time. What a swept stretch makes
   superfluous: the value before each of its writes, and its deletions.
"""

from __future__ import annotations

import sqlite3

from podpass.storage.interface import (
    FutureRevision,
    KeyExists,
    KeyMissing,
    KeyValue,
    RevisionConflict,
    StoreRevision,
)
from podpass.storage.sqlite_queries import newest_of_key, newest_revision

_APPEND = "INSERT INTO revisions (revision, key, created, previous, value) VALUES (?, ?, ?, ?, ?)"
_FORGET_PREVIOUS = """
DELETE FROM revisions WHERE revision IN
    (SELECT previous FROM revisions WHERE revision > ? AND revision <= ? AND previous > 0)
"""
_FORGET_DELETIONS = "DELETE FROM revisions WHERE revision > ? AND revision <= ? AND value IS NULL"


class Transaction:
    """What the operations of one group see; holds the write lock while it lives.

    Attributes:
        connection: In a transaction that began IMMEDIATE.
        revision: Newest revision, counting this group's writes.
        changed: Whether there is anything to commit.
    """

    __slots__ = ("changed", "connection", "revision")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.revision = newest_revision(connection)
        self.changed = False

    def append(self, key: str, created: int, previous: int, value: bytes | None) -> StoreRevision:
        """Write the next revision; `created` 0 means: by this write."""
        revision = StoreRevision(self.revision + 1)
        self.connection.execute(_APPEND, (revision, key, created or revision, previous, value))
        self.revision = revision
        self.changed = True
        return revision


def create(transaction: Transaction, key: str, value: bytes) -> KeyValue:
    """Write a new key (`Store.create`)."""
    _, found = newest_of_key(transaction.connection, key)
    if found is not None:
        raise KeyExists(f"{key} exists")
    revision = transaction.append(key, 0, 0, value)
    return KeyValue(key, value, revision, revision)


def update(transaction: Transaction, key: str, value: bytes, expected: StoreRevision) -> KeyValue:
    """Replace a value (`Store.update`)."""
    found = _expect(transaction, key, expected)
    revision = transaction.append(key, found.create_revision, found.mod_revision, value)
    return KeyValue(key, value, found.create_revision, revision)


def delete(transaction: Transaction, key: str, expected: StoreRevision) -> StoreRevision:
    """Remove a key (`Store.delete`)."""
    found = _expect(transaction, key, expected)
    return transaction.append(key, found.create_revision, found.mod_revision, None)


def promise_compaction(transaction: Transaction, revision: StoreRevision) -> None:
    """From now on refuse reads before `revision` (`Store.compact`)."""
    if revision > transaction.revision:
        raise FutureRevision(f"revision {revision} is after the newest, {transaction.revision}")
    transaction.connection.execute("UPDATE compaction SET promised = max(promised, ?)", (revision,))
    transaction.changed = True


def sweep(transaction: Transaction, span: int) -> bool:
    """Remove what is superfluous in the next `span` revisions; returns whether more is left."""
    connection = transaction.connection
    promised, swept = connection.execute("SELECT promised, swept FROM compaction").fetchone()
    # The newest row stays, whatever it is, for the counter goes on from it.
    goal = min(promised, transaction.revision - 1)
    until = min(goal, swept + span)
    if until <= swept:
        return False
    connection.execute(_FORGET_PREVIOUS, (swept, until))
    connection.execute(_FORGET_DELETIONS, (swept, until))
    connection.execute("UPDATE compaction SET swept = ?", (until,))
    transaction.changed = True
    return bool(until < goal)


def _expect(transaction: Transaction, key: str, expected: StoreRevision) -> KeyValue:
    _, found = newest_of_key(transaction.connection, key)
    if found is None:
        raise KeyMissing(f"{key} does not exist")
    if found.mod_revision != expected:
        raise RevisionConflict(key, found)
    return found
