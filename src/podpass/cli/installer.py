"""`podpass installer`: what the operator's pods on a node run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from podpass.base.clock import SystemClock
from podpass.base.logs import configure_logging
from podpass.cli.spans import Span
from podpass.client.config import ConfigError, load_kubeconfig
from podpass.client.rest import RestClient
from podpass.operator.installer_events import tell_result
from podpass.operator.installer_pod import Installer, InstallerSettings
from podpass.operator.node_files import InstallError, NodeFiles
from podpass.operator.pod_manifests import MANIFESTS
from podpass.operator.static_pod_template import RESOURCES

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)


def _read_seconds(text: str) -> timedelta:
    try:
        return timedelta(seconds=float(text.removesuffix("s")))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a number of seconds, e.g. 30s") from error


_SECONDS = Span("seconds", _read_seconds)


def _directories(function: Callable[..., None]) -> Callable[..., None]:
    for flag, default in (("--pod-manifest-dir", MANIFESTS), ("--resource-dir", RESOURCES)):
        function = click.option(flag, type=_DIRECTORY, default=default, show_default=True)(function)
    return function


def _login(function: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--cert-secrets", multiple=True, help="Unrevisioned Secret."),
        click.option("--cert-configmaps", multiple=True, help="Unrevisioned ConfigMap."),
        click.option("--installer-name", default="", help="Name of this pod."),
        click.option("--node-ip", required=True, help="Address of this node."),
        click.option("--node-name", required=True, help="This node."),
        click.option("--namespace", required=True, help="Where the objects are."),
        click.option("--kubeconfig", type=_FILE, required=True, help="API and credentials."),
    ):
        function = option(function)
    return function


@click.group("installer")
def command() -> None:
    """Bring revisions of static pods to this node."""


@command.command("install")
@click.option("--revision", type=click.IntRange(min=1), required=True, help="What to install.")
@click.option("--configmaps", multiple=True, help="Required revisioned ConfigMap.")
@click.option("--optional-configmaps", multiple=True, help="Revisioned ConfigMap.")
@click.option("--secrets", multiple=True, help="Required revisioned Secret.")
@click.option("--optional-secrets", multiple=True, help="Revisioned Secret.")
@click.option("--settle", type=_SECONDS, default="0s", help="Wait before anything is read.")
@click.option("--sibling-timeout", type=_SECONDS, default="60s", help="Wait for others to end.")
@_login
@_directories
def install(
    kubeconfig: Path,
    resource_dir: Path,
    pod_manifest_dir: Path,
    configmaps: tuple[str, ...],
    optional_configmaps: tuple[str, ...],
    cert_configmaps: tuple[str, ...],
    **values: Any,
) -> None:
    """Install a revision: its files first, the manifest last."""
    settings = InstallerSettings(
        config_maps=configmaps,
        optional_config_maps=optional_configmaps,
        cert_config_maps=cert_configmaps,
        **values,
    )
    _run(settings, kubeconfig, NodeFiles(resource_dir, pod_manifest_dir))


@command.command("sync-certs")
@_login
@_directories
def sync_certs(
    kubeconfig: Path,
    resource_dir: Path,
    pod_manifest_dir: Path,
    cert_configmaps: tuple[str, ...],
    **values: Any,
) -> None:
    """Bring new certificates and keys to this node; what runs reads them when it starts."""
    settings = InstallerSettings(cert_config_maps=cert_configmaps, **values)
    _run(settings, kubeconfig, NodeFiles(resource_dir, pod_manifest_dir))


@command.command("prune")
@click.option("--max-eligible-revision", type=int, required=True, help="Newer ones stay.")
@click.option("--protected-revisions", default="", help="These stay too: 8,9,10.")
@_directories
def prune(
    max_eligible_revision: int, protected_revisions: str, resource_dir: Path, pod_manifest_dir: Path
) -> None:
    """Remove the files of old revisions from this node."""
    configure_logging()
    kept = {int(one) for one in protected_revisions.split(",") if one}
    try:
        removed = NodeFiles(resource_dir, pod_manifest_dir).prune(kept, max_eligible_revision)
    except InstallError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"removed: {', '.join(map(str, removed)) or 'nothing'}")


def _run(settings: InstallerSettings, kubeconfig: Path, files: NodeFiles) -> None:
    configure_logging()
    try:
        asyncio.run(_install(settings, kubeconfig, files))
    except (InstallError, ConfigError) as error:
        raise click.ClickException(str(error)) from error


async def _install(settings: InstallerSettings, kubeconfig: Path, files: NodeFiles) -> None:
    clock = SystemClock()
    async with RestClient(load_kubeconfig(kubeconfig), user_agent="static-pod-installer") as client:
        installer = Installer(settings, client, files, clock)
        error: InstallError | None = None
        changed = False
        try:
            if settings.revision:
                await installer.install()
            else:
                changed = await installer.sync_certs()
        except InstallError as failure:
            error = failure
        await tell_result(client, clock, settings, error, certs_changed=changed)
        if error is not None:
            raise error
