"""Fills a new SQLite file in one transaction: all of it, or nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from podpass.storage.filling import StoreNotEmpty
from podpass.storage.interface import KeyValue, StoreRevision
from podpass.storage.sqlite_file import connect, create_if_missing, unavailable
from podpass.storage.sqlite_operations import Transaction

_LOCK_SECONDS = 10.0
_COUNTER_KEY = ".filled"
"""Outside of all prefixes; its deletion is the newest row, as an empty store needs one."""


def fill_file(path: Path, entries: Iterable[KeyValue], *, above: StoreRevision) -> StoreRevision:
    """Write `entries` to the file at `path`, which is made if it is missing.

    Returns:
        The newest revision.

    Raises:
        StoreNotEmpty: The file has rows.
        StoreUnavailable: It cannot be written.
    """
    create_if_missing(path, lock_timeout=_LOCK_SECONDS)
    try:
        with closing(connect(path, lock_timeout=_LOCK_SECONDS)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            transaction = Transaction(connection)
            if transaction.revision:
                raise StoreNotEmpty(f"the store {path} is not empty")
            transaction.revision = above
            for entry in entries:
                transaction.append(entry.key, 0, 0, entry.value)
            revision = transaction.append(_COUNTER_KEY, 0, 0, None)
            connection.execute("UPDATE compaction SET promised = ?, swept = ?", (revision,) * 2)
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise unavailable(path, error) from error
    return revision
