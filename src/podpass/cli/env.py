"""`podpass env`: shell settings that point kubectl and oc at the cluster."""

from __future__ import annotations

import shlex

import click

from podpass.bootstrap.cluster import load_cluster
from podpass.bootstrap.home import Home
from podpass.cli.options import home_option, one_clear_line


@click.command()
@home_option
@one_clear_line
def command(home: Home) -> None:
    """Print shell settings, for `eval "$(podpass env)"`.

    The bundled kubectl and oc go to the end of PATH, so that a user's own come first.
    """
    load_cluster(home.cluster_file)
    quoted = shlex.quote(str(home.bin))
    click.echo(f"export KUBECONFIG={shlex.quote(str(home.admin_kubeconfig))}")
    click.echo(f'case ":$PATH:" in *:{quoted}:*) ;; *) export PATH="$PATH":{quoted} ;; esac')
