"""The `podpass` command: one group, subcommands imported only when they are called."""

from __future__ import annotations

import importlib
import sys
from typing import NoReturn

import click

from podpass import __version__

COMMANDS = {
    "up": ("podpass.cli.up", "Start a cluster, or continue a stopped one."),
    "init": ("podpass.cli.init", "Start a cluster that other hosts join."),
    "join": ("podpass.cli.join", "Make this host a node of a cluster."),
    "join-token": ("podpass.cli.join_token", "Print the command for one more host."),
    "down": ("podpass.cli.down", "Stop the cluster; its home stays."),
    "status": ("podpass.cli.status", "Show what runs."),
    "env": ("podpass.cli.env", "Print shell settings: KUBECONFIG and PATH."),
    "demo": ("podpass.cli.demo", "Run the example pod and show its token's claims."),
    "issuer": ("podpass.cli.issuer", "Show the rollout of an issuer; export its public keys."),
    "token": ("podpass.cli.token", "Look into a token; say why it is refused."),
    "backup": ("podpass.cli.backup", "Write objects, keys and options to a file."),
    "restore": ("podpass.cli.restore", "Make a home from a backup."),
    "migrate-store": ("podpass.cli.migrate_store", "Move the objects to another store."),
    "simulate": ("podpass.cli.simulate", "Simulate the token requests of a large cluster."),
    "image": ("podpass.cli.image", "List, add and remove images."),
    "apiserver": ("podpass.cli.apiserver", "Run an API server."),
    "controller-manager": ("podpass.cli.controller_manager", "Run the controllers."),
    "operator": ("podpass.cli.operator", "Run the operator of the API servers."),
    "installer": ("podpass.cli.installer", "Install a revision on a node."),
    "kubelet": ("podpass.cli.kubelet", "Run a kubelet."),
}
"""Name to (module that holds `command`, short help)."""


class LazyGroup(click.Group):
    """Imports a subcommand's module when it is asked for; start-up time is a feature."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)  # noqa: S101 - a promise of the table above
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="podpass")
def group() -> None:
    """Bound service account tokens: issued, projected, rotated."""


def main() -> NoReturn:
    """Run the command line; exit codes are 0, 1 (refused or failed) and 2 (usage)."""
    group(prog_name="podpass")
    sys.exit(0)
