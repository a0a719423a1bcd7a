"""`podpass join`: make this host a node of another host's cluster."""

from __future__ import annotations

import hashlib
import socket
import time

import click

from podpass.api.bootstrap_token import split_token
from podpass.base.clock import SystemClock
from podpass.base.logs import Secret
from podpass.bootstrap.cluster import Cluster, ClusterNode, load_cluster
from podpass.bootstrap.discovery import discover, is_hash
from podpass.bootstrap.home import Home, HomeError
from podpass.bootstrap.joined import prepare_joined, start_joined
from podpass.bootstrap.lifecycle import locked
from podpass.cli.init import host_name, read_ip
from podpass.cli.options import home_option, one_clear_line
from podpass.cli.progress import Progress


def _read_server(
    _ctx: click.Context, _param: click.Parameter, value: str | None
) -> tuple[str, int] | None:
    if value is None:
        return None
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit():
        raise click.BadParameter(f"{value!r} is not HOST:PORT")
    return host, int(port)


def pod_cidr(node_name: str) -> str:
    """Return addresses for the pods of a host; a name has always the same ones."""
    digest = hashlib.sha256(node_name.encode()).digest()
    return f"10.{129 + digest[0] % 100}.{digest[1]}.0/24"


def own_address(host: str, port: int) -> str:
    """Return the address of this host on the way to another one.

    Raises:
        HomeError: There is no way.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((host, port))  # sends nothing
        except OSError as error:
            raise HomeError(f"no way to {host}: {error}") from error
        address: str = probe.getsockname()[0]
        return address


def _url(server: tuple[str, int]) -> str:
    return f"https://{server[0]}:{server[1]}"


def _new_cluster(server: tuple[str, int], name: str, node_ip: str | None) -> Cluster:
    node = ClusterNode(name, node_ip or own_address(*server), pod_cidr(name))
    return Cluster(port=server[1], nodes=(node,), joined_server=_url(server))


@click.command()
@click.argument("server", required=False, metavar="HOST:PORT", callback=_read_server)
@home_option
@click.option("--token", help="What `podpass init` printed.")
@click.option(
    "--discovery-token-ca-cert-hash", "ca_hash", help="Whom to trust: sha256:HEX, printed with it."
)
@click.option("--node-name", help="Name of this node [default: the host's name].")
@click.option(
    "--node-ip", callback=read_ip, help="Address of this node [default: the one on the way there]."
)
@one_clear_line
def command(
    server: tuple[str, int] | None,
    home: Home,
    token: str | None,
    ca_hash: str | None,
    node_name: str | None,
    node_ip: str | None,
) -> None:
    """Make this host a node of the cluster at HOST:PORT.

    Without arguments, continue after `podpass down`; with them, continue with another token.
    """
    progress = Progress()
    started = time.monotonic()
    with locked(home):
        known = load_cluster(home.cluster_file) if home.cluster_file.exists() else None
        if known is not None and not known.joined_server:
            raise HomeError(f"the home {home.root} has a cluster of its own; give another one")
        if known is not None and server and known.joined_server != _url(server):
            raise HomeError(f"the home {home.root} has joined {known.joined_server}")
        if known is not None and token is None and ca_hash is None:
            cluster = known
        else:
            if server is None or token is None or ca_hash is None:
                raise HomeError(
                    "give HOST:PORT, --token and --discovery-token-ca-cert-hash, "
                    "as `podpass init` printed them"
                )
            if split_token(token) is None:
                raise HomeError("--token does not have the form of a bootstrap token")
            if not is_hash(ca_hash):
                raise HomeError("--discovery-token-ca-cert-hash is not sha256: and 64 hex digits")
            certificate = discover(*server, ca_hash)
            cluster = known or _new_cluster(server, node_name or host_name(), node_ip)
            prepare_joined(home, cluster, certificate, Secret(token))
        start_joined(home, cluster, now=SystemClock().now(), report=progress.show)
    progress.done(
        f"{cluster.nodes[0].name} joined {cluster.joined_server} and is Ready"
        f" after {time.monotonic() - started:.1f} s"
    )
