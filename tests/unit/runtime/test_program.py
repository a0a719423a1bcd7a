"""Finding the program of a container."""

from __future__ import annotations

from pathlib import Path

import pytest

from podpass.kubelet.runtime.program import CannotExecute, find_program, run_program


@pytest.fixture
def bin_directory(tmp_path: Path) -> Path:
    directory = tmp_path / "bin"
    (directory / "folder").mkdir(parents=True)
    (directory / "tool").write_text("#!/bin/sh\n")
    (directory / "tool").chmod(0o755)
    (directory / "text").write_text("hello")
    return directory


def test_a_name_is_searched_and_a_path_is_not(bin_directory: Path) -> None:
    tool = str(bin_directory / "tool")
    assert find_program("tool", f"/nothing:{bin_directory}") == tool
    assert find_program(tool, "") == tool


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        pytest.param("none", 'exec: "none": executable file not found in $PATH', 127, id="no name"),
        pytest.param("text", 'exec: "text": permission denied', 126, id="a name, not executable"),
        pytest.param("folder", "executable file not found in $PATH", 127, id="a directory"),
        pytest.param("{}/none", "no such file or directory", 127, id="no file"),
        pytest.param("{}/text", "permission denied", 126, id="a file, not executable"),
        pytest.param("{}/folder", "is a directory", 126, id="a directory by path"),
    ],
)
def test_what_cannot_be_executed_says_why(
    bin_directory: Path, name: str, text: str, code: int
) -> None:
    with pytest.raises(CannotExecute) as caught:
        find_program(name.format(bin_directory), str(bin_directory))
    assert text in caught.value.message
    assert caught.value.exit_code == code


def test_a_missing_working_directory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    with pytest.raises(CannotExecute, match='chdir to working directory "/no/where"'):
        run_program(["true"], {}, "/no/where")
    with pytest.raises(CannotExecute, match="not found"):
        run_program(["no-such-program"], {"PATH": "/bin"}, "/")


def test_a_file_that_is_no_program_is_refused(
    bin_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    (bin_directory / "tool").write_bytes(b"\x00\x01")
    with pytest.raises(CannotExecute, match="exec format error"):
        run_program([str(bin_directory / "tool")], {}, "/")
