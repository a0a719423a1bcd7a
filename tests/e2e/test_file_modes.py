"""Owner and mode of the token file, by the pod's security context (as root only)."""

from __future__ import annotations

import os
from typing import Any

import pytest
from harness import ClusterUnderTest

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="without root a pod has one user id, and files keep their owner"
)

ROWS = {
    "neither": ({}, "644 0 0"),
    "run-as-user": ({"runAsUser": 1000}, "600 1000 0"),
    "fs-group": ({"fsGroup": 10000}, "640 0 10000"),
    "both": ({"runAsUser": 1000, "fsGroup": 10000}, "640 1000 10000"),
}


@pytest.mark.rule("volume.mode-plain", "volume.mode-user", "volume.mode-group", "volume.mode-both")
@pytest.mark.parametrize("name", ROWS)
def test_token_file(cluster: ClusterUnderTest, namespace: str, name: str) -> None:
    context, expected = ROWS[name]
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "securityContext": context,
            "containers": [
                {
                    "name": "c",
                    "image": "busybox",
                    "command": ["sleep", "600"],
                    "volumeMounts": [{"name": "v", "mountPath": "/tokens"}],
                }
            ],
            "volumes": [
                {"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}
            ],
        },
    }
    cluster.create(pod)
    cluster.wait_ready(name, namespace)
    shown = cluster.ok("exec", "-n", namespace, name, "--", "stat", "-Lc", "%a %u %g", "/tokens/t")
    assert shown.strip() == expected
    read = cluster.ok("exec", "-n", namespace, name, "--", "cat", "/tokens/t")
    assert read.count(".") == 2
