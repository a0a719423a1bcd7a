"""Records of the small processes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from podpass.kubelet.runtime.record import render, start_ticks, write_record


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('say "hi" \\ there', id="quotes and backslashes"),
        pytest.param("a\nb\tc\x00", id="controls"),
        pytest.param("grüße €", id="beyond ASCII"),
    ],
)
def test_a_record_is_json(text: str) -> None:
    record: dict[str, str | int | None] = {"message": text, "code": -1, "none": None}
    assert json.loads(render(record)) == record


def test_undecodable_bytes_stay_representable() -> None:
    raw = os.fsdecode(b"\xff")
    assert json.loads(render({"path": raw})) == {"path": raw}


@pytest.mark.parametrize(
    "durable", [pytest.param(True, id="durable"), pytest.param(False, id="not")]
)
def test_a_record_replaces_the_one_before(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "state.json"
    for code in (1, 2):
        write_record(str(path), {"code": code}, durable=durable)
        assert json.loads(path.read_bytes()) == {"code": code}
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["state.json"]  # noqa: PTH208 - names are enough


def test_a_full_disk_leaves_the_old_record(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_record(str(path), {"code": 1}, durable=False)
    (tmp_path / "state.json.new").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        write_record(str(path), {"code": 2}, durable=False)
    assert json.loads(path.read_bytes()) == {"code": 1}


def test_a_process_has_a_start_and_a_stranger_none() -> None:
    assert start_ticks(os.getpid()) > 0
    assert start_ticks(2**22 + 1) == -1
