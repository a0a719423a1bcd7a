"""`podpass issuer`: does the issuer that was asked for run, and where its public documents go."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from podpass.api.errors import StatusError
from podpass.base.clock import SystemClock
from podpass.base.files import write_file
from podpass.bootstrap.home import Home
from podpass.cli.options import home_option
from podpass.client.config import ConfigError, load_kubeconfig
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.jose.keys import UnusableKey
from podpass.operator.issuer_reader import published_keys, read_report, wanted_issuer
from podpass.operator.issuer_report import IssuerReport, render_report
from podpass.operator.service_account_issuer import JWKS_PATH
from podpass.serviceaccount.discovery import (
    CONFIGURATION_PATH,
    NoDiscovery,
    configuration_document,
)

_POLL_SECONDS = 0.5
_PUBLIC_MODE = 0o644
_KUBECONFIG = click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Default: the administrator's, of the home.",
)


@click.group()
def command() -> None:
    """Look at the service account issuer, or publish it somewhere else."""


@command.command()
@home_option
@_KUBECONFIG
@click.option("--wait", is_flag=True, help="Until all nodes run what was asked for.")
@click.option(
    "--timeout", default=1800.0, show_default=True, help="Seconds after which --wait gives up."
)
def status(home: Home, kubeconfig: Path | None, wait: bool, timeout: float) -> None:
    """Compare the issuer that was asked for with what runs, node by node.

    Exit code 0 if every API server runs it, else 1.
    """
    try:
        report = asyncio.run(_status(_file(home, kubeconfig), timeout if wait else 0.0))
    except (ConfigError, ConnectionFailed) as error:
        raise click.ClickException(str(error)) from error
    except StatusError as error:
        raise click.ClickException(error.message) from error
    click.echo(render_report(report))
    sys.exit(0 if report.done else 1)


@command.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@home_option
@_KUBECONFIG
@click.option("--issuer", help="Default: the one that the cluster was asked for.")
def export(directory: Path, home: Home, kubeconfig: Path | None, issuer: str | None) -> None:
    """Write the discovery document and the public keys, to be served at the issuer's URL.

    The files go to DIRECTORY/.well-known/openid-configuration and DIRECTORY/openid/v1/jwks.
    """
    try:
        documents = asyncio.run(_documents(_file(home, kubeconfig), issuer))
    except (ConfigError, ConnectionFailed, UnusableKey, NoDiscovery) as error:
        raise click.ClickException(str(error)) from error
    except StatusError as error:
        raise click.ClickException(error.message) from error
    for path, content in documents.items():
        target = directory / path.lstrip("/")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_file(target, content, mode=_PUBLIC_MODE)
        except OSError as error:
            raise click.ClickException(f"cannot write {target}: {error.strerror}") from error
        click.echo(target)


def _file(home: Home, kubeconfig: Path | None) -> Path:
    return kubeconfig or home.admin_kubeconfig


async def _status(kubeconfig: Path, timeout: float) -> IssuerReport:
    """Return the report, with a timeout the one in which all is done."""
    clock = SystemClock()
    end = clock.monotonic() + timeout
    said = ""
    async with RestClient(load_kubeconfig(kubeconfig)) as client:
        while True:
            try:
                report = await read_report(client)
            except ConnectionFailed:
                if clock.monotonic() >= end:
                    raise
            else:
                if report.done or report.refusal or clock.monotonic() >= end:
                    return report
                now = "; ".join(f"{one.name}: {one.state}" for one in report.nodes)
                if now != said:
                    click.echo(now, err=True)
                    said = now
            await clock.sleep(_POLL_SECONDS)


async def _documents(kubeconfig: Path, issuer: str | None) -> dict[str, bytes]:
    async with RestClient(load_kubeconfig(kubeconfig)) as client:
        url = issuer or await wanted_issuer(client)
        keys = await published_keys(client)
    uri = url.rstrip("/") + JWKS_PATH
    return {
        CONFIGURATION_PATH: configuration_document(url, uri, keys),
        JWKS_PATH: keys.to_jwks(),
    }
