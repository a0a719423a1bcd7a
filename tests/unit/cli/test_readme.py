"""The help that the README shows is the help that the program prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from podpass.cli.main import group

README = (Path(__file__).parents[3] / "README.md").read_text()


@pytest.mark.parametrize("arguments", [["--help"], ["up", "--help"]], ids=" ".join)
def test_the_readme_shows_the_help(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    result = CliRunner().invoke(group, arguments, prog_name="podpass", terminal_width=80)
    assert f"$ podpass {' '.join(arguments)}\n{result.output.rstrip()}\n```" in README
