"""Pods whose only container is a client that logs in as its pod, with tokens that live briefly."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from harness import ClusterUnderTest, eventually

from tests.clients.installed import (
    KUBECTLS,
    NODE_PROGRAMS,
    OLD_KUBECTL,
    PROGRAMS,
    VENV,
    node,
    python,
    tool,
)

NAMESPACE = "rotation"
ACCOUNT = "build-robot"
SHORT_LIFE = 20
"""Seconds of a token's life; the kubelet asks anew at 80 % of it."""
SHORT_CACHE = 1
"""Seconds that a client goes on with a token it has read, in place of its own minute."""
TOKENS = "/var/run/secrets/kubernetes.io/serviceaccount"

CLIENTS = (
    "kubernetes",
    "kubernetes-asyncio",
    "lightkube",
    "kr8s",
    "kubectl",
    "@kubernetes/client-node",
)
AFTER_REFUSAL = ("lightkube", "kr8s")
"""They read the token's file again after a 401, which comes a minute after the token's end."""


def command_of(client: str) -> list[str]:
    """Return a client's program; skips the test if it is not installed."""
    if client == "@kubernetes/client-node":
        return node("in_cluster.mjs")
    program = python(f"in_cluster_{client.replace('-', '_')}.py")
    return (
        [*program, str(tool(KUBECTLS[OLD_KUBECTL], "kubectl"))] if client == "kubectl" else program
    )


@dataclass
class RotatingPods:
    """The pods, by client.

    Attributes:
        cluster: Where they run.
        life: Seconds of a token's life; 0 for a short one, where clients read the file anew
            every second instead of every minute.
        skipped: Why a client has no pod.
    """

    cluster: ClusterUnderTest
    life: int
    skipped: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Create a pod for every client that is installed."""
        self.cluster.ok("create", "namespace", NAMESPACE)
        self.cluster.ok("create", "-n", NAMESPACE, "sa", ACCOUNT)
        pods = []
        for client in CLIENTS:
            try:
                command = command_of(client)
            except pytest.skip.Exception as reason:
                self.skipped[client] = str(reason)
            else:
                pods.append(self._pod(client, command))
        if pods:
            self.cluster.create({"apiVersion": "v1", "kind": "List", "items": pods})

    def outcome(self, client: str) -> dict[str, Any]:
        """Wait until a client's first token has expired, and return what its program said."""
        if client in self.skipped:
            pytest.skip(self.skipped[client])
        name = pod_name(client)

        def phase() -> str:
            path = "jsonpath={.status.phase}"
            return self.cluster.ok("get", "pod", "-n", NAMESPACE, name, "-o", path)

        eventually(lambda: phase() != "Pending", what=f"{name} starts")
        ended = {"Succeeded", "Failed"}
        eventually(lambda: phase() in ended, within=2 * (self.life or SHORT_LIFE) + 60, what=name)
        log = self.cluster.ok("logs", "-n", NAMESPACE, name)
        assert phase() == "Succeeded", log
        said: dict[str, Any] = json.loads(log.splitlines()[-1])
        return said

    def _pod(self, client: str, command: list[str]) -> dict[str, Any]:
        shown = [VENV, PROGRAMS, NODE_PROGRAMS]
        environment = {"TOKEN_LIFE_SECONDS": self.life or SHORT_LIFE, "HOME": "/tmp"}
        if not self.life:
            environment["TOKEN_CACHE_SECONDS"] = SHORT_CACHE
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod_name(client), "namespace": NAMESPACE},
            "spec": {
                "serviceAccountName": ACCOUNT,
                "automountServiceAccountToken": False,
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 0,
                "containers": [
                    {
                        "name": "client",
                        "image": "python",
                        "command": command,
                        "env": [{"name": k, "value": str(v)} for k, v in environment.items()],
                        "volumeMounts": [
                            {"name": "token", "mountPath": TOKENS},
                            *(
                                {"name": f"shown-{n}", "mountPath": str(path), "readOnly": True}
                                for n, path in enumerate(shown)
                            ),
                        ],
                    }
                ],
                "volumes": [
                    {"name": "token", "projected": {"sources": self._sources()}},
                    *(
                        {"name": f"shown-{n}", "hostPath": {"path": str(path)}}
                        for n, path in enumerate(shown)
                    ),
                ],
            },
        }

    def _sources(self) -> list[dict[str, Any]]:
        life = self.life or SHORT_LIFE
        namespace = {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}
        return [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": life}},
            {"configMap": {"name": "kube-root-ca.crt"}},
            {"downwardAPI": {"items": [namespace]}},
        ]


def pod_name(client: str) -> str:
    """Return the name of a client's pod."""
    return "".join(c if c.isalnum() else "-" for c in client).strip("-")
