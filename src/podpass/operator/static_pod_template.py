"""The pod of the API server, with `REVISION`, `NODE_NAME` and `NODE_IP` where a node's stand.

It sees three directories: the resources of its revision, the certificates, and the store, or what
it is known by at an etcd, and listens on a unix socket in a fourth. The socket of an external
signer is in a fifth. The installer, or the first start of a home, fills it in.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

import orjson

from podpass.api.resources import Object
from podpass.operator.names import OPERAND_NAMESPACE, REVISION_LABEL, STATIC_POD
from podpass.operator.settings import ControlPlane, Timing

RESOURCES: Final = "/etc/kubernetes/static-pod-resources"
CERTS: Final = "/etc/kubernetes/static-pod-certs"
STORE: Final = "/var/lib/podpass/store"
RUN: Final = "/var/lib/podpass/run"
SIGNER: Final = "/var/lib/podpass/signer"
ETCD: Final = "/etc/kubernetes/etcd"
AUDIT: Final = "/etc/kubernetes/audit"
AUDIT_POLICY: Final = "policy.yaml"
POD_PREFIX: Final = "kube-apiserver-pod"
"""Directory of a revision: `kube-apiserver-pod-12`."""

CERT_DIRECTORY: Final = "kube-apiserver-certs"
MANIFEST: Final = "kube-apiserver.yaml"
IMAGE: Final = "podpass"
CONFIG_FILE: Final = f"{RESOURCES}/configmaps/config/config.yaml"

_LOG_LEVELS: Final = {"": 2, "Normal": 2, "Debug": 4, "Trace": 6, "TraceAll": 10}


def signing_endpoint(plane: ControlPlane) -> str:
    """Return where the external signer's socket is for the API server.

    An abstract socket belongs to the network, which the pod shares with its node; of any other the
    directory is mounted, so that a signer that starts anew, with a new socket, is found.
    """
    endpoint = plane.signing_endpoint
    return endpoint if endpoint.startswith("@") else f"{SIGNER}/{PurePosixPath(endpoint).name}"


def fill_in(text: str, *, revision: int, node_name: str, node_ip: str) -> str:
    """Return a template with the values of a node."""
    return (
        text.replace("REVISION", str(revision))
        .replace("NODE_NAME", node_name)
        .replace("NODE_IP", node_ip)
    )


def static_pod(plane: ControlPlane, timing: Timing, *, log_level: str = "") -> Object:
    """Return the template.

    Args:
        plane: Where things are.
        timing: For the grace and the probes.
        log_level: `spec.logLevel` of the KubeAPIServer; its number is an annotation, so that a
            change of it is a change of the pod.
    """
    resources = plane.node_path("NODE_NAME", "resources")
    mounts = [
        ("resource-dir", f"{resources}/{POD_PREFIX}-REVISION", RESOURCES, True),
        ("cert-dir", f"{resources}/{CERT_DIRECTORY}", CERTS, True),
        ("run", plane.run_directory, RUN, False),
    ]
    if not plane.etcd_servers:
        mounts.append(("store", plane.store_directory, STORE, False))
    elif plane.etcd_directory:
        mounts.append(("etcd-client", plane.etcd_directory, ETCD, True))
    if plane.signing_endpoint and not plane.signing_endpoint.startswith("@"):
        directory = str(PurePosixPath(plane.signing_endpoint).parent)
        mounts.append(("signer", directory, SIGNER, True))
    if plane.audit_directory:
        mounts.append(("audit-policy", plane.audit_directory, AUDIT, True))
    period = max(1, round(timing.readiness_period.total_seconds()))
    startup = {"periodSeconds": 1, "failureThreshold": 150, "timeoutSeconds": 10}
    liveness = {"periodSeconds": 10, "failureThreshold": 3, "timeoutSeconds": 10}
    readiness = {"periodSeconds": period, "failureThreshold": 3, "timeoutSeconds": 10}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": STATIC_POD,
            "namespace": OPERAND_NAMESPACE,
            "labels": {
                "app": OPERAND_NAMESPACE,
                "apiserver": "true",
                REVISION_LABEL: "REVISION",
            },
            "annotations": {"operator.openshift.io/verbosity": str(_LOG_LEVELS.get(log_level, 2))},
        },
        "spec": {
            "hostNetwork": True,
            "priorityClassName": "system-node-critical",
            "terminationGracePeriodSeconds": round(timing.termination_grace.total_seconds()),
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {
                    "name": STATIC_POD,
                    "image": IMAGE,
                    "imagePullPolicy": "IfNotPresent",
                    "args": ["apiserver", f"--openshift-config={CONFIG_FILE}"],
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    # One arena: threads only sign, and memory is counted.
                    "env": [{"name": "MALLOC_ARENA_MAX", "value": "1"}],
                    "volumeMounts": [
                        {"name": name, "mountPath": path} | ({"readOnly": True} if fixed else {})
                        for name, _, path, fixed in mounts
                    ],
                    "startupProbe": _probe("/livez", plane) | startup,
                    "livenessProbe": _probe("/livez", plane) | liveness,
                    "readinessProbe": _probe("/readyz", plane) | readiness,
                }
            ],
            "volumes": [
                {"name": name, "hostPath": {"path": host, "type": "Directory"}}
                for name, host, _, _ in mounts
            ],
        },
    }


def render_manifest(pod: Object) -> str:
    """Return the manifest as text; JSON is YAML too."""
    return orjson.dumps(pod, option=orjson.OPT_INDENT_2).decode()


def _probe(path: str, plane: ControlPlane) -> Object:
    target = {"host": "NODE_IP", "port": plane.port, "path": path, "scheme": "HTTPS"}
    return {"httpGet": target}
