"""`audit_file`: lines reach the disk, files turn over, and a full disk stops nobody."""

from __future__ import annotations

import stat
import sys
from datetime import datetime
from pathlib import Path

import pytest

from podpass.apiserver.audit_file import AuditFile
from podpass.apiserver.audit_policy import AuditUnusable
from podpass.testing.fake_clock import START, FakeClock


def test_lines_are_appended_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "made" / "audit.log"
    for line in (b"1\n", b"2\n"):
        log = AuditFile(str(path), now=FakeClock().now)
        log.write(line)
        log.close()
        assert log.lost == 0
    assert path.read_bytes() == b"1\n2\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_path_that_cannot_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(AuditUnusable, match=r"cannot write the audit log .*: Is a directory"):
        AuditFile(str(tmp_path), now=FakeClock().now)


def test_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    log = AuditFile("-", now=FakeClock().now)
    log.write(b"line\n")
    log.close()
    sys.stdout.flush()
    assert capfdbinary.readouterr().out == b"line\n"


class Ticking:
    """A time that is a day later each time somebody looks."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> datetime:
        self.looks += 1
        return START.replace(day=self.looks)


@pytest.mark.parametrize(
    ("backups", "days", "kept"),
    [
        pytest.param(0, 0, 3, id="all are kept"),
        pytest.param(2, 0, 2, id="the newest two"),
        pytest.param(0, 1, 1, id="none older than a day"),
    ],
)
def test_a_file_that_is_full_turns_over(tmp_path: Path, backups: int, days: int, kept: int) -> None:
    path = tmp_path / "audit.log"
    now = Ticking()
    for number in range(4):
        log = AuditFile(str(path), now=now, maximum_bytes=10, backups=backups, days=days)
        log.write(b"line %d...\n" % number)
        log.close()
        assert log.lost == 0
    assert path.read_bytes() == b"line 3...\n"
    old = sorted(tmp_path.glob("audit-*.log"))
    assert len(old) == kept
    assert old[-1].read_bytes() == b"line 2...\n"


def test_a_line_that_just_fits_does_not_turn_it_over(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    for line in (b"12345\n", b"678\n"):
        log = AuditFile(str(path), now=FakeClock().now, maximum_bytes=10)
        log.write(line)
        log.close()
    assert [one.name for one in tmp_path.iterdir()] == ["audit.log"]


def test_a_full_disk_loses_lines_counts_them_and_stops_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = AuditFile("/dev/full", now=FakeClock().now)
    log.write(b"1\n")
    log.write(b"2\n")
    log.close()
    assert log.lost == 2
    assert [record.message for record in caplog.records] == [
        "audit events are lost: No space left on device"
    ]
