"""What several subcommands share: the option `--home`, and how an error ends a command."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

from podpass.bootstrap.home import Home, HomeError, default_home

P = ParamSpec("P")
R = TypeVar("R")


def home_option(function: Callable[P, R]) -> Callable[P, R]:
    """Add `--home`, given to the function as a Home."""

    def convert(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Home:
        path = Path(value) if value else default_home(os.environ)
        return Home(path.absolute())

    return click.option(
        "--home",
        metavar="DIR",
        callback=convert,
        expose_value=True,
        help="Where the cluster lives [default: PODPASS_HOME or XDG_STATE_HOME/podpass].",
    )(function)


def called_as() -> str:
    """Return how the user called podpass, for hints: by path unless it is on the PATH."""
    program = sys.argv[0]
    if Path(program).name != "podpass" or shutil.which("podpass"):
        return "podpass"
    return shlex.quote(program)


def home_hint(home: Home) -> str:
    """Return ` --home DIR` for hints, or nothing for the default home."""
    if home.root == default_home(os.environ).absolute():
        return ""
    return f" --home {shlex.quote(str(home.root))}"


def one_clear_line(function: Callable[P, R]) -> Callable[P, R]:
    """Let a HomeError end the command with its message and exit code 1."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except HomeError as error:
            raise click.ClickException(str(error)) from error

    return run
