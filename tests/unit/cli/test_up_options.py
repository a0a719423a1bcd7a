"""The options of `podpass up`."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from podpass.cli.main import COMMANDS, group
from podpass.cli.up import command, parse_duration, read_endpoint

CONTEXT = click.Context(command)
PARAMETER = command.params[0]


@pytest.mark.parametrize(("text", "seconds"), [("10s", 10), ("10m", 600), ("2h", 7200)])
def test_spans_are_read(text: str, seconds: int) -> None:
    assert parse_duration(CONTEXT, PARAMETER, text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "10", "-1s", "1.5h", "10d", "s"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="10m"):
        parse_duration(CONTEXT, PARAMETER, text)


def test_a_signing_endpoint_is_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_endpoint(CONTEXT, PARAMETER, "s.sock") == str(tmp_path / "s.sock")
    assert read_endpoint(CONTEXT, PARAMETER, "/tmp/s.sock") == "/tmp/s.sock"
    assert read_endpoint(CONTEXT, PARAMETER, "@kms") == "@kms"
    assert read_endpoint(CONTEXT, PARAMETER, None) is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        pytest.param("@a..b", "is no abstract socket", id="a bad abstract name"),
        pytest.param("/no/such/s.sock", "there is no directory /no/such", id="no directory"),
        pytest.param(f"/tmp/{'s' * 200}", "longer than 107 bytes", id="a long path"),
    ],
)
def test_a_signing_endpoint_that_cannot_be(value: str, why: str) -> None:
    with pytest.raises(click.BadParameter, match=why):
        read_endpoint(CONTEXT, PARAMETER, value)


def test_help_names_every_command_without_importing_them() -> None:
    result = CliRunner().invoke(group, ["--help"])
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"  {name} " in result.output


def test_a_wrong_option_is_exit_code_2() -> None:
    assert CliRunner().invoke(group, ["up", "--nodes", "many"]).exit_code == 2
