"""The static pod that the operator does not manage: the controller manager of each node.

It sees its kubeconfig and the CA certificate only, below MOUNTED_RESOURCES. The key of the CA stays
outside of all pods, but for the controller manager of a host that others join: it signs
certificates. The API server's manifest comes from `podpass.operator`.
"""

from __future__ import annotations

from pathlib import Path

import orjson

from podpass.api.resources import Object
from podpass.bootstrap.cluster import ClusterNode
from podpass.bootstrap.home import Home

MOUNTED_RESOURCES = "/etc/kubernetes/static-pod-resources"
IMAGE = "podpass"
SERVING_CA = "kubelet-serving-ca"
"""Stem of the files of the CA for the servers of kubelets on hosts that joined."""


def _static_pod(name: str, args: list[str], mounts: dict[str, tuple[Path, bool]]) -> Object:
    """Return a pod on the node's network; `mounts`: container path to (host path, writable)."""
    volumes = []
    volume_mounts = []
    for index, (container_path, (host_path, writable)) in enumerate(mounts.items()):
        volume = f"host-{index}"
        volumes.append({"name": volume, "hostPath": {"path": str(host_path), "type": "Directory"}})
        mount: Object = {"name": volume, "mountPath": container_path}
        volume_mounts.append(mount if writable else mount | {"readOnly": True})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "kube-system",
            "labels": {"component": name, "tier": "control-plane"},
        },
        "spec": {
            "hostNetwork": True,
            "priorityClassName": "system-node-critical",
            "terminationGracePeriodSeconds": 10,
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {
                    "name": name,
                    "image": IMAGE,
                    "imagePullPolicy": "IfNotPresent",
                    "args": args,
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    # One arena: threads only sign, and memory is counted.
                    "env": [{"name": "MALLOC_ARENA_MAX", "value": "1"}],
                    "volumeMounts": volume_mounts,
                }
            ],
            "volumes": volumes,
        },
    }


def controller_manager_pod(
    home: Home,
    node: ClusterNode,
    *,
    signs: bool = False,
    serving_ca: bool = False,
    signing_seconds: int = 0,
    metrics_address: str = "",
) -> Object:
    """Return the manifest of the node's kube-controller-manager.

    Args:
        home: Where its files are.
        node: Where it runs.
        signs: Whether it has the CA's key.
        serving_ca: Whether it has the CA of kubelets' servers, too.
        signing_seconds: How long what it signs is good; 0 for as long as it says itself.
        metrics_address: Where it serves its metrics; empty: it has no certificate to do so.
    """
    files = MOUNTED_RESOURCES
    args = [
        "controller-manager",
        f"--kubeconfig={files}/controller-manager.kubeconfig",
        f"--root-ca-file={files}/ca.crt",
        "--leader-elect",
    ]
    if signs:
        args += [
            f"--cluster-signing-cert-file={files}/ca.crt",
            f"--cluster-signing-key-file={files}/ca.key",
        ]
        if serving_ca:
            args += [
                f"--cluster-signing-kubelet-serving-cert-file={files}/{SERVING_CA}.crt",
                f"--cluster-signing-kubelet-serving-key-file={files}/{SERVING_CA}.key",
            ]
        if signing_seconds:
            args.append(f"--cluster-signing-duration={signing_seconds}s")
    if metrics_address:
        args += [
            f"--bind-address={metrics_address}",
            f"--tls-cert-file={files}/tls.crt",
            f"--tls-private-key-file={files}/tls.key",
            f"--client-ca-file={files}/ca.crt",
        ]
    resources = home.node(node.name).resources / "kube-controller-manager"
    return _static_pod("kube-controller-manager", args, {files: (resources, False)})


def render(pod: Object) -> bytes:
    """Return the manifest as a file's content; JSON is YAML too."""
    return orjson.dumps(pod, option=orjson.OPT_INDENT_2)
