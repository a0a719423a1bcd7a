"""Workloads as users handle them: real kubectl, server and controllers; only pods are played."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import yaml
from apiserver.kubectl_calls import KUBECTL, Kubectl, write_kubeconfig

from podpass.api.meta import is_terminating
from podpass.api.resources import JOBS, PODS, Object
from podpass.base.clock import SystemClock
from podpass.client.rest import RestClient
from podpass.testing.api_server import RunningApiServer
from podpass.testing.background import Background
from podpass.testing.instant_kubelet import InstantKubelet

pytestmark = [
    pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed beside python"),
    pytest.mark.usefixtures("controllers", "kubelet"),
]

LABELS = {"app": "x"}


@pytest.fixture
async def kubelet(
    admin: RestClient,
    background: Background,
    controllers: None,  # noqa: ARG001 - order
) -> InstantKubelet:
    kubelet = InstantKubelet(admin, SystemClock())
    for name in ("a", "b", "c"):
        await kubelet.add_node(name)
    background.start(kubelet.run())
    return kubelet


@pytest.fixture
def kubectl(api_server: RunningApiServer, tmp_path: Path) -> Kubectl:
    write_kubeconfig(tmp_path / "config", api_server)
    return Kubectl(tmp_path / "config")


def manifest(kind: str, api_version: str = "apps/v1", **spec: object) -> str:
    base: Object = {
        "selector": {"matchLabels": LABELS},
        "template": {
            "metadata": {"labels": LABELS},
            "spec": {"containers": [{"name": "c", "image": "nginx:1"}]},
        },
    }
    document = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}}
    return yaml.safe_dump(document | {"spec": base | spec})


async def rolled_out(kubectl: Kubectl, what: str) -> str:
    return await kubectl("rollout", "status", what, "--timeout=20s")


async def revisions(kubectl: Kubectl, what: str) -> list[str]:
    shown = await kubectl("rollout", "history", what)
    return [line.split()[0] for line in shown.splitlines()[2:] if line]


async def rows(kubectl: Kubectl, *what: str) -> list[list[str]]:
    shown = await kubectl("get", *what, "--no-headers")
    return [line.split() for line in shown.splitlines()]


async def uids(admin: RestClient) -> set[str]:
    pods = (await admin.list(PODS, "default"))["items"]
    return {pod["metadata"]["uid"] for pod in pods if not is_terminating(pod)}


async def test_a_deployment_is_created_changed_restarted_and_taken_back(kubectl: Kubectl) -> None:
    created = await kubectl("create", "deployment", "web", "--image=nginx:1", "--replicas=3")
    assert created == "deployment.apps/web created\n"
    assert "successfully rolled out" in await rolled_out(kubectl, "deployment/web")
    assert (await rows(kubectl, "deployment", "web"))[0][:4] == ["web", "3/3", "3", "3"]

    await kubectl("set", "image", "deployment/web", "nginx=nginx:2")
    assert "successfully rolled out" in await rolled_out(kubectl, "deployment/web")
    await kubectl("rollout", "restart", "deployment/web")
    await rolled_out(kubectl, "deployment/web")
    assert await revisions(kubectl, "deployment/web") == ["1", "2", "3"]

    await kubectl("rollout", "undo", "deployment/web", "--to-revision=1")
    await rolled_out(kubectl, "deployment/web")
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert await kubectl("get", "deployment", "web", "-o", image) == "nginx:1"
    assert await revisions(kubectl, "deployment/web") == ["2", "3", "4"]

    described = await kubectl("describe", "deployment", "web")
    assert "Progressing    True    NewReplicaSetAvailable" in described
    assert "Available      True    MinimumReplicasAvailable" in described
    assert "ScalingReplicaSet" in described
    refused = await kubectl.run("expose", "deployment", "web", "--port=80")
    assert refused.code == 1
    assert 'no matches for kind "Service" in version "v1"' in refused.err


async def test_a_deployment_is_scaled_and_paused(kubectl: Kubectl) -> None:
    await kubectl("create", "deployment", "web", "--image=nginx:1")
    await rolled_out(kubectl, "deployment/web")
    assert "scaled" in await kubectl("scale", "deployment/web", "--replicas=4")
    await rolled_out(kubectl, "deployment/web")
    assert (await rows(kubectl, "deployment", "web"))[0][:4] == ["web", "4/4", "4", "4"]
    refused = await kubectl.run("scale", "deployment/web", "--replicas=1", "--current-replicas=9")
    assert "Expected replicas to be 9, was 4" in refused.err
    await kubectl("scale", "deployment/web", "--replicas=2", "--current-replicas=4")
    await rolled_out(kubectl, "deployment/web")

    await kubectl("rollout", "pause", "deployment/web")
    await kubectl("set", "image", "deployment/web", "nginx=nginx:2")
    await kubectl(
        "wait", "deployment/web", "--timeout=10s",
        '--for=jsonpath={.status.conditions[?(@.type=="Progressing")].reason}=DeploymentPaused',
    )  # fmt: skip
    assert len(await rows(kubectl, "replicasets")) == 1
    await kubectl("rollout", "resume", "deployment/web")
    await rolled_out(kubectl, "deployment/web")
    assert len(await rows(kubectl, "replicasets")) == 2


async def test_recreate_lets_the_old_go_first(kubectl: Kubectl) -> None:
    spec = manifest("Deployment", replicas=2, strategy={"type": "Recreate"})
    await kubectl("apply", "-f", "-", stdin=spec)
    await rolled_out(kubectl, "deployment/x")
    await kubectl("apply", "-f", "-", stdin=spec.replace("nginx:1", "nginx:2"))
    await rolled_out(kubectl, "deployment/x")
    assert {row[1] for row in await rows(kubectl, "replicasets")} == {"0", "2"}


async def test_deleted_pods_come_back_and_go_with_their_deployment(
    kubectl: Kubectl, admin: RestClient
) -> None:
    await kubectl("create", "deployment", "web", "--image=nginx", "--replicas=3")
    await rolled_out(kubectl, "deployment/web")
    before = await uids(admin)
    assert len(before) == 3
    await kubectl("delete", "pods", "--all")
    await rolled_out(kubectl, "deployment/web")
    after = await uids(admin)
    assert len(after) == 3
    assert not before & after
    await kubectl("delete", "deployment", "web")
    await kubectl("wait", "--for=delete", "pods", "--all", "--timeout=10s")
    assert await rows(kubectl, "all") == []


async def test_a_stateful_set_keeps_names_and_order(kubectl: Kubectl) -> None:
    spec = manifest("StatefulSet", replicas=3, serviceName="x")
    await kubectl("apply", "-f", "-", stdin=spec)
    assert "3 new pods have been updated" in await rolled_out(kubectl, "statefulset/x")
    assert sorted(row[0] for row in await rows(kubectl, "pods")) == ["x-0", "x-1", "x-2"]
    await kubectl("set", "image", "statefulset/x", "c=nginx:2")
    await rolled_out(kubectl, "statefulset/x")
    assert await revisions(kubectl, "statefulset/x") == ["1", "2"]
    undone = await kubectl.run("rollout", "undo", "statefulset/x")
    assert undone.code == 0
    await rolled_out(kubectl, "statefulset/x")
    image = "jsonpath={.items[*].spec.containers[0].image}"
    assert await kubectl("get", "pods", "-o", image) == "nginx:1 nginx:1 nginx:1"
    assert await revisions(kubectl, "statefulset/x") == ["2", "3"]
    await kubectl("scale", "statefulset/x", "--replicas=1")
    await kubectl("wait", "--for=delete", "pod/x-1", "--timeout=10s")
    assert [row[0] for row in await rows(kubectl, "pods")] == ["x-0"]


async def test_a_daemon_set_is_on_every_node(kubectl: Kubectl, kubelet: InstantKubelet) -> None:
    await kubectl("apply", "-f", "-", stdin=manifest("DaemonSet"))
    await rolled_out(kubectl, "daemonset/x")
    nodes = "jsonpath={.items[*].spec.nodeName}"
    assert sorted((await kubectl("get", "pods", "-o", nodes)).split()) == ["a", "b", "c"]
    await kubelet.add_node("d")
    await kubectl("wait", "daemonset/x", "--for=jsonpath={.status.numberReady}=4", "--timeout=10s")
    await kubectl("set", "image", "daemonset/x", "c=nginx:2")
    await rolled_out(kubectl, "daemonset/x")
    assert (await kubectl.run("rollout", "undo", "daemonset/x")).code == 0
    await rolled_out(kubectl, "daemonset/x")
    assert await revisions(kubectl, "daemonset/x") == ["2", "3"]


async def test_a_job_runs_to_its_end_and_is_cleaned_up(kubectl: Kubectl, admin: RestClient) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    document = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "x"},
        "spec": {"completions": 3, "parallelism": 2, "template": template},
    }
    await kubectl("create", "-f", "-", stdin=yaml.safe_dump(document))
    await kubectl("wait", "job/x", "--for=condition=complete", "--timeout=20s")
    job = await admin.get(JOBS, "default", "x")
    assert (job["status"]["succeeded"], job["status"].get("failed", 0)) == (3, 0)
    assert (await rows(kubectl, "jobs"))[0][:3] == ["x", "Complete", "3/3"]
    pods = await admin.list(PODS, "default", label_selector="batch.kubernetes.io/job-name=x")
    assert len(pods["items"]) == 3
    assert not any(pod["metadata"].get("finalizers") for pod in pods["items"])
    await kubectl("patch", "job", "x", "-p", '{"spec":{"ttlSecondsAfterFinished":0}}')
    await kubectl("wait", "--for=delete", "job/x", "--timeout=10s")
    await kubectl("wait", "--for=delete", "pods", "--all", "--timeout=10s")


async def test_a_drain_respects_the_budget(kubectl: Kubectl) -> None:
    await kubectl("create", "deployment", "web", "--image=nginx", "--replicas=2")
    await rolled_out(kubectl, "deployment/web")
    await kubectl("create", "pdb", "web", "--selector=app=web", "--min-available=2")
    await kubectl("wait", "pdb/web", "--for=jsonpath={.status.currentHealthy}=2", "--timeout=10s")
    refused = await kubectl.run("drain", "a", "b", "c", "--timeout=1s")
    assert refused.code == 1
    assert "Cannot evict pod as it would violate the pod's disruption budget." in refused.err
    await kubectl("uncordon", "a", "b", "c")
    await kubectl("patch", "pdb", "web", "-p", '{"spec":{"minAvailable":1}}')
    allowed = "--for=jsonpath={.status.disruptionsAllowed}=1"
    await kubectl("wait", "pdb/web", allowed, "--timeout=10s")
    on_node = await kubectl("get", "pods", "-o", "jsonpath={.items[0].spec.nodeName}")
    assert f"node/{on_node} drained" in await kubectl("drain", on_node, "--timeout=20s")
    await rolled_out(kubectl, "deployment/web")
    nodes = await kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}")
    assert on_node not in nodes.split()


async def test_what_is_wrong_is_said_by_the_server(kubectl: Kubectl) -> None:
    spec = manifest("Deployment", selector={"matchLabels": {"app": "other"}})
    refused = await kubectl.run("create", "-f", "-", stdin=spec)
    assert "`selector` does not match template `labels`" in refused.err
    discovered = orjson.loads(await kubectl("get", "--raw", "/apis/apps/v1"))
    scale = next(one for one in discovered["resources"] if one["name"] == "deployments/scale")
    assert (scale["group"], scale["version"], scale["kind"]) == ("autoscaling", "v1", "Scale")
    explained = await kubectl("explain", "deployment.spec.strategy.rollingUpdate")
    assert "maxSurge" in explained
