"""Settings of the operator, and the two sets of waiting times.

`short` makes a rollout over three nodes take about ten seconds; `openshift` has the times of a real
cluster. Spans are timedeltas.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from podpass.operator.installer import InstallerTiming
from podpass.operator.profiles import LEGACY, Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long is waited for what.

    Attributes:
        min_ready: A static pod is ready this long before the next node's turn.
        installer_settle: An installer waits, in case a newer one is on its way.
        installer_siblings: How long it waits for other installers on its node to end.
        installer_retry: Base of the wait after a failed installer.
        installer_retry_limit: Longest such wait.
        shutdown_delay: An API server goes on after its readiness fell
            (`--shutdown-delay-duration`).
        termination_grace: Time for an API server to end, in whole seconds.
        readiness_period: Time between two probes, in whole seconds.
        installer_pending: A pending installer pod is reported after this.
        static_pod_missing: So is a static pod that does not show up, on top of the grace.
        degraded_inertia: The ClusterOperator overlooks younger trouble.
        resync: Everything is looked at again at this interval.
    """

    min_ready: timedelta
    installer_settle: timedelta
    installer_siblings: timedelta
    installer_retry: timedelta
    installer_retry_limit: timedelta
    shutdown_delay: timedelta
    termination_grace: timedelta
    readiness_period: timedelta
    installer_pending: timedelta
    static_pod_missing: timedelta
    degraded_inertia: timedelta
    resync: timedelta

    @property
    def installer(self) -> InstallerTiming:
        """The times of the state machine."""
        return InstallerTiming(self.min_ready, self.installer_retry, self.installer_retry_limit)


def _seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


SHORT: Final = Timing(
    min_ready=_seconds(1),
    installer_settle=_seconds(0),
    installer_siblings=_seconds(10),
    installer_retry=_seconds(1),
    installer_retry_limit=_seconds(30),
    shutdown_delay=_seconds(0.5),
    termination_grace=_seconds(10),
    readiness_period=_seconds(1),
    installer_pending=_seconds(15),
    static_pod_missing=_seconds(15),
    degraded_inertia=_seconds(5),
    resync=_seconds(60),
)
OPENSHIFT: Final = Timing(
    min_ready=_seconds(30),
    installer_settle=_seconds(30),
    installer_siblings=_seconds(60),
    installer_retry=_seconds(10),
    installer_retry_limit=_seconds(600),
    shutdown_delay=_seconds(70),
    termination_grace=_seconds(135),
    readiness_period=_seconds(5),
    installer_pending=_seconds(300),
    static_pod_missing=_seconds(150),
    degraded_inertia=_seconds(120),
    resync=_seconds(60),
)
TIMINGS: Final = {"short": SHORT, "openshift": OPENSHIFT}


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane:
    """Where the parts of the control plane are on every node.

    `NODE_NAME` and `NODE_IP` stand for those of the node; the installer puts them in.

    Attributes:
        node_directory: Host directory of a node: `manifests` and `resources` are below it.
        store_directory: Host directory of the database.
        run_directory: Host directory of the unix sockets.
        port: TCP port of the API.
        shared_ip: Address at which every API server answers.
        min_token_expiration_seconds: Shortest life of a token that may be asked for.
        signing_algorithm: Of keys that the operator makes: `RS256` or `ES256`.
        signing_endpoint: Socket of an external signer on every host: a path, or `@name`.
        etcd_servers: Members of the etcd that keeps the objects, with commas between; empty for
            the database in `store_directory`.
        etcd_prefix: Root of the cluster's keys there.
        etcd_directory: Host directory with `ca.crt`, `client.crt` and `client.key`; empty if the
            etcd asks for no certificate.
        audit_directory: Host directory of the audit policy; empty: nothing is logged.
    """

    node_directory: str
    store_directory: str
    run_directory: str
    port: int = 6443
    shared_ip: str = "127.0.0.1"
    min_token_expiration_seconds: int = 600
    signing_algorithm: str = "RS256"
    signing_endpoint: str = ""
    etcd_servers: str = ""
    etcd_prefix: str = ""
    etcd_directory: str = ""
    audit_directory: str = ""

    def node_path(self, node: str, name: str) -> str:
        """Return the host path of `manifests` or `resources` of a node."""
        return f"{self.node_directory.replace('NODE_NAME', node)}/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSettings:
    """How one operator runs.

    Attributes:
        control_plane: Where things are.
        kubeconfig: The API server and our certificate; None means inside a pod.
        profile: What happens to the former issuer.
        timing: Waiting times.
        leader_elect: Whether to wait for the lease first.
        lease_duration: Seconds that a silent leader is waited for.
        renew_deadline: Seconds after which a leader that cannot renew gives up.
        retry_period: Seconds between renewals.
    """

    control_plane: ControlPlane
    kubeconfig: Path | None = None
    profile: Profile = LEGACY
    timing: Timing = SHORT
    leader_elect: bool = True
    lease_duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0
