"""`podpass operator`: rolls revisions of the API server out over the nodes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from podpass.base.logs import configure_logging
from podpass.client.config import ConfigError
from podpass.operator.app import main
from podpass.operator.profiles import LEGACY, PROFILES
from podpass.operator.settings import TIMINGS, ControlPlane, OperatorSettings

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("operator")
@click.option("--kubeconfig", type=_FILE, help="API server and credentials; default: in a pod.")
@click.option(
    "--node-directory", required=True, help="Directory of a node on its host; with NODE_NAME."
)
@click.option("--store-directory", required=True, help="Directory of the store on every host.")
@click.option("--run-directory", required=True, help="Directory of unix sockets on every host.")
@click.option("--secure-port", default=6443, show_default=True, help="Port of the API.")
@click.option("--shared-ip", default="127.0.0.1", show_default=True, help="Address of the API.")
@click.option(
    "--min-token-expiration-seconds",
    default=600,
    show_default=True,
    help="Shortest life of a token that may be asked for.",
)
@click.option(
    "--signing-algorithm",
    type=click.Choice(["RS256", "ES256"]),
    default="RS256",
    show_default=True,
    help="Of new signing keys.",
)
@click.option("--signing-endpoint", default="", help="Socket of an external signer.")
@click.option("--etcd-servers", default="", help="Members of the etcd, with commas between.")
@click.option("--etcd-prefix", default="", help="Root of the cluster's keys in it.")
@click.option("--etcd-directory", default="", help="Its client certificate on every host.")
@click.option("--audit-directory", default="", help="Audit policy on every host.")
@click.option(
    "--issuer-profile",
    type=click.Choice(sorted(PROFILES)),
    default=LEGACY.name,
    show_default=True,
    help="What becomes of a former issuer: dropped at once, or trusted for 24 hours.",
)
@click.option(
    "--timing",
    type=click.Choice(sorted(TIMINGS)),
    default="short",
    show_default=True,
    help="Waiting times: for one machine, or those of OpenShift.",
)
@click.option(
    "--leader-elect/--no-leader-elect", default=True, show_default=True, help="Wait for the lease."
)
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
def command(
    kubeconfig: Path | None,
    node_directory: str,
    store_directory: str,
    run_directory: str,
    secure_port: int,
    shared_ip: str,
    min_token_expiration_seconds: int,
    signing_algorithm: str,
    signing_endpoint: str,
    etcd_servers: str,
    etcd_prefix: str,
    etcd_directory: str,
    audit_directory: str,
    issuer_profile: str,
    timing: str,
    leader_elect: bool,
    verbose: bool,
) -> None:
    """Roll revisions of the API server out over the nodes, one by one."""
    configure_logging(verbose=verbose)
    settings = OperatorSettings(
        control_plane=ControlPlane(
            node_directory=node_directory,
            store_directory=store_directory,
            run_directory=run_directory,
            port=secure_port,
            shared_ip=shared_ip,
            min_token_expiration_seconds=min_token_expiration_seconds,
            signing_algorithm=signing_algorithm,
            signing_endpoint=signing_endpoint,
            etcd_servers=etcd_servers,
            etcd_prefix=etcd_prefix,
            etcd_directory=etcd_directory,
            audit_directory=audit_directory,
        ),
        kubeconfig=kubeconfig,
        profile=PROFILES[issuer_profile],
        timing=TIMINGS[timing],
        leader_elect=leader_elect,
    )
    try:
        asyncio.run(main(settings))
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
