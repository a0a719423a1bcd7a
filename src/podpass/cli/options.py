"""What several subcommands share: the option `--home`, and how an error ends a command."""

from __future__ import annotations

import functools
import os
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


def one_clear_line(function: Callable[P, R]) -> Callable[P, R]:
    """Let a HomeError end the command with its message and exit code 1."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except HomeError as error:
            raise click.ClickException(str(error)) from error

    return run
