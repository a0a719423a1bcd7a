"""`podpass join-token create`: the command for one more host."""

from __future__ import annotations

from datetime import timedelta

import click

from podpass.base.clock import SystemClock
from podpass.bootstrap.cluster import load_cluster
from podpass.bootstrap.home import Home
from podpass.bootstrap.join_tokens import TOKEN_LIFE, create_join_token, join_command
from podpass.cli.durations import DURATION
from podpass.cli.options import home_option, one_clear_line


@click.group("join-token")
def command() -> None:
    """Tokens that hosts join with."""


@command.command()
@home_option
@click.option(
    "--ttl",
    type=DURATION,
    default=TOKEN_LIFE,
    show_default="24h",
    help="How long it can be used; 0 for ever.",
)
@one_clear_line
def create(home: Home, ttl: timedelta) -> None:
    """Make a token, and print the command that joins with it."""
    cluster = load_cluster(home.cluster_file)
    token = create_join_token(home, cluster, now=SystemClock().now(), life=ttl)
    click.echo(join_command(home, cluster, token))
