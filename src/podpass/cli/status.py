"""`podpass status`: what of the cluster runs; exit code 1 unless all of it does."""

from __future__ import annotations

import sys

import click

from podpass.bootstrap.cluster import load_cluster
from podpass.bootstrap.home import Home
from podpass.bootstrap.processes import running_kubelet
from podpass.bootstrap.readiness import ApiAway, admin_api, ready_nodes
from podpass.cli.options import home_option, one_clear_line

_COLUMN_GAP = 3


@click.command()
@home_option
@one_clear_line
def command(home: Home) -> None:
    """Show what runs; exit code 1 unless all of it does."""
    cluster = load_cluster(home.cluster_file)
    if cluster.joined_server:
        pid = running_kubelet(home, cluster.nodes[0].name)
        click.echo(f"{cluster.nodes[0].name} joined {cluster.joined_server}")
        click.echo(f"kubelet: {f'pid {pid}' if pid else 'stopped'}")
        sys.exit(0 if pid else 1)
    api = admin_api(home, cluster)
    try:
        ready = ready_nodes(api.nodes())
    except ApiAway:
        ready = set()
    rows = [("NODE", "ADDRESS", "KUBELET", "API SERVER", "STATUS")]
    healthy = True
    for node in cluster.nodes:
        pid = running_kubelet(home, node.name)
        api_ready = api.is_ready(node.ip)
        healthy &= bool(pid) and api_ready and node.name in ready
        rows.append(
            (
                node.name,
                f"{node.ip}:{cluster.port}",
                f"pid {pid}" if pid else "stopped",
                "ready" if api_ready else "not ready",
                "Ready" if node.name in ready else "NotReady",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width + _COLUMN_GAP) for cell, width in zip(row, widths, strict=True))
        click.echo("".join(cells).rstrip())
    sys.exit(0 if healthy else 1)
