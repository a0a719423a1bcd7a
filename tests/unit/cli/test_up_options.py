"""The options of `podpass up`."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from podpass.cli.main import COMMANDS, group
from podpass.cli.up import command, parse_duration

CONTEXT = click.Context(command)
PARAMETER = command.params[0]


@pytest.mark.parametrize(("text", "seconds"), [("10s", 10), ("10m", 600), ("2h", 7200)])
def test_spans_are_read(text: str, seconds: int) -> None:
    assert parse_duration(CONTEXT, PARAMETER, text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "10", "-1s", "1.5h", "10d", "s"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="10m"):
        parse_duration(CONTEXT, PARAMETER, text)


def test_help_names_every_command_without_importing_them() -> None:
    result = CliRunner().invoke(group, ["--help"])
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"  {name} " in result.output


def test_a_wrong_option_is_exit_code_2() -> None:
    assert CliRunner().invoke(group, ["up", "--nodes", "many"]).exit_code == 2
