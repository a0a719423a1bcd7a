"""`podpass up`: start a cluster, or continue a stopped one."""

from __future__ import annotations

import re
import signal
import time
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any

import click

from podpass.base.clock import SystemClock
from podpass.bootstrap.audit import check_same_policy, keep_audit_policy
from podpass.bootstrap.cluster import Cluster, load_cluster, make_nodes
from podpass.bootstrap.etcd_client import check_prefix_is_free, copy_client_files
from podpass.bootstrap.home import Home, HomeError
from podpass.bootstrap.lifecycle import locked, start_cluster, stop_cluster
from podpass.bootstrap.processes import running_kubelet, start_kubelet
from podpass.cli.options import called_as, home_hint, home_option, one_clear_line
from podpass.cli.progress import Progress
from podpass.storage.location import DEFAULT_ETCD_PREFIX

DEFAULT_NODES = 3
DEFAULT_PORT = 6443
_SUPERVISION_INTERVAL = 0.5
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_UNITS = {"s": 1, "m": 60, "h": 3600}


def parse_duration(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """Read `90s`, `10m` or `1h` as seconds."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d+)([smh])", value)
    if not match or int(match[1]) == 0:
        raise click.BadParameter("give a whole number above 0 with s, m or h, for example 10m")
    return int(match[1]) * _UNITS[match[2]]


def read_endpoint(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Read where an external signer listens; a path is made whole."""
    if value is None:
        return None
    from podpass.apiserver.external_jwt.endpoint import grpc_target  # noqa: PLC0415 - rarely given
    from podpass.apiserver.external_jwt.failures import SignerUnusable  # noqa: PLC0415

    endpoint = value if value.startswith("@") else str(Path(value).absolute())
    try:
        grpc_target(endpoint)
    except SignerUnusable as error:
        raise click.BadParameter(str(error)) from error
    if not endpoint.startswith("@") and not Path(endpoint).parent.is_dir():
        raise click.BadParameter(f"there is no directory {Path(endpoint).parent}")
    if find_spec("grpc") is None:
        raise click.BadParameter("it needs gRPC: pip install 'podpass[external-signer]'")
    return endpoint


@click.command()
@home_option
@click.option("--nodes", type=int, metavar="N", help=f"Number of nodes [default: {DEFAULT_NODES}].")
@click.option(
    "--port", type=click.IntRange(1, 65535), help=f"Port of the API [default: {DEFAULT_PORT}]."
)
@click.option(
    "--min-token-expiration",
    "min_token_expiration_seconds",
    metavar="SPAN",
    callback=parse_duration,
    help="Shortest token life that may be asked for [default: 10m].",
)
@click.option(
    "--signing-algorithm",
    type=click.Choice(["RS256", "ES256"]),
    help="How tokens are signed; fixed when the home is made [default: RS256].",
)
@click.option(
    "--signing-endpoint",
    metavar="SOCKET",
    callback=read_endpoint,
    help="Sign with a program at this unix socket, a path or @name (docs/external-signer.md).",
)
@click.option(
    "--etcd",
    "etcd_servers",
    metavar="URL[,URL...]",
    help="Keep the objects in this etcd instead of the home's own database.",
)
@click.option("--etcd-cafile", type=_FILE, help="What signed the certificates of its members.")
@click.option("--etcd-certfile", type=_FILE, help="Client certificate for it.")
@click.option("--etcd-keyfile", type=_FILE, help="Key of that certificate.")
@click.option(
    "--etcd-prefix",
    metavar="PREFIX",
    help=f"Root of this cluster's keys in it [default: {DEFAULT_ETCD_PREFIX}].",
)
@click.option(
    "--audit-policy",
    type=_FILE,
    help="Log requests as this Policy of audit.k8s.io/v1 says, to run/audit-NODE.log in the home.",
)
@click.option(
    "--issuer-profile",
    type=click.Choice(["legacy", "trust24h"]),
    help="What becomes of a former issuer: refused at once, or trusted for 24 hours"
    " [default: legacy].",
)
@click.option(
    "--timing",
    type=click.Choice(["short", "openshift"]),
    help="Waiting times of a rollout: for one machine, or OpenShift's own [default: short].",
)
@click.option("--detach", is_flag=True, help="Return when the cluster is ready.")
@one_clear_line
def command(home: Home, detach: bool, **options: Any) -> None:
    """Start a cluster, or continue a stopped one.

    A second `up` on the same home starts what does not run; objects, pods and keys are kept. All
    options but --detach belong to the home: they are given when it is made, and kept.
    """
    _check_sandbox()
    progress = Progress()
    with locked(home):
        cluster = _cluster_for(home, **options)
        started = time.monotonic()
        start_cluster(home, cluster, now=SystemClock().now(), report=progress.show)
        progress.done(
            f"{len(cluster.nodes)} nodes are Ready after {time.monotonic() - started:.1f} s"
            f" at {cluster.server}"
        )
    click.echo(f'Next: eval "$({called_as()} env{home_hint(home)})"; oc get nodes', err=True)
    if not detach:
        _stay(home, cluster, progress)


def _check_sandbox() -> None:
    from podpass.kubelet.runtime.interface import RuntimeFailure  # noqa: PLC0415 - lazy
    from podpass.kubelet.runtime.support import check_sandbox_support  # noqa: PLC0415 - lazy

    try:
        check_sandbox_support()
    except RuntimeFailure as error:
        raise HomeError(str(error)) from error


def _cluster_for(
    home: Home,
    *,
    nodes: int | None,
    etcd_cafile: Path | None,
    etcd_certfile: Path | None,
    etcd_keyfile: Path | None,
    audit_policy: Path | None = None,
    **options: Any,
) -> Cluster:
    """Return the cluster of the home, or a new one.

    Args:
        home: Where it lives.
        nodes: Number of nodes, None for what the home has or DEFAULT_NODES.
        etcd_cafile: For the etcd, like the next two; renewed ones are taken over.
        etcd_certfile: For the etcd.
        etcd_keyfile: For the etcd.
        audit_policy: Policy of the audit log, None for what the home has or no log.
        options: Fields of Cluster, None for what the home has or the default.

    Raises:
        HomeError: The home was made with other options, or is damaged.
    """
    given = {name: value for name, value in options.items() if value is not None}
    etcd_files = (etcd_cafile, etcd_certfile, etcd_keyfile)
    if home.cluster_file.exists():
        cluster = load_cluster(home.cluster_file)
        if cluster.joined_server:
            raise HomeError(
                f"the home {home.root} has joined {cluster.joined_server}; "
                "continue it with `podpass join`"
            )
        if nodes is not None and nodes != len(cluster.nodes):
            raise HomeError(
                f"the cluster in {home.root} has {len(cluster.nodes)} nodes; "
                f"for {nodes} nodes give another --home"
            )
        for name, value in given.items():
            if value != getattr(cluster, name):
                raise HomeError(
                    f"the cluster in {home.root} was made with {name.replace('_', ' ')} "
                    f"{getattr(cluster, name)}; for {value} give another --home"
                )
        check_same_policy(home, cluster, audit_policy)
        copy_client_files(home, etcd_files)
        return cluster
    if home.pki.exists():
        raise HomeError(f"{home.cluster_file} is missing; the home {home.root} is damaged")
    cluster = Cluster(
        **{"port": DEFAULT_PORT} | given,
        nodes=make_nodes(nodes if nodes is not None else DEFAULT_NODES),
        etcd_client_files=copy_client_files(home, etcd_files),
        audit_policy=keep_audit_policy(home, audit_policy),
    )
    if cluster.etcd_servers:
        check_prefix_is_free(home, cluster)
    return cluster


def _stay(home: Home, cluster: Cluster, progress: Progress) -> None:
    """Keep the kubelets running until SIGINT or SIGTERM, then stop the cluster."""
    stop = False

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        nonlocal stop
        stop = True

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    click.echo("Ctrl-C stops the cluster; its home stays.", err=True)
    while not stop:
        signal.sigtimedwait([], _SUPERVISION_INTERVAL)
        for node in cluster.nodes:
            if not stop and running_kubelet(home, node.name) is None:
                if not home.kubelet_pid_file(node.name).exists():
                    progress.done("stopped by `podpass down`")
                    return
                progress.done(f"the kubelet of {node.name} ended; starting it again")
                start_kubelet(home, cluster, node)
    with locked(home):
        stop_cluster(home, cluster, report=progress.show)
    progress.done("stopped")
