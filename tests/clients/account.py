"""A service account as a program outside of the cluster has it: a kubeconfig with its token."""

from __future__ import annotations

import json
from pathlib import Path

from harness import ClusterUnderTest


def kubeconfig_of(cluster: ClusterUnderTest, namespace: str, account: str, directory: Path) -> Path:
    """Write a kubeconfig with a new token of the account; return its path."""
    settings = json.loads(cluster.ok("config", "view", "--raw", "--minify", "-o", "json"))
    token = cluster.ok("create", "token", "-n", namespace, account).strip()
    settings["users"][0]["user"] = {"token": token}
    settings["contexts"][0]["context"]["namespace"] = namespace
    path = directory / f"{account}.kubeconfig"
    path.touch(0o600)
    path.write_text(json.dumps(settings))
    return path
