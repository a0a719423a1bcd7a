"""`base.files`: a file is whole or absent."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from podpass.base.files import write_file


@pytest.mark.parametrize("mode", [0o600, 0o644], ids=["private by default", "as asked"])
def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path, mode: int) -> None:
    before = os.umask(0o777)
    try:
        write_file(tmp_path / "f", b"x", mode=mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == mode


def test_an_old_file_is_replaced_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "f"
    target.write_bytes(b"old")
    write_file(target, b"new")
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "directory"
    target.mkdir()
    (target / "kept").touch()
    with pytest.raises(OSError, match="directory"):
        write_file(target, b"new")
    assert list(tmp_path.iterdir()) == [target]
