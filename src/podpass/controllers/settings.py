"""Settings of the controller manager, one field per flag.

Defaults are those of kube-controller-manager unless a reason is given. Spans are in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ControllerManagerSettings:
    """How one controller manager runs.

    Attributes:
        kubeconfig: The API server and our certificate (`--kubeconfig`); None means inside a pod.
        root_ca_file: PEM bundle that is published to every namespace (`--root-ca-file`).
        bind_address: Where metrics and health are served (`--bind-address`).
        secure_port: HTTPS port there; any free one if it is taken; 10257 as upstream
            (`--secure-port`).
        tls_cert_file: Certificate of that server; None serves nothing (`--tls-cert-file`).
        tls_private_key_file: Its key (`--tls-private-key-file`).
        client_ca_file: CA of those who log in there with a certificate (`--client-ca-file`).
        leader_elect: Whether to wait for the lease first (`--leader-elect`).
        leader_elect_lease_duration: How long a silent leader is waited for.
        leader_elect_renew_deadline: How long a leader that cannot renew goes on.
        leader_elect_retry_period: Time between renewals, and between looks of a standby.
        leader_elect_resource_namespace: Namespace of the lease.
        leader_elect_resource_name: Name of the lease.
        node_monitor_period: How often heartbeats are looked at.
        node_monitor_grace_period: Silence after which a node is Unknown; as up to Kubernetes 1.31.
        default_toleration_seconds: How long a pod that says nothing about it stays on a node that
            is not ready or unreachable; upstream an admission plugin writes it into the pod
            (`--default-not-ready-toleration-seconds` of the API server).
        terminated_pod_gc_threshold: Finished pods that are kept; the oldest beyond are deleted.
        legacy_service_account_token_clean_up_period: Time without use after which an automatic
            token Secret is marked, and time with the mark after which it is deleted.
        cluster_signing_cert_file: The CA that signs certificates of kubelets; None signs nothing.
        cluster_signing_key_file: Its key, which only hosts that others join give to this process.
        cluster_signing_kubelet_serving_cert_file: The CA that signs what kubelets serve with; None
            for the same CA.
        cluster_signing_kubelet_serving_key_file: Its key.
        cluster_signing_duration: Longest life of a certificate that is signed.
    """

    kubeconfig: Path | None = None
    cluster_signing_cert_file: Path | None = None
    cluster_signing_key_file: Path | None = None
    cluster_signing_kubelet_serving_cert_file: Path | None = None
    cluster_signing_kubelet_serving_key_file: Path | None = None
    cluster_signing_duration: timedelta = timedelta(days=365)
    root_ca_file: Path | None = None
    bind_address: str = "127.0.0.1"
    secure_port: int = 10257
    tls_cert_file: Path | None = None
    tls_private_key_file: Path | None = None
    client_ca_file: Path | None = None
    leader_elect: bool = True
    leader_elect_lease_duration: float = 15.0
    leader_elect_renew_deadline: float = 10.0
    leader_elect_retry_period: float = 2.0
    leader_elect_resource_namespace: str = "kube-system"
    leader_elect_resource_name: str = "kube-controller-manager"
    node_monitor_period: float = 5.0
    node_monitor_grace_period: float = 40.0
    default_toleration_seconds: float = 300.0
    terminated_pod_gc_threshold: int = 12500
    legacy_service_account_token_clean_up_period: timedelta = timedelta(days=365)
