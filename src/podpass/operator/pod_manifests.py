"""The short-lived pods that the operator runs on a node: installer, pruner, certificate sync.

They log in with a client certificate, so that no change of issuer can cut them off, and are owned
by the ConfigMap of their revision, so that they go with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from podpass.api.meta import name_of, uid_of
from podpass.api.resources import Object
from podpass.operator import names
from podpass.operator.settings import OperatorSettings
from podpass.operator.static_pod_template import IMAGE, RESOURCES

MANIFESTS: Final = "/etc/kubernetes/manifests"
_LOGIN: Final = "/etc/kubernetes/installer"
_KUBECONFIG: Final = f"--kubeconfig={_LOGIN}/{names.KUBECONFIG_KEY}"


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """A node and its address."""

    name: str
    ip: str


def installer_pod(
    name: str, revision: int, node: NodeAddress, owner: Object, settings: OperatorSettings
) -> Object:
    """Return the installer pod of a revision."""
    timing = settings.timing
    args = [
        "install",
        f"--revision={revision}",
        f"--installer-name={name}",
        *_inputs("configmaps", names.REQUIRED_CONFIG_MAPS),
        *_inputs("optional-configmaps", names.OPTIONAL_CONFIG_MAPS),
        *_inputs("secrets", names.REQUIRED_SECRETS),
        *_inputs("optional-secrets", names.OPTIONAL_SECRETS),
        *_certs(node),
        f"--settle={timing.installer_settle.total_seconds():g}s",
        f"--sibling-timeout={timing.installer_siblings.total_seconds():g}s",
    ]
    return _pod(name, "installer", revision, node, owner, args, settings)


def cert_sync_pod(
    name: str, revision: int, node: NodeAddress, owner: Object, settings: OperatorSettings
) -> Object:
    """Return the pod that brings new certificates and keys to a node, without a revision."""
    args = ["sync-certs", f"--installer-name={name}", *_certs(node)]
    return _pod(name, "cert-sync", revision, node, owner, args, settings)


def pruner_pod(
    name: str,
    latest: int,
    protected: Iterable[int],
    node: NodeAddress,
    owner: Object,
    settings: OperatorSettings,
) -> Object:
    """Return the pod that removes the directories of old revisions from a node."""
    kept = ",".join(str(one) for one in sorted(protected))
    args = ["prune", f"--max-eligible-revision={latest}", f"--protected-revisions={kept}"]
    return _pod(name, "pruner", latest, node, owner, args, settings)


def _inputs(flag: str, wanted: Sequence[str]) -> list[str]:
    return [f"--{flag}={name}" for name in wanted]


def _certs(node: NodeAddress) -> list[str]:
    return [
        f"--namespace={names.OPERAND_NAMESPACE}",
        f"--node-name={node.name}",
        f"--node-ip={node.ip}",
        *_inputs("cert-configmaps", names.CERT_CONFIG_MAPS),
        *_inputs("cert-secrets", names.CERT_SECRETS),
        _KUBECONFIG,
    ]


def _pod(
    name: str,
    app: str,
    revision: int,
    node: NodeAddress,
    owner: Object,
    args: list[str],
    settings: OperatorSettings,
) -> Object:
    plane = settings.control_plane
    host_paths = {
        "static-pod-resources": (plane.node_path(node.name, "resources"), RESOURCES),
        "manifests": (plane.node_path(node.name, "manifests"), MANIFESTS),
    }
    needs_login = app != "pruner"
    mounts: list[Object] = [
        {"name": volume, "mountPath": path} for volume, (_, path) in host_paths.items()
    ]
    volumes: list[Object] = [
        {"name": volume, "hostPath": {"path": host, "type": "Directory"}}
        for volume, (host, _) in host_paths.items()
    ]
    if needs_login:
        mounts.append({"name": "login", "mountPath": _LOGIN, "readOnly": True})
        volumes.append({"name": "login", "secret": {"secretName": names.INSTALLER_KUBECONFIG}})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": names.OPERAND_NAMESPACE,
            "labels": {"app": app, names.REVISION_LABEL: str(revision)},
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "name": name_of(owner),
                    "uid": uid_of(owner),
                }
            ],
        },
        "spec": {
            "nodeName": node.name,
            "hostNetwork": True,
            "restartPolicy": "Never",
            "priorityClassName": "system-node-critical",
            "serviceAccountName": names.INSTALLER_ACCOUNT,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 5,
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {
                    "name": app,
                    "image": IMAGE,
                    "imagePullPolicy": "IfNotPresent",
                    "args": ["installer", *args],
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    "securityContext": {"privileged": True, "runAsUser": 0},
                    "volumeMounts": mounts,
                }
            ],
            "volumes": volumes,
        },
    }
