"""Static pod manifests of the control plane: what each node's kubelet runs before any API exists.

Every pod sees only the files that it needs, below MOUNTED_RESOURCES: the API server the serving
certificate, the signing key and its client certificate for kubelets; the controller manager its
kubeconfig and the CA certificate. The CA key stays outside of all pods.
"""

from __future__ import annotations

from pathlib import Path

import orjson

from podpass.api.resources import Object
from podpass.bootstrap.cluster import SHARED_IP, Cluster, ClusterNode
from podpass.bootstrap.home import Home

MOUNTED_RESOURCES = "/etc/kubernetes/static-pod-resources"
MOUNTED_STORE = "/var/lib/podpass/store"
MOUNTED_RUN = "/var/lib/podpass/run"
IMAGE = "podpass"

API_SERVER_FILES = (
    "ca.crt",
    "apiserver.crt",
    "apiserver.key",
    "apiserver-kubelet-client.crt",
    "apiserver-kubelet-client.key",
    "sa.key",
    "sa.pub",
)
"""Files of `pki/` that the API server may read."""


def _probe(path: str, node: ClusterNode, cluster: Cluster, **fields: int) -> Object:
    target = {"host": node.ip, "port": cluster.port, "path": path, "scheme": "HTTPS"}
    return {"httpGet": target} | fields


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
                    # One arena: threads only sign, and memory is counted.
                    "env": [{"name": "MALLOC_ARENA_MAX", "value": "1"}],
                    "volumeMounts": volume_mounts,
                }
            ],
            "volumes": volumes,
        },
    }


def api_server_pod(home: Home, cluster: Cluster, node: ClusterNode) -> Object:
    """Return the manifest of the node's kube-apiserver."""
    files = MOUNTED_RESOURCES
    args = [
        "apiserver",
        f"--bind-address={SHARED_IP}",
        f"--bind-address={node.ip}",
        f"--advertise-address={node.ip}",
        f"--secure-port={cluster.port}",
        f"--unix-socket={MOUNTED_RUN}/{home.api_socket(node.name).name}",
        f"--storage=sqlite://{MOUNTED_STORE}/podpass.db",
        f"--client-ca-file={files}/ca.crt",
        f"--tls-cert-file={files}/apiserver.crt",
        f"--tls-private-key-file={files}/apiserver.key",
        f"--kubelet-certificate-authority={files}/ca.crt",
        f"--kubelet-client-certificate={files}/apiserver-kubelet-client.crt",
        f"--kubelet-client-key={files}/apiserver-kubelet-client.key",
        f"--service-account-issuer={cluster.issuer}",
        f"--service-account-signing-key-file={files}/sa.key",
        f"--service-account-key-file={files}/sa.pub",
        f"--service-account-min-token-expiration={cluster.min_token_expiration_seconds}s",
    ]
    pod = _static_pod(
        "kube-apiserver",
        args,
        {
            files: (home.node(node.name).resources / "kube-apiserver", False),
            MOUNTED_STORE: (home.store, True),
            MOUNTED_RUN: (home.run, True),
        },
    )
    pod["spec"]["containers"][0] |= {
        "startupProbe": _probe("/livez", node, cluster, periodSeconds=1, failureThreshold=60),
        "livenessProbe": _probe("/livez", node, cluster, periodSeconds=10, timeoutSeconds=10),
        "readinessProbe": _probe("/readyz", node, cluster, periodSeconds=5, timeoutSeconds=5),
    }
    return pod


def controller_manager_pod(home: Home, node: ClusterNode) -> Object:
    """Return the manifest of the node's kube-controller-manager."""
    files = MOUNTED_RESOURCES
    args = [
        "controller-manager",
        f"--kubeconfig={files}/controller-manager.kubeconfig",
        f"--root-ca-file={files}/ca.crt",
        "--leader-elect",
    ]
    resources = home.node(node.name).resources / "kube-controller-manager"
    return _static_pod("kube-controller-manager", args, {files: (resources, False)})


def render(pod: Object) -> bytes:
    """Return the manifest as a file's content; JSON is YAML too."""
    return orjson.dumps(pod, option=orjson.OPT_INDENT_2)
