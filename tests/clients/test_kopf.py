"""An operator written with kopf, in its own process, with the token of a service account."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import ClusterUnderTest, eventually

from tests.clients.account import kubeconfig_of
from tests.clients.installed import PROGRAMS, python_module

ROBOTS = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "robots.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "robots", "singular": "robot", "kind": "Robot"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {
                            "spec": {
                                "type": "object",
                                "required": ["colour"],
                                "properties": {"colour": {"type": "string"}},
                            },
                            "status": {
                                "type": "object",
                                "x-kubernetes-preserve-unknown-fields": True,
                            },
                        },
                    }
                },
            }
        ],
    },
}
RIGHTS = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "kopf-operator"},
    "rules": [
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "verbs": ["list", "watch"],
        },
        {
            "apiGroups": [""],
            "resources": ["namespaces"],
            "verbs": ["list", "watch"],
        },
        {
            "apiGroups": ["", "example.com"],
            "resources": ["configmaps", "robots", "robots/status"],
            "verbs": ["get", "list", "watch", "create", "patch"],
        },
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    ],
}
FINALIZER = "kopf.zalando.org/KopfFinalizerMarker"
GREETING = "example.com/greeting"


class Operator:
    """The process, which can be stopped and started again."""

    def __init__(self, namespace: str, kubeconfig: Path, home: Path) -> None:
        self._command = [
            *python_module("kopf"), "run", "--standalone", "--namespace", namespace,
            str(PROGRAMS / "operator_kopf.py"),
        ]  # fmt: skip
        self._environment = {"KUBECONFIG": str(kubeconfig), "HOME": str(home)}
        self._said = home / "operator.out"
        self._log = home / "operator.err"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._said.open("ab") as out, self._log.open("ab") as err:
            self._process = subprocess.Popen(
                self._command, stdout=out, stderr=err, env=os.environ | self._environment
            )

    def stop(self) -> None:
        """End it as systemd or a kubelet would, and look at how it ended."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        assert code in {0, -signal.SIGTERM}, self.log()

    def handled(self) -> list[tuple[str, str]]:
        """Return the handlers that were called, each with the object's name."""
        lines = self._said.read_text().splitlines()
        return [(one["handler"], one["name"]) for one in map(json.loads, lines)]

    def log(self) -> str:
        return self._log.read_text()


@pytest.fixture
def operator(cluster: ClusterUnderTest, namespace: str, tmp_path: Path) -> Iterator[Operator]:
    for shared in (RIGHTS, ROBOTS):
        cluster.ok("apply", "-f", "-", stdin=json.dumps(shared))
    cluster.ok("wait", "--for=condition=Established", "crd/robots.example.com", "--timeout=30s")
    account = f"--serviceaccount={namespace}:build-robot"
    cluster.ok("create", "clusterrolebinding", namespace, "--clusterrole=kopf-operator", account)
    one = Operator(namespace, kubeconfig_of(cluster, namespace, "build-robot", tmp_path), tmp_path)
    one.start()
    try:
        yield one
    finally:
        one.stop()


@pytest.mark.client("kopf")
@pytest.mark.tried("an operator on ConfigMaps and on a custom resource")
def test_an_operator_sees_what_is_made_changed_and_deleted(
    operator: Operator, cluster: ClusterUnderTest, namespace: str
) -> None:
    def found(kind: str, name: str) -> Any:
        answer = cluster.oc("get", "-n", namespace, kind, name, "-o", "json")
        return json.loads(answer.out) if answer.code == 0 else None

    def greeting(wanted: str) -> None:
        def seen() -> bool:
            notes: dict[str, str] = found("cm", "guest")["metadata"].get("annotations", {})
            return notes.get(GREETING) == wanted

        eventually(seen, what=f"{wanted}; {operator.log()}")

    def phase(name: str, wanted: str) -> None:
        def seen() -> bool:
            status: dict[str, Any] = found("robot", name).get("status", {})
            return bool(status.get("phase") == wanted)

        eventually(seen, what=f"{wanted}; {operator.log()}")

    # ConfigMaps
    guest = {"name": "guest", "namespace": namespace, "labels": {"greet": "yes"}}
    cluster.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": guest, "data": {"colour": "red"}}
    )
    greeting("welcome")
    assert found("cm", "guest")["metadata"]["finalizers"] == [FINALIZER]
    cluster.ok("patch", "-n", namespace, "cm", "guest", "-p", '{"data": {"colour": "blue"}}')
    greeting("blue is better than red")
    cluster.ok("delete", "-n", namespace, "cm", "guest", "--timeout=50s")

    # a custom resource
    robot = {"apiVersion": "example.com/v1", "kind": "Robot", "spec": {"colour": "red"}}
    for name in ("r2", "c3po"):
        cluster.create(robot | {"metadata": {"name": name, "namespace": namespace}})
        phase(name, "Built")
    made = found("robot", "r2")
    assert made["metadata"]["finalizers"] == [FINALIZER]
    assert made["status"]["build"] == {"child": "r2-settings"}
    (owner,) = found("cm", "r2-settings")["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Robot", made["metadata"]["uid"])
    paint = ("patch", "-n", namespace, "robot", "r2", "--type=merge", "-p")
    cluster.ok(*paint, '{"spec": {"colour": "blue"}}')
    phase("r2", "Painted blue")
    assert found("cm", "r2-settings")["data"] == {"colour": "blue"}
    events = ("-n", namespace, "events", "--field-selector", "involvedObject.name=r2")
    eventually(
        lambda: (
            [(one["reason"], one["message"]) for one in cluster.get(*events)["items"]]
            == [("Painted", "It is blue now.")]
        ),
        what="the operator's event",
    )
    cluster.ok("delete", "-n", namespace, "robot", "r2", "--timeout=50s")
    eventually(lambda: found("cm", "r2-settings") is None, what="the child goes with its owner")

    # what is deleted while the operator is away waits for it
    operator.stop()
    cluster.ok("delete", "-n", namespace, "robot", "c3po", "--wait=false")
    assert found("robot", "c3po")["metadata"]["deletionTimestamp"]
    operator.start()
    eventually(lambda: found("robot", "c3po") is None, what=operator.log())
    assert list(dict.fromkeys(operator.handled())) == [
        ("greet", "guest"), ("notice", "guest"), ("part", "guest"), ("build", "r2"),
        ("build", "c3po"), ("paint", "r2"), ("scrap", "r2"), ("scrap", "c3po"),
    ]  # fmt: skip
