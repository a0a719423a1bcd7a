"""`podpass down`: stop the cluster; its home stays."""

from __future__ import annotations

import click

from podpass.bootstrap.cluster import load_cluster
from podpass.bootstrap.home import Home
from podpass.bootstrap.lifecycle import locked, stop_cluster
from podpass.cli.options import home_option, one_clear_line
from podpass.cli.progress import Progress


@click.command()
@home_option
@one_clear_line
def command(home: Home) -> None:
    """Stop the cluster; its home stays, and `podpass up` continues it."""
    cluster = load_cluster(home.cluster_file)
    progress = Progress()
    with locked(home):
        stop_cluster(home, cluster, report=progress.show)
    progress.done("stopped")
