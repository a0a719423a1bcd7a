"""`podpass init`: the first host of a cluster that others join."""

from __future__ import annotations

import ipaddress
import socket
import time
from datetime import timedelta
from pathlib import Path

import click

from podpass.base.clock import SystemClock
from podpass.bootstrap.audit import check_same_policy, keep_audit_policy
from podpass.bootstrap.cluster import Cluster, ClusterNode, load_cluster
from podpass.bootstrap.home import Home, HomeError
from podpass.bootstrap.join_tokens import TOKEN_LIFE, create_join_token, join_command
from podpass.bootstrap.lifecycle import locked, start_cluster
from podpass.cli.durations import DURATION
from podpass.cli.options import home_option, one_clear_line
from podpass.cli.progress import Progress

DEFAULT_PORT = 6443
_POD_CIDR = "10.128.0.0/24"


def read_ip(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Read an IPv4 address that other hosts can reach."""
    if value is None:
        return None
    try:
        address = ipaddress.IPv4Address(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no IPv4 address") from error
    if address.is_loopback or address.is_unspecified:
        raise click.BadParameter(f"{value} is not an address that other hosts can reach")
    return value


def host_name() -> str:
    """Return this host's name as a node is called."""
    return socket.gethostname().partition(".")[0].lower()


@click.command()
@home_option
@click.option(
    "--apiserver-advertise-address",
    "address",
    metavar="IP",
    callback=read_ip,
    help="Address of this host that the others reach; needed once.",
)
@click.option(
    "--port", type=click.IntRange(1, 65535), help=f"Port of the API [default: {DEFAULT_PORT}]."
)
@click.option("--node-name", help="Name of this node [default: the host's name].")
@click.option(
    "--min-token-expiration",
    "minimum",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="Shortest token life that may be asked for [default: 600].",
)
@click.option(
    "--cluster-signing-duration",
    "signing",
    type=DURATION,
    help="Life of the certificates of hosts that join [default: 8760h].",
)
@click.option(
    "--audit-policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Log requests as this Policy of audit.k8s.io/v1 says, to run/audit-NODE.log in the home.",
)
@one_clear_line
def command(
    home: Home,
    address: str | None,
    port: int | None,
    node_name: str | None,
    minimum: int | None,
    signing: timedelta | None,
    audit_policy: Path | None,
) -> None:
    """Start a cluster that other hosts join, or continue it, and print how they do.

    The command that is printed holds a token that is good for 24 hours.
    """
    progress = Progress()
    now = SystemClock().now()
    with locked(home):
        if home.cluster_file.exists():
            cluster = load_cluster(home.cluster_file)
            if not cluster.advertise_address:
                raise HomeError(f"the home {home.root} was not made with `podpass init`")
            if address not in (None, cluster.advertise_address):
                raise HomeError(
                    f"the cluster in {home.root} is at {cluster.advertise_address}; "
                    "give another --home"
                )
            check_same_policy(home, cluster, audit_policy)
        else:
            if address is None:
                raise HomeError(
                    "say where other hosts find this one: --apiserver-advertise-address"
                )
            cluster = Cluster(
                port=port or DEFAULT_PORT,
                nodes=(ClusterNode(node_name or host_name(), address, _POD_CIDR),),
                min_token_expiration_seconds=minimum or 600,
                advertise_address=address,
                cluster_signing_seconds=int(signing.total_seconds()) if signing else 0,
                audit_policy=keep_audit_policy(home, audit_policy),
            )
        started = time.monotonic()
        start_cluster(home, cluster, now=now, report=progress.show)
        progress.done(
            f"{cluster.nodes[0].name} is Ready after {time.monotonic() - started:.1f} s"
            f" at {cluster.advertised_server}"
        )
        token = create_join_token(home, cluster, now=now, life=TOKEN_LIFE)
    click.echo("On each host that joins:", err=True)
    click.echo(join_command(home, cluster, token))
