"""`podpass kubelet`: one node, its static pods and the pods that the API gives it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from podpass.base.logs import configure_logging
from podpass.client.config import ConfigError
from podpass.kubelet.app import main
from podpass.kubelet.runtime.interface import RuntimeFailure
from podpass.kubelet.settings import KubeletSettings

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_DIRECTORY = click.Path(file_okay=False, path_type=Path)


def _labels(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    labels = {}
    for value in values:
        for one in value.split(","):
            key, _, text = one.partition("=")
            if not key:
                raise click.BadParameter(f"{one!r} is not KEY=VALUE")
            labels[key] = text
    return labels


def _address(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit():
        raise click.BadParameter(f"{value!r} is not HOST:PORT")
    return host, int(port)


def _addresses(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> tuple[tuple[str, int], ...]:
    return tuple(_address(ctx, param, value) for value in values)


@click.command("kubelet")
@click.option("--node-name", required=True, help="Name of the Node object.")
@click.option("--node-ip", required=True, help="Address of the node.")
@click.option("--root-dir", required=True, type=_DIRECTORY, help="Pods and their volumes.")
@click.option("--manifest-dir", type=_DIRECTORY, help="Static pod manifests.")
@click.option(
    "--kubeconfig",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="How to reach the API.",
)
@click.option(
    "--bootstrap-kubeconfig",
    type=_FILE,
    help="How to get a client certificate and write --kubeconfig; it is rotated from then on.",
)
@click.option(
    "--cert-dir", type=_DIRECTORY, help="Where certificates are kept [default: ROOT_DIR/pki]."
)
@click.option("--runtime-dir", required=True, type=_DIRECTORY, help="State of the runtime.")
@click.option("--images-dir", required=True, type=_DIRECTORY, help="Image catalog.")
@click.option("--pod-logs-dir", required=True, type=_DIRECTORY, help="Logs of the containers.")
@click.option("--port", default=10250, show_default=True, help="HTTPS port; any if it is taken.")
@click.option("--tls-cert-file", type=_FILE, help="Serving certificate.")
@click.option("--tls-private-key-file", type=_FILE, help="Its key.")
@click.option(
    "--rotate-server-certificates",
    is_flag=True,
    help="Ask for the serving certificate and renew it; without it and without a file: no server.",
)
@click.option("--client-ca-file", type=_FILE, help="CA of those who may call.")
@click.option("--pod-cidr", default="10.128.0.0/24", show_default=True, help="Pods' addresses.")
@click.option(
    "--api-endpoint",
    "api_endpoints",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Unix socket of an API server, for pods with a network of their own; repeatable.",
)
@click.option(
    "--relay-to",
    multiple=True,
    callback=_addresses,
    metavar="HOST:PORT",
    help="API server of another host that the first --api-endpoint leads to; repeatable.",
)
@click.option(
    "--cluster-service-address",
    default="172.30.0.1:443",
    show_default=True,
    callback=_address,
    help="Where those pods find the API.",
)
@click.option(
    "--service-host-for-host-network",
    default="127.0.0.1",
    show_default=True,
    help="Where pods on the node's network find the API.",
)
@click.option("--service-port", default=6443, show_default=True, help="Port of the API there.")
@click.option(
    "--node-labels", multiple=True, callback=_labels, help="KEY=VALUE[,KEY=VALUE]; repeatable."
)
@click.option(
    "--sync-frequency",
    default=60.0,
    show_default=True,
    help="Seconds after which a pod is looked at although nothing happened.",
)
@click.option(
    "--manifest-poll",
    default=1.0,
    show_default=True,
    help="Seconds between two looks at the manifests.",
)
@click.option(
    "--restart-backoff",
    envvar="PODPASS_RESTART_BACKOFF",
    default=10.0,
    show_default=True,
    help="Seconds that a crashing container waits at first.",
)
@click.option(
    "--restart-backoff-maximum",
    envvar="PODPASS_RESTART_BACKOFF_MAXIMUM",
    default=300.0,
    show_default=True,
    help="Seconds that it waits at most.",
)
@click.option(
    "--stop-grace",
    default=5.0,
    show_default=True,
    help="Seconds that pods have to end when SIGUSR1 or SIGINT ends them.",
)
@click.option("--max-pods", default=110, show_default=True, help="Pods of this node.")
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
def command(*, verbose: bool, **options: object) -> None:
    """Run a kubelet. SIGTERM ends it and lets its pods run on, SIGUSR1 ends the pods too."""
    configure_logging(verbose=verbose)
    settings = KubeletSettings(**options)  # type: ignore[arg-type]  # click has checked them
    if settings.rotate_server_certificates:
        if settings.tls_cert_file or settings.tls_private_key_file or not settings.client_ca_file:
            raise click.UsageError(
                "--rotate-server-certificates goes with --client-ca-file, without --tls-cert-file"
            )
    else:
        files = (settings.tls_cert_file, settings.tls_private_key_file, settings.client_ca_file)
        if any(files) and not all(files):
            raise click.UsageError(
                "--tls-cert-file, --tls-private-key-file and --client-ca-file go together"
            )
    try:
        asyncio.run(main(settings))
    except (ConfigError, RuntimeFailure, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
