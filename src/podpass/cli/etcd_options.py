"""The options that name an etcd, for the commands that change the store of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import click

P = ParamSpec("P")
R = TypeVar("R")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def etcd_options(prefix_default: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Add `--etcd` and what goes with it; `prefix_default` is said in the help."""
    options = (
        click.option("--etcd", "etcd_servers", metavar="URL[,URL...]", help="Members of the etcd."),
        click.option(
            "--etcd-cafile", type=_FILE, help="What signed the certificates of its members."
        ),
        click.option("--etcd-certfile", type=_FILE, help="Client certificate for it."),
        click.option("--etcd-keyfile", type=_FILE, help="Key of that certificate."),
        click.option(
            "--etcd-prefix",
            metavar="PREFIX",
            help=f"Root of this cluster's keys in it [default: {prefix_default}].",
        ),
    )

    def add(function: Callable[P, R]) -> Callable[P, R]:
        for option in reversed(options):
            function = option(function)
        return function

    return add
