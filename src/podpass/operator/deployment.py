"""The Deployment of the operator itself, and its command line.

It runs on the node's network and logs in with a client certificate: neither a restart of an API
server nor a change of issuer takes its access away.
"""

from __future__ import annotations

from typing import Final

from podpass.api.resources import Object
from podpass.operator import names
from podpass.operator.settings import TIMINGS, ControlPlane, OperatorSettings
from podpass.operator.static_pod_template import IMAGE

_LOGIN: Final = "/etc/kubernetes/operator"
_LABELS: Final = {"app": names.OPERATOR}


def _etcd(plane: ControlPlane) -> tuple[tuple[str, str], ...]:
    return (
        ("--etcd-servers", plane.etcd_servers),
        ("--etcd-prefix", plane.etcd_prefix),
        ("--etcd-directory", plane.etcd_directory),
    )


def operator_arguments(settings: OperatorSettings) -> list[str]:
    """Return the flags of `podpass operator` that say what `settings` say, but for the login."""
    plane = settings.control_plane
    timing = next((name for name, one in TIMINGS.items() if one == settings.timing), "short")
    return [
        f"--node-directory={plane.node_directory}",
        f"--store-directory={plane.store_directory}",
        f"--run-directory={plane.run_directory}",
        f"--secure-port={plane.port}",
        f"--shared-ip={plane.shared_ip}",
        f"--min-token-expiration-seconds={plane.min_token_expiration_seconds}",
        f"--signing-algorithm={plane.signing_algorithm}",
        *([f"--signing-endpoint={plane.signing_endpoint}"] if plane.signing_endpoint else []),
        *([f"--audit-directory={plane.audit_directory}"] if plane.audit_directory else []),
        *(f"{flag}={value}" for flag, value in _etcd(plane) if value),
        f"--issuer-profile={settings.profile.name}",
        f"--timing={timing}",
    ]


def operator_deployment(settings: OperatorSettings) -> Object:
    """Return the Deployment."""
    login = f"{_LOGIN}/{names.KUBECONFIG_KEY}"
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": names.OPERATOR,
            "namespace": names.OPERATOR_NAMESPACE,
            "labels": dict(_LABELS),
        },
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": dict(_LABELS)},
            "template": {
                "metadata": {"labels": dict(_LABELS)},
                "spec": {
                    "hostNetwork": True,
                    "priorityClassName": "system-cluster-critical",
                    "serviceAccountName": names.OPERATOR,
                    "automountServiceAccountToken": False,
                    "terminationGracePeriodSeconds": 10,
                    "tolerations": [{"operator": "Exists"}],
                    "containers": [
                        {
                            "name": names.OPERATOR,
                            "image": IMAGE,
                            "imagePullPolicy": "IfNotPresent",
                            "terminationMessagePolicy": "FallbackToLogsOnError",
                            "args": [
                                "operator",
                                f"--kubeconfig={login}",
                                *operator_arguments(settings),
                            ],
                            "env": [{"name": "MALLOC_ARENA_MAX", "value": "1"}],
                            "volumeMounts": [
                                {"name": "login", "mountPath": _LOGIN, "readOnly": True}
                            ],
                        }
                    ],
                    "volumes": [
                        {"name": "login", "secret": {"secretName": names.OPERATOR_KUBECONFIG}}
                    ],
                },
            },
        },
    }
