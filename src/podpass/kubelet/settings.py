"""Everything about a kubelet that can be chosen; each field names its unit and upstream flag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class KubeletSettings:
    """The settings of one kubelet.

    Attributes:
        node_name: Name of the Node object; upstream `--hostname-override`.
        node_ip: Address of the node; upstream `--node-ip`.
        root_dir: Pods and their volumes; upstream `--root-dir`.
        manifest_dir: Static pod manifests; None for no static pods; upstream `--pod-manifest-path`.
        kubeconfig: How to reach the API, once there is one; upstream `--kubeconfig`.
        bootstrap_kubeconfig: How to ask for a first client certificate; then it is rotated too;
            None: the kubeconfig is complete; upstream `--bootstrap-kubeconfig`.
        cert_dir: Where the certificates that it asks for are kept; None is `pki` in root_dir;
            upstream `--cert-dir`.
        runtime_dir: State of the embedded runtime; ours.
        images_dir: Image catalog; ours.
        pod_logs_dir: Logs of the containers; upstream `podLogsDir`.
        port: HTTPS port on `node_ip`; when it is taken, any free port, which the Node object
            names; 0 is any; upstream `--port`.
        tls_cert_file: Serving certificate; None: see below; upstream `--tls-cert-file`.
        tls_private_key_file: Its key; upstream `--tls-private-key-file`.
        rotate_server_certificates: Whether to ask for a serving certificate, and for the next one
            in time; without it and without a file nothing is served; upstream
            `--rotate-server-certificates`, `serverTLSBootstrap`.
        client_ca_file: Who may call; upstream `--client-ca-file`.
        pod_cidr: Addresses for pods; upstream `--pod-cidr`.
        api_endpoints: Unix sockets of API servers, for pods with a network of their own; ours.
        relay_to: API servers of other hosts, which the first of these sockets then leads to; ours.
        cluster_service_address: Where those pods find the API; ours.
        service_host_for_host_network: Where pods on the node's network find the API; ours.
        service_port: Port of the API there; ours.
        node_labels: Labels of the Node object; upstream `--node-labels`.
        sync_frequency: Seconds after which a pod is looked at although nothing happened, lengthened
            by up to half; 60 as upstream; upstream `--sync-frequency`.
        manifest_poll: Seconds between two looks at the manifest directory; 1 s since a look costs
            one system call (upstream 20 s); upstream `--file-check-frequency`.
        lease_renewal: Seconds between renewals of the node's Lease, a quarter of its duration;
            upstream `nodeLeaseDurationSeconds` / 4.
        status_report: Seconds after which an unchanged node status is written again; 300 as
            upstream `nodeStatusReportFrequency`.
        restart_backoff: Seconds of the first back-off of a crashing container; 10 as upstream.
        restart_backoff_maximum: Seconds of the longest; upstream
            `maxContainerRestartPeriod`.
        image_backoff: Seconds of the first back-off of an image that is not there; 2, since
            looking into a local catalog costs nothing (upstream 10).
        image_backoff_maximum: Seconds of the longest; 15, so that a pod starts soon after
            `podpass image add` (upstream 300).
        mount_retry: Seconds before volumes that failed are tried again; doubles to its maximum;
            0.2, since what is missing is mostly still being made (upstream 0.5).
        mount_retry_maximum: Seconds of the longest such wait; 10 (upstream 122).
        stop_grace: Seconds that pods have to end when the kubelet is told to stop them; 5.
        max_pods: Pods of this node; upstream `--max-pods`.
        container_log_max_size: Bytes at which a container's log is rotated; 10 MiB as upstream
            `containerLogMaxSize`.
        container_log_max_files: Files of a container's log that are kept, the current one
            included; 5 as upstream `containerLogMaxFiles`.
    """

    node_name: str
    node_ip: str
    root_dir: Path
    kubeconfig: Path
    runtime_dir: Path
    images_dir: Path
    pod_logs_dir: Path
    bootstrap_kubeconfig: Path | None = None
    cert_dir: Path | None = None
    manifest_dir: Path | None = None
    port: int = 10250
    tls_cert_file: Path | None = None
    tls_private_key_file: Path | None = None
    rotate_server_certificates: bool = False
    client_ca_file: Path | None = None
    pod_cidr: str = "10.128.0.0/24"
    api_endpoints: tuple[Path, ...] = ()
    relay_to: tuple[tuple[str, int], ...] = ()
    cluster_service_address: tuple[str, int] = ("172.30.0.1", 443)
    service_host_for_host_network: str = "127.0.0.1"
    service_port: int = 6443
    node_labels: Mapping[str, str] = field(default_factory=dict)
    sync_frequency: float = 60.0
    manifest_poll: float = 1.0
    lease_renewal: float = 10.0
    status_report: float = 300.0
    restart_backoff: float = 10.0
    restart_backoff_maximum: float = 300.0
    image_backoff: float = 2.0
    image_backoff_maximum: float = 15.0
    mount_retry: float = 0.2
    mount_retry_maximum: float = 10.0
    stop_grace: float = 5.0
    max_pods: int = 110
    container_log_max_size: int = 10 * 1024 * 1024
    container_log_max_files: int = 5

    @property
    def serves(self) -> bool:
        """Whether there is an HTTPS server."""
        return self.tls_cert_file is not None or self.rotate_server_certificates

    @property
    def certificate_directory(self) -> Path:
        """Where certificates are kept that the kubelet asked for."""
        return self.cert_dir or self.root_dir / "pki"

    def pod_directory(self, uid: str) -> Path:
        """Return the directory of one pod."""
        return self.root_dir / "pods" / uid
