"""Entries of the container log."""

from __future__ import annotations

from pathlib import Path

import pytest

from podpass.kubelet.runtime.cri_log import MAX_LINE, LogWriter, entries, timestamp

FULL = b"x" * MAX_LINE


def test_a_timestamp_has_nine_digits() -> None:
    assert timestamp(1767225600_000000007) == b"2026-01-01T00:00:00.000000007Z"


@pytest.mark.parametrize(
    ("data", "ended", "lines", "rest"),
    [
        pytest.param(b"a\nb\n", False, [b"F a", b"F b"], b"", id="whole lines"),
        pytest.param(b"a\nb", False, [b"F a"], b"b", id="the start of a line waits"),
        pytest.param(b"a\nb", True, [b"F a", b"F b"], b"", id="the end needs no newline"),
        pytest.param(b"\n", False, [b"F "], b"", id="an empty line"),
        pytest.param(b"", True, [], b"", id="nothing"),
        pytest.param(FULL, False, [], FULL, id="as long as it may be"),
        pytest.param(FULL + b"\n", False, [b"F " + FULL], b"", id="as long as it may be, whole"),
        pytest.param(FULL + b"y", False, [b"P " + FULL], b"y", id="too long, not whole"),
        pytest.param(FULL + b"y\n", False, [b"P " + FULL, b"F y"], b"", id="too long, whole"),
    ],
)
def test_entries(data: bytes, ended: bool, lines: list[bytes], rest: bytes) -> None:
    text, left = entries(b"stdout", data, b"T", ended=ended)
    assert (text.splitlines(), left) == ([b"T stdout " + line for line in lines], rest)


def test_streams_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    log = LogWriter(str(path))
    log.feed(b"stdout", b"a")
    log.feed(b"stderr", b"b\n")
    log.feed(b"stdout", b"c\n")
    LogWriter(str(path)).feed(b"stdout", b"more\n")
    texts = [line.split(b" ", 1)[1] for line in path.read_bytes().splitlines()]
    assert texts == [b"stderr F b", b"stdout F ac", b"stdout F more"]


def test_a_full_disk_loses_entries_and_nothing_else() -> None:
    log = LogWriter("/dev/full")
    log.feed(b"stdout", b"lost\n")
    log.feed(b"stdout", b"")


def sizes(directory: Path) -> dict[str, str]:
    return {
        one.name: "".join(line.rsplit(" ", 1)[1] for line in one.read_text().splitlines())
        for one in sorted(directory.iterdir())
    }


@pytest.mark.parametrize(
    ("files", "kept"),
    [
        pytest.param(1, {"0.log": ""}, id="one file"),
        pytest.param(2, {"0.log": "", "0.log.1": "e"}, id="two files"),
        pytest.param(3, {"0.log": "", "0.log.1": "e", "0.log.2": "d"}, id="three files"),
    ],
)
def test_a_full_file_makes_place_for_the_next(
    tmp_path: Path, files: int, kept: dict[str, str]
) -> None:
    log = LogWriter(str(tmp_path / "0.log"), max_bytes=20, max_files=files)
    for letter in b"abcde":
        log.feed(b"stdout", bytes([letter]) + b"\n")
    assert sizes(tmp_path) == kept


def test_a_file_is_rotated_when_it_has_reached_its_size_and_not_before(tmp_path: Path) -> None:
    entry = len(timestamp(0)) + len(" stdout F a\n")
    log = LogWriter(str(tmp_path / "0.log"), max_bytes=2 * entry, max_files=5)
    log.feed(b"stdout", b"a\n")
    assert sizes(tmp_path) == {"0.log": "a"}
    again = LogWriter(str(tmp_path / "0.log"), max_bytes=2 * entry, max_files=5)
    again.feed(b"stdout", b"b\n")
    assert sizes(tmp_path) == {"0.log": "", "0.log.1": "ab"}
