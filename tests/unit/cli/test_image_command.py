"""`podpass image`: what it prints and how it fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from podpass.cli.image import command


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "tool"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def run(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--home", str(tmp_path / "home")])


def test_an_image_is_added_listed_and_removed(tmp_path: Path, program: Path) -> None:
    added = run(tmp_path, "add", "me/tool:1", str(program))
    assert (added.exit_code, added.output) == (0, "docker.io/me/tool:1 added (10B)\n")
    rows = run(tmp_path, "list").output.splitlines()
    assert rows[0].split() == ["NAME", "TAG", "ID", "SIZE", "SOURCE"]
    assert [rows[1].split()[i] for i in (0, 1, 3, 4)] == ["me/tool", "1", "10B", "added"]
    assert any(row.split()[:2] == ["nginx", "<any>"] for row in rows)
    removed = run(tmp_path, "remove", "me/tool:1")
    assert (removed.exit_code, removed.output) == (0, "me/tool:1 removed\n")
    assert "me/tool" not in run(tmp_path, "list").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["add", "a", "/no/where"], "/no/where does not exist", id="no such path"),
        pytest.param(["add", "A", "/"], "invalid reference format", id="a bad name"),
        pytest.param(["remove", "nginx"], "was not added", id="a built-in image"),
    ],
)
def test_a_failure_is_one_line_and_exit_code_1(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    result = run(tmp_path, *arguments)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert message in result.output
    assert len(result.output.splitlines()) == 1
