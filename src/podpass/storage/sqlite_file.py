"""The SQLite file of a store: opening, schema, and what its errors mean to a person.

1. One table of revisions, append-only but for compaction; a row without a value is a deletion.
2. The newest row is never removed, so revisions never start over.
3. WAL with `synchronous=FULL`: a commit is on the disk before it is acknowledged.
4. The file holds secrets: mode 0600; SQLite gives its companions the same mode.

The schema follows the idea of kine.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from podpass.storage.interface import StoreUnavailable

_APPLICATION_ID = 0x706F6470
_SCHEMA_VERSION = 1
_WAL_KEPT_BYTES = 64 * 1024 * 1024

_SCHEMA = """
CREATE TABLE revisions (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    created INTEGER NOT NULL,
    previous INTEGER NOT NULL,
    value BLOB
);
CREATE UNIQUE INDEX revisions_by_key ON revisions (key, revision DESC);
CREATE TABLE compaction (promised INTEGER NOT NULL, swept INTEGER NOT NULL);
INSERT INTO compaction VALUES (0, 0);
"""

_MEANINGS = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space, then try again",
    sqlite3.SQLITE_BUSY: "another program holds it locked; find and stop that program",
    sqlite3.SQLITE_LOCKED: "another program holds it locked; find and stop that program",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore it from a backup",
    sqlite3.SQLITE_NOTADB: "the file is damaged or no SQLite file; restore it from a backup",
    sqlite3.SQLITE_READONLY: "it may only be read; check the owner and mode of file and directory",
    sqlite3.SQLITE_PERM: "access is denied; check the owner and mode of file and directory",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check that its directory exists and is writable",
    sqlite3.SQLITE_IOERR: "reading or writing the disk failed; check the disk and its free space",
}


def unavailable(path: Path, error: sqlite3.Error | OSError) -> StoreUnavailable:
    """Return the one clear line for an error of SQLite or the system."""
    if isinstance(error, OSError):
        return StoreUnavailable(f"store {path}: {error.strerror or error}")
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return StoreUnavailable(f"store {path}: {_MEANINGS.get(code, error)}")


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether `error` only says that a lock was not free."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return code == sqlite3.SQLITE_BUSY


def connect(
    path: Path, *, lock_timeout: float, opening_timeout: float | None = None
) -> sqlite3.Connection:
    """Open a connection with the settings of rule 3.

    Args:
        path: The database file; must exist.
        lock_timeout: Seconds to wait for a lock before an operation fails.
        opening_timeout: The same while it is opened: the settings read the file, which is locked
            for a moment while another process makes it or was the last to close it.

    Raises:
        sqlite3.Error: It cannot be opened.
    """
    opening = lock_timeout if opening_timeout is None else opening_timeout
    connection = sqlite3.connect(
        path, timeout=opening, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA journal_size_limit={_WAL_KEPT_BYTES}")
        connection.execute(f"PRAGMA busy_timeout={round(lock_timeout * 1000)}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def create_if_missing(path: Path, *, lock_timeout: float) -> None:
    """Make the file and its schema unless they are there; safe from several processes at once.

    Raises:
        StoreUnavailable: The file cannot be made or opened, is damaged or belongs to others.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Never opened when it is there: to close it would drop the locks that SQLite has on it.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        if not os.access(path, os.W_OK):
            raise StoreUnavailable(f"store {path}: {_MEANINGS[sqlite3.SQLITE_READONLY]}")
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unavailable(path, error) from error
    try:
        with closing(connect(path, lock_timeout=lock_timeout)) as connection:
            if not _has_schema(path, connection):
                with write_lock(lock):
                    if not _has_schema(path, connection):
                        _create_schema(connection)
    except sqlite3.Error as error:
        raise unavailable(path, error) from error
    finally:
        os.close(lock)


@contextlib.contextmanager
def write_lock(descriptor: int) -> Iterator[None]:
    """Hold the lock file that writers queue at; waits in the kernel, fair and without polling."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _has_schema(path: Path, connection: sqlite3.Connection) -> bool:
    # Tables first: whoever sees them sees all of the transaction that made them.
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if not tables:
        return False
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION_ID:
        raise StoreUnavailable(f"store {path}: this SQLite file is no podpass store")
    if version != _SCHEMA_VERSION:
        raise StoreUnavailable(
            f"store {path}: it has schema {version}, this podpass reads schema {_SCHEMA_VERSION}; "
            "use the podpass that wrote it"
        )
    return True


def _create_schema(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript(
        f"BEGIN IMMEDIATE; PRAGMA application_id={_APPLICATION_ID};"
        f"PRAGMA user_version={_SCHEMA_VERSION}; {_SCHEMA} COMMIT;"
    )
