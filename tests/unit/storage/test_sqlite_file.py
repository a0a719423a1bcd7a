import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from podpass.storage.interface import StoreUnavailable
from podpass.storage.sqlite_file import connect, create_if_missing, is_busy, unavailable


def make(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def test_a_new_file_is_made_with_its_directory(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "podpass.db"
    create_if_missing(path, lock_timeout=1)
    create_if_missing(path, lock_timeout=1)
    with closing(connect(path, lock_timeout=1)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("SELECT * FROM revisions").fetchall() == []


def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    make(path, "CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(StoreUnavailable, match=r"other\.db: this SQLite file is no podpass store"):
        create_if_missing(path, lock_timeout=1)
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "podpass.db"
    create_if_missing(path, lock_timeout=1)
    make(path, "PRAGMA user_version = 2")
    with pytest.raises(StoreUnavailable, match=r"schema 2.* reads schema 1; use the podpass that"):
        create_if_missing(path, lock_timeout=1)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"this is a text file\n" * 100, id="a text file"),
        pytest.param(b"\x00" * 8192, id="zeros"),
    ],
)
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "podpass.db"
    path.write_bytes(content)
    with pytest.raises(StoreUnavailable, match="damaged or no SQLite file; restore it"):
        create_if_missing(path, lock_timeout=1)
    assert path.read_bytes() == content


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match=r"podpass\.db: (Not a directory|File exists)"):
        create_if_missing(tmp_path / "file" / "podpass.db", lock_timeout=1)


def test_a_path_that_is_a_directory(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="it cannot be opened; check that"):
        create_if_missing(tmp_path, lock_timeout=1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_file_that_may_only_be_read(tmp_path: Path) -> None:
    path = tmp_path / "podpass.db"
    create_if_missing(path, lock_timeout=1)
    path.chmod(0o400)
    with pytest.raises(StoreUnavailable, match="it may only be read; check the owner"):
        create_if_missing(path, lock_timeout=1)


def test_a_locked_new_file(tmp_path: Path) -> None:
    path = tmp_path / "podpass.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match="another program holds it locked"):
            create_if_missing(path, lock_timeout=0.05)


def test_a_file_that_is_locked_for_a_moment_is_opened_and_then_never_waited_for(
    tmp_path: Path,
) -> None:
    path = tmp_path / "podpass.db"
    make(path, "CREATE TABLE some (x)")
    asking = threading.Event()

    def open_it() -> sqlite3.Connection:
        asking.set()
        return connect(path, lock_timeout=0, opening_timeout=10)

    with (
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        ThreadPoolExecutor() as pool,
    ):
        other.execute("BEGIN EXCLUSIVE")
        opening = pool.submit(open_it)
        asking.wait()
        other.execute("ROLLBACK")
        with closing(opening.result()) as connection:
            other.execute("BEGIN EXCLUSIVE")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                connection.execute("SELECT * FROM some")


@pytest.mark.parametrize(
    ("code", "text", "busy"),
    [
        pytest.param(sqlite3.SQLITE_FULL, "the disk is full", False, id="full"),
        pytest.param(sqlite3.SQLITE_IOERR_FSYNC, "the disk failed", False, id="extended code"),
        pytest.param(sqlite3.SQLITE_READONLY, "may only be read", False, id="read-only"),
        pytest.param(sqlite3.SQLITE_CANTOPEN, "cannot be opened", False, id="cannot open"),
        pytest.param(sqlite3.SQLITE_BUSY, "locked", True, id="busy"),
        pytest.param(sqlite3.SQLITE_BUSY_RECOVERY, "locked", True, id="busy with recovery"),
        pytest.param(sqlite3.SQLITE_ERROR, "what SQLite says", False, id="anything else"),
    ],
)
def test_errors_mean_something_to_a_person(code: int, text: str, busy: bool) -> None:
    error = sqlite3.OperationalError("what SQLite says")
    error.sqlite_errorcode = code
    message = str(unavailable(Path("/x/podpass.db"), error))
    assert message.startswith("store /x/podpass.db: ")
    assert text in message
    assert "\n" not in message
    assert is_busy(error) is busy


def test_an_error_without_a_code_is_shown_as_it_is() -> None:
    error = sqlite3.ProgrammingError("Cannot operate on a closed database.")
    assert str(unavailable(Path("/x"), error)) == f"store /x: {error}"
    assert not is_busy(error)
