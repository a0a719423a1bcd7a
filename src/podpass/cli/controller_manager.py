"""`podpass controller-manager`: the controllers and the scheduler; one of several leads."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import click

from podpass.base.logs import configure_logging
from podpass.cli.durations import DURATION
from podpass.client.config import ConfigError
from podpass.controllers.app import main
from podpass.controllers.settings import ControllerManagerSettings

_DEFAULTS = ControllerManagerSettings()
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("controller-manager")
@click.option("--kubeconfig", type=_FILE, help="API server and credentials; default: in a pod.")
@click.option("--root-ca-file", type=_FILE, help="CA bundle to publish to every namespace.")
@click.option("--cluster-signing-cert-file", type=_FILE, help="CA for kubelets' certificates.")
@click.option("--cluster-signing-key-file", type=_FILE, help="Its key; none: nothing is signed.")
@click.option(
    "--cluster-signing-kubelet-serving-cert-file",
    type=_FILE,
    help="CA for what kubelets serve with [default: the same].",
)
@click.option("--cluster-signing-kubelet-serving-key-file", type=_FILE, help="Its key.")
@click.option(
    "--cluster-signing-duration",
    type=DURATION,
    default=_DEFAULTS.cluster_signing_duration,
    show_default="8760h",
    help="Longest life of a certificate that is signed.",
)
@click.option(
    "--bind-address",
    default=_DEFAULTS.bind_address,
    show_default=True,
    help="Where /metrics and /healthz are served.",
)
@click.option(
    "--secure-port",
    default=_DEFAULTS.secure_port,
    show_default=True,
    help="HTTPS port there; any if it is taken.",
)
@click.option("--tls-cert-file", type=_FILE, help="Certificate of that server; none: no server.")
@click.option("--tls-private-key-file", type=_FILE, help="Its key.")
@click.option("--client-ca-file", type=_FILE, help="CA of those who may log in there.")
@click.option(
    "--leader-elect/--no-leader-elect",
    default=_DEFAULTS.leader_elect,
    show_default=True,
    help="Wait for the lease before doing anything.",
)
@click.option(
    "--leader-elect-lease-duration",
    default=_DEFAULTS.leader_elect_lease_duration,
    show_default=True,
    help="Seconds that a silent leader is waited for.",
)
@click.option(
    "--leader-elect-renew-deadline",
    default=_DEFAULTS.leader_elect_renew_deadline,
    show_default=True,
    help="Seconds after which a leader that cannot renew gives up.",
)
@click.option(
    "--leader-elect-retry-period",
    default=_DEFAULTS.leader_elect_retry_period,
    show_default=True,
    help="Seconds between two renewals.",
)
@click.option(
    "--node-monitor-grace-period",
    default=_DEFAULTS.node_monitor_grace_period,
    show_default=True,
    help="Seconds of silence after which a node is Unknown.",
)
@click.option(
    "--default-toleration-seconds",
    default=_DEFAULTS.default_toleration_seconds,
    show_default=True,
    help="Seconds that pods stay on a node that is not ready or unreachable.",
)
@click.option(
    "--terminated-pod-gc-threshold",
    default=_DEFAULTS.terminated_pod_gc_threshold,
    show_default=True,
    help="Finished pods to keep.",
)
@click.option(
    "--legacy-service-account-token-clean-up-period",
    type=DURATION,
    default=_DEFAULTS.legacy_service_account_token_clean_up_period,
    show_default="8760h",
    help="Time without use after which an automatic token Secret is marked, then deleted.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
def command(
    kubeconfig: Path | None,
    root_ca_file: Path | None,
    cluster_signing_cert_file: Path | None,
    cluster_signing_key_file: Path | None,
    cluster_signing_kubelet_serving_cert_file: Path | None,
    cluster_signing_kubelet_serving_key_file: Path | None,
    cluster_signing_duration: timedelta,
    bind_address: str,
    secure_port: int,
    tls_cert_file: Path | None,
    tls_private_key_file: Path | None,
    client_ca_file: Path | None,
    leader_elect: bool,
    leader_elect_lease_duration: float,
    leader_elect_renew_deadline: float,
    leader_elect_retry_period: float,
    node_monitor_grace_period: float,
    default_toleration_seconds: float,
    terminated_pod_gc_threshold: int,
    legacy_service_account_token_clean_up_period: timedelta,
    verbose: bool,
) -> None:
    """Run the controllers and the scheduler, when this process leads."""
    if not leader_elect_lease_duration > leader_elect_renew_deadline > leader_elect_retry_period:
        raise click.UsageError(
            "--leader-elect-lease-duration must be above --leader-elect-renew-deadline, "
            "and that above --leader-elect-retry-period"
        )
    files = (tls_cert_file, tls_private_key_file, client_ca_file)
    if any(files) and not all(files):
        raise click.UsageError(
            "--tls-cert-file, --tls-private-key-file and --client-ca-file go together"
        )
    serving = (cluster_signing_kubelet_serving_cert_file, cluster_signing_kubelet_serving_key_file)
    if any(serving) and not all(serving):
        raise click.UsageError(
            "--cluster-signing-kubelet-serving-cert-file and "
            "--cluster-signing-kubelet-serving-key-file go together"
        )
    configure_logging(verbose=verbose)
    settings = ControllerManagerSettings(
        kubeconfig=kubeconfig,
        root_ca_file=root_ca_file,
        cluster_signing_cert_file=cluster_signing_cert_file,
        cluster_signing_key_file=cluster_signing_key_file,
        cluster_signing_kubelet_serving_cert_file=cluster_signing_kubelet_serving_cert_file,
        cluster_signing_kubelet_serving_key_file=cluster_signing_kubelet_serving_key_file,
        cluster_signing_duration=cluster_signing_duration,
        bind_address=bind_address,
        secure_port=secure_port,
        tls_cert_file=tls_cert_file,
        tls_private_key_file=tls_private_key_file,
        client_ca_file=client_ca_file,
        leader_elect=leader_elect,
        leader_elect_lease_duration=leader_elect_lease_duration,
        leader_elect_renew_deadline=leader_elect_renew_deadline,
        leader_elect_retry_period=leader_elect_retry_period,
        node_monitor_grace_period=node_monitor_grace_period,
        default_toleration_seconds=default_toleration_seconds,
        terminated_pod_gc_threshold=terminated_pod_gc_threshold,
        legacy_service_account_token_clean_up_period=legacy_service_account_token_clean_up_period,
    )
    try:
        asyncio.run(main(settings))
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
