"""`podpass backup`: everything that cannot be made again, in one file."""

from __future__ import annotations

from pathlib import Path

import click

from podpass.base.clock import SystemClock
from podpass.bootstrap.home import Home
from podpass.cli.options import home_option, one_clear_line


@click.command()
@home_option
@click.option(
    "--output",
    "-o",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The backup; it holds keys, so it is made readable for you alone.",
)
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@one_clear_line
def command(home: Home, output: Path, force: bool) -> None:
    """Back the cluster up, while it runs or not: objects, keys, certificates and options."""
    from podpass.bootstrap.backup import back_up  # noqa: PLC0415 - --help stays fast

    facts = back_up(home, output.absolute(), now=SystemClock().now(), force=force)
    click.echo(f"{facts.objects} objects at revision {facts.revision} are in {output}", err=True)
