"""`podpass restore`: a home from a backup."""

from __future__ import annotations

from pathlib import Path

import click

from podpass.bootstrap.home import Home
from podpass.cli.etcd_options import etcd_options
from podpass.cli.options import called_as, home_hint, home_option, one_clear_line


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@home_option
@click.option(
    "--force",
    is_flag=True,
    help="Move a home that is there aside; replace what an etcd holds below the prefix.",
)
@click.option(
    "--to",
    "engine",
    type=click.Choice(["sqlite", "etcd"]),
    help="Store to restore into [default: as in the backup, or etcd if --etcd is given].",
)
@etcd_options("as in the backup")
@one_clear_line
def command(
    file: Path,
    home: Home,
    force: bool,
    engine: str | None,
    etcd_servers: str | None,
    etcd_cafile: Path | None,
    etcd_certfile: Path | None,
    etcd_keyfile: Path | None,
    etcd_prefix: str | None,
) -> None:
    """Make a home from the backup FILE; `podpass up` starts it."""
    from podpass.bootstrap.restore import restore  # noqa: PLC0415 - --help stays fast
    from podpass.bootstrap.store_choice import StoreChoice  # noqa: PLC0415

    store = StoreChoice(
        engine=engine or "",
        etcd_servers=etcd_servers or "",
        etcd_files=(etcd_cafile, etcd_certfile, etcd_keyfile),
        etcd_prefix=etcd_prefix or "",
    )
    done = restore(file.absolute(), home, store=store, force=force)
    click.echo(
        f"{done.facts.objects} objects of {done.facts.created} are in {home.root}, "
        f"from revision {done.revision} on",
        err=True,
    )
    if done.engine != done.facts.engine:
        click.echo(f"The store was {done.facts.engine}, and is {done.engine} now", err=True)
    if done.replaced is not None:
        click.echo(f"What was there is now in {done.replaced}", err=True)
    then = "init" if done.others_join else "up"
    click.echo(f"Next: {called_as()} {then}{home_hint(home)}", err=True)
