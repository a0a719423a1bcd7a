"""What brings pods back: Deployments, StatefulSets, DaemonSets and Jobs, with the real kubectl."""

from __future__ import annotations

import json
from typing import Any

from harness import ClusterUnderTest, eventually


def pods(cluster: ClusterUnderTest, namespace: str, selector: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cluster.get("-n", namespace, "pods", "-l", selector)["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def images(cluster: ClusterUnderTest, namespace: str) -> set[str]:
    return {pod["spec"]["containers"][0]["image"] for pod in pods(cluster, namespace, "app=web")}


def test_a_deployment_is_rolled_scaled_and_undone(
    cluster: ClusterUnderTest, namespace: str
) -> None:
    n = ("-n", namespace)
    out = cluster.ok("create", *n, "deployment", "web", "--image=nginx", "--replicas=2")
    assert out == "deployment.apps/web created\n"
    done = cluster.ok("rollout", *n, "status", "deployment/web", "--timeout=90s")
    assert 'deployment "web" successfully rolled out' in done
    assert cluster.ok("scale", *n, "deployment/web", "--replicas=3") == (
        "deployment.apps/web scaled\n"
    )
    cluster.ok("rollout", *n, "status", "deployment/web", "--timeout=90s")
    before = {pod["metadata"]["uid"] for pod in pods(cluster, namespace, "app=web")}
    assert len(before) == 3
    cluster.ok("rollout", *n, "restart", "deployment/web")
    cluster.ok("rollout", *n, "status", "deployment/web", "--timeout=90s")
    after = {pod["metadata"]["uid"] for pod in pods(cluster, namespace, "app=web")}
    assert len(after) == 3
    assert not before & after
    cluster.ok("set", "image", *n, "deployment/web", "nginx=nginx:1.31")
    cluster.ok("rollout", *n, "status", "deployment/web", "--timeout=90s")
    assert images(cluster, namespace) == {"nginx:1.31"}
    assert cluster.ok("rollout", *n, "undo", "deployment/web") == (
        "deployment.apps/web rolled back\n"
    )
    cluster.ok("rollout", *n, "status", "deployment/web", "--timeout=90s")
    assert images(cluster, namespace) == {"nginx"}
    history = cluster.ok("rollout", *n, "history", "deployment/web").splitlines()
    # the undone revision 2 came back under the next number
    assert [row.split()[0] for row in history if row[:1].isdigit()] == ["1", "3", "4"]
    cluster.ok("delete", *n, "pods", "--all", "--wait=false")
    cluster.ok("rollout", *n, "status", "deployment/web", "--timeout=90s")
    eventually(lambda: len(pods(cluster, namespace, "app=web")) == 3)


def template(labels: dict[str, str], command: list[str], **spec: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "busybox", "command": command}
    return {
        "metadata": {"labels": labels},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]} | spec,
    }


def test_a_stateful_set_keeps_its_names(cluster: ClusterUnderTest, namespace: str) -> None:
    labels = {"app": "db"}
    cluster.create(
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "db", "namespace": namespace},
            "spec": {
                "replicas": 2,
                "serviceName": "db",
                "selector": {"matchLabels": labels},
                "template": template(labels, ["sleep", "600"]),
            },
        }
    )
    cluster.ok("rollout", "-n", namespace, "status", "statefulset/db", "--timeout=90s")
    uid = cluster.get("-n", namespace, "pod", "db-0")["metadata"]["uid"]
    cluster.ok("delete", "-n", namespace, "pod", "db-0")
    eventually(
        lambda: (
            cluster.oc("get", "-n", namespace, "pod", "db-0").code == 0
            and cluster.get("-n", namespace, "pod", "db-0")["metadata"]["uid"] != uid
        )
    )
    cluster.wait_ready("db-0", namespace)
    names = {pod["metadata"]["name"] for pod in pods(cluster, namespace, "app=db")}
    assert names == {"db-0", "db-1"}


def test_a_daemon_set_runs_on_every_node(cluster: ClusterUnderTest, namespace: str) -> None:
    labels = {"app": "agent"}
    cluster.create(
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "agent", "namespace": namespace},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": template(labels, ["sleep", "600"]),
            },
        }
    )
    cluster.ok("rollout", "-n", namespace, "status", "daemonset/agent", "--timeout=90s")
    nodes = [pod["spec"]["nodeName"] for pod in pods(cluster, namespace, "app=agent")]
    assert sorted(nodes) == ["master-0", "master-1", "master-2"]


def test_a_job_completes(cluster: ClusterUnderTest, namespace: str) -> None:
    cluster.create(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "once", "namespace": namespace},
            "spec": {
                "completions": 2,
                "template": template({}, ["echo", "done"], restartPolicy="Never"),
            },
        }
    )
    cluster.ok("wait", "-n", namespace, "--for=condition=Complete", "job/once", "--timeout=90s")
    assert cluster.get("-n", namespace, "job", "once")["status"]["succeeded"] == 2


def test_a_disruption_budget_holds_an_eviction_back(
    cluster: ClusterUnderTest, namespace: str
) -> None:
    n = ("-n", namespace)
    cluster.ok("create", *n, "deployment", "web", "--image=nginx", "--replicas=1")
    cluster.ok("rollout", *n, "status", "deployment/web", "--timeout=90s")
    cluster.ok("create", *n, "pdb", "web", "--selector=app=web", "--min-available=1")
    (pod,) = pods(cluster, namespace, "app=web")
    name = pod["metadata"]["name"]

    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}

    def evict() -> str:
        result = cluster.oc(
            "create", "--raw", f"/api/v1/namespaces/{namespace}/pods/{name}/eviction", "-f", "-",
            stdin=json.dumps(eviction),
        )  # fmt: skip
        return result.err

    assert "Cannot evict pod as it would violate the pod's disruption budget" in evict()
    cluster.ok("delete", *n, "pdb", "web")
    assert evict() == ""
    eventually(lambda: cluster.oc("get", *n, "pod", name).code == 1)
