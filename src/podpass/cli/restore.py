"""`podpass restore`: a home from a backup."""

from __future__ import annotations

from pathlib import Path

import click

from podpass.bootstrap.home import Home
from podpass.cli.options import called_as, home_hint, home_option, one_clear_line


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@home_option
@click.option(
    "--force",
    is_flag=True,
    help="Move a home that is there aside; replace what an etcd holds below the prefix.",
)
@one_clear_line
def command(file: Path, home: Home, force: bool) -> None:
    """Make a home from the backup FILE; `podpass up` starts it."""
    from podpass.bootstrap.restore import restore  # noqa: PLC0415 - --help stays fast

    done = restore(file.absolute(), home, force=force)
    click.echo(
        f"{done.facts.objects} objects of {done.facts.created} are in {home.root}, "
        f"from revision {done.revision} on",
        err=True,
    )
    if done.replaced is not None:
        click.echo(f"What was there is now in {done.replaced}", err=True)
    click.echo(f"Next: {called_as()} up{home_hint(home)}", err=True)
