"""helm 3 and helm 4 with a service account's token: a release from its start to its end."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness import ClusterUnderTest

from tests.clients.account import kubeconfig_of
from tests.clients.installed import HELMS, HERE, tool

CHART = HERE / "chart"


@dataclass
class Helm:
    """A helm of some version, with a home of its own, in a namespace."""

    path: Path
    kubeconfig: Path
    home: Path

    def ok(self, *arguments: str) -> str:
        """Run it, which must succeed, and return what it printed."""
        done = subprocess.run(
            [str(self.path), *arguments],
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
            env=os.environ | {"KUBECONFIG": str(self.kubeconfig), "HOME": str(self.home)},
        )
        assert done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr}{done.stdout}"
        return done.stdout

    def releases(self) -> list[tuple[str, str, str]]:
        """Return name, revision and status of each release."""
        listed: list[dict[str, Any]] = json.loads(self.ok("list", "-o", "json"))
        return [(one["name"], one["revision"], one["status"]) for one in listed]


@pytest.mark.tried("install, list, upgrade, test, rollback, history, uninstall")
@pytest.mark.parametrize(
    "version", [pytest.param(one, marks=pytest.mark.client(one)) for one in HELMS]
)
def test_a_release_is_installed_upgraded_rolled_back_and_uninstalled(
    version: str, cluster: ClusterUnderTest, namespace: str, tmp_path: Path
) -> None:
    program = tool(HELMS[version], "helm")
    cluster.ok(
        "create", "-n", namespace, "rolebinding", "build-robot", "--clusterrole=admin",
        f"--serviceaccount={namespace}:build-robot",
    )  # fmt: skip
    helm = Helm(program, kubeconfig_of(cluster, namespace, "build-robot", tmp_path), tmp_path)
    waiting = ("--wait", "--timeout", "60s")

    helm.ok("install", "shop", str(CHART), *waiting)
    assert helm.releases() == [("shop", "1", "deployed")]
    settings = cluster.get("-n", namespace, "cm", "shop")
    assert settings["data"]["colour"] == "blue"
    assert settings["data"]["kubernetes"].startswith("v1.36.")
    assert settings["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    pods = ("-n", namespace, "exec", "deployment/shop", "--")
    assert cluster.ok(*pods, "cat", "/var/run/secrets/tokens/token").count(".") == 2

    helm.ok("upgrade", "shop", str(CHART), "--set", "colour=red,replicas=2", *waiting)
    assert helm.releases() == [("shop", "2", "deployed")]
    assert cluster.get("-n", namespace, "cm", "shop")["data"]["colour"] == "red"
    assert cluster.get("-n", namespace, "deployment", "shop")["status"]["readyReplicas"] == 2
    assert "Succeeded" in helm.ok("test", "shop", "--timeout", "60s")

    helm.ok("rollback", "shop", "1", *waiting)
    assert helm.releases() == [("shop", "3", "deployed")]
    assert cluster.get("-n", namespace, "cm", "shop")["data"]["colour"] == "blue"
    assert cluster.get("-n", namespace, "deployment", "shop")["spec"]["replicas"] == 1
    history = json.loads(helm.ok("history", "shop", "-o", "json"))
    assert [one["status"] for one in history] == ["superseded", "superseded", "deployed"]

    helm.ok("uninstall", "shop", *waiting)
    assert helm.releases() == []
    gone = cluster.get("-n", namespace, "cm,deployments,roles,rolebindings,sa,secrets")["items"]
    assert "shop" not in {one["metadata"]["name"] for one in gone}
