"""`podpass migrate-store`: to an etcd, or back to the home's own database."""

from __future__ import annotations

from pathlib import Path

import click

from podpass.bootstrap.home import Home
from podpass.cli.etcd_options import etcd_options
from podpass.cli.options import called_as, home_hint, home_option, one_clear_line
from podpass.storage.location import DEFAULT_ETCD_PREFIX


@click.command()
@home_option
@click.option(
    "--to", "engine", required=True, type=click.Choice(["sqlite", "etcd"]), help="Where to."
)
@etcd_options(DEFAULT_ETCD_PREFIX)
@one_clear_line
def command(
    home: Home,
    engine: str,
    etcd_servers: str | None,
    etcd_cafile: Path | None,
    etcd_certfile: Path | None,
    etcd_keyfile: Path | None,
    etcd_prefix: str | None,
) -> None:
    """Move the objects of a stopped cluster to another store; the old one stays as it is."""
    files = (etcd_cafile, etcd_certfile, etcd_keyfile)
    if engine == "etcd" and not etcd_servers:
        raise click.UsageError("--to etcd needs --etcd URL")
    if engine == "sqlite" and any((etcd_servers, etcd_prefix, *files)):
        raise click.UsageError("--to sqlite takes no options of an etcd; the home knows it")
    from podpass.bootstrap.migration import migrate  # noqa: PLC0415 - --help stays fast

    count = migrate(
        home,
        etcd_servers=etcd_servers or "",
        etcd_files=files,
        etcd_prefix=etcd_prefix or DEFAULT_ETCD_PREFIX,
    )
    click.echo(f"{count} objects are in {engine} now", err=True)
    click.echo(f"Next: {called_as()} up{home_hint(home)}", err=True)
