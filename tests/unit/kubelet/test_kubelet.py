"""A whole kubelet with containers in memory, at a real API server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from podpass.api.errors import StatusError
from podpass.api.meta import annotations_of, find_condition, uid_of
from podpass.api.resources import CONFIG_MAPS, LEASES, NODES, PODS, SECRETS, Object
from podpass.kubelet.pod_finder import PodFinder
from podpass.kubelet.pod_spec import CONFIG_HASH, CONFIG_MIRROR
from podpass.kubelet.runtime.interface import (
    ContainerConfig,
    ContainerState,
    ExecResult,
    SandboxState,
)
from podpass.testing.api_server import RunningApiServer, TestPki, running_api_server
from podpass.testing.kubelet_on_api import NODE, NodeUnderTest, eventually, node_at
from podpass.testing.memory_store import MemoryStore


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> TestPki:
    return TestPki.make(tmp_path_factory.mktemp("pki"))


@pytest.fixture
async def api(pki: TestPki) -> AsyncIterator[RunningApiServer]:
    async with running_api_server(MemoryStore(), pki) as running:
        yield running


@pytest.fixture
async def node(api: RunningApiServer, tmp_path: Path) -> AsyncIterator[NodeUnderTest]:
    async with node_at(api, tmp_path) as one:
        yield one


def pod(name: str = "web", *, container: Object | None = None, **spec: Any) -> Object:
    containers = [{"name": "c", "image": "nginx"} | (container or {})]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"nodeName": NODE, "serviceAccountName": "robot", "containers": containers} | spec,
    }


def static_pod(name: str = "st", **spec: Any) -> Object:
    containers = [{"name": "c", "image": "nginx"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "kube-system"},
        "spec": {"hostNetwork": True, "containers": containers} | spec,
    }


async def run(node: NodeUnderTest, wanted: Object) -> Object:
    await node.admin.create(PODS, wanted)
    return await node.wait_ready(wanted["metadata"]["name"])


def container_state(found: Object, kind: str = "state") -> Object:
    state: Object = found["status"]["containerStatuses"][0][kind]
    return state


# The node


async def test_the_node_registers_and_is_ready(node: NodeUnderTest) -> None:
    node.options["node_labels"] = {"node-role.kubernetes.io/worker": ""}
    await node.start()
    found = await eventually(node.node)
    ready = find_condition(found["status"]["conditions"], "Ready")
    assert ready is not None
    assert (ready["status"], ready["reason"]) == ("True", "KubeletReady")
    assert {one["type"] for one in found["status"]["conditions"]} == {
        "Ready", "MemoryPressure", "DiskPressure", "PIDPressure",
    }  # fmt: skip
    assert found["metadata"]["labels"]["kubernetes.io/hostname"] == NODE
    assert found["metadata"]["labels"]["node-role.kubernetes.io/worker"] == ""
    assert {one["type"]: one["address"] for one in found["status"]["addresses"]} == {
        "InternalIP": "127.0.0.1", "Hostname": NODE,
    }  # fmt: skip
    assert found["status"]["capacity"]["pods"] == "110"
    assert found["status"]["nodeInfo"]["containerRuntimeVersion"] == "fake://0.1.0"
    lease = await eventually(lambda: node.get(LEASES, "kube-node-lease", NODE))
    assert lease["spec"]["holderIdentity"] == NODE
    await node.wait_event("Starting: Starting kubelet.")


async def test_a_node_that_was_thought_dead_says_that_it_lives(node: NodeUnderTest) -> None:
    await node.start()
    await eventually(node.node)
    lost = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "?"}

    async def status() -> str:
        found = await node.node()
        ready = find_condition((found or {})["status"]["conditions"], "Ready")
        return str((ready or {})["status"])

    await eventually(lambda: node.kubelet is not None and node.kubelet.agent.node)
    patch = {"status": {"conditions": [lost]}}
    await node.admin.patch(NODES, None, NODE, patch, subresource="status")

    async def ready_again() -> bool:
        return await status() == "True"

    await eventually(ready_again)


async def test_a_node_that_was_deleted_comes_back(node: NodeUnderTest) -> None:
    await node.start()
    found = await eventually(node.node)
    await asyncio.sleep(0.1)
    await node.admin.delete(NODES, None, NODE)

    async def back() -> bool:
        again = await node.node()
        return again is not None and uid_of(again) != uid_of(found)

    await eventually(back)


# Pods of the API


async def test_a_pod_runs_with_its_token(node: NodeUnderTest) -> None:
    await node.start()
    found = await run(node, pod())
    assert found["status"]["phase"] == "Running"
    assert found["status"]["podIP"] == "10.128.0.2"
    assert found["status"]["hostIP"] == "127.0.0.1"
    config = node.runtime.container("c").config
    assert config.env["KUBERNETES_SERVICE_HOST"] == "172.30.0.1"
    mount, message_file = config.mounts
    assert message_file.container_path == "/dev/termination-log"
    assert mount.container_path == "/var/run/secrets/kubernetes.io/serviceaccount"
    assert mount.read_only
    names = {one.name for one in mount.host_path.iterdir() if not one.name.startswith("..")}
    assert names == {"token", "ca.crt", "namespace"}
    assert (mount.host_path / "token").read_text().count(".") == 2
    for text in (
        'Pulled: Container image "nginx" already present on machine',
        "Created: Created container: c",
        "Started: Started container c",
    ):
        await node.wait_event(text)


async def test_a_deleted_pod_ends_and_nothing_of_it_is_left(node: NodeUnderTest) -> None:
    await node.start()
    found = await run(node, pod())
    await node.admin.delete(PODS, "default", "web")
    await node.wait_gone("web")
    assert await node.runtime.list_containers() == ()
    assert await node.runtime.list_pod_sandboxes() == ()
    assert not (node.root / "kubelet" / "pods" / uid_of(found)).exists()
    await node.wait_event("Killing: Stopping container c")
    await run(node, pod())


async def test_a_pod_that_is_deleted_by_force_is_ended_too(node: NodeUnderTest) -> None:
    await node.start()
    await run(node, pod())
    await node.admin.delete(PODS, "default", "web", grace_period_seconds=0)

    async def all_gone() -> bool:
        return await node.runtime.list_pod_sandboxes() == ()

    await eventually(all_gone)


async def test_a_terminating_pod_ends_after_its_grace_and_sooner_when_asked(
    node: NodeUnderTest,
) -> None:
    await node.start()
    node.runtime.ignores_stop_signal.add("c")
    await run(node, pod(terminationGracePeriodSeconds=60))
    await node.admin.delete(PODS, "default", "web")
    await eventually(lambda: "stop_container" in node.runtime.calls)
    await asyncio.sleep(0.05)
    assert node.runtime.container("c").state is ContainerState.RUNNING
    await node.admin.delete(PODS, "default", "web", grace_period_seconds=1)
    await node.wait_gone("web")


async def test_a_program_that_succeeds_ends_its_pod(node: NodeUnderTest) -> None:
    await node.start()
    found = await run(node, pod(restartPolicy="Never"))
    node.runtime.exit_container("c", 0)
    done = await node.wait_phase("web", "Succeeded")
    assert container_state(done)["terminated"]["reason"] == "Completed"
    assert await node.runtime.list_containers(), "its log can still be read"
    directory = node.root / "kubelet" / "pods" / uid_of(found)
    await eventually(lambda: not (directory / "volumes").exists())


async def test_a_crashing_container_is_restarted_with_a_back_off(node: NodeUnderTest) -> None:
    await node.start()
    await run(node, pod())
    node.runtime.exit_container("c", 3)

    async def restarted(count: int) -> Object | None:
        found = await node.pod("web")
        assert found is not None
        status = found["status"]["containerStatuses"][0]
        return found if status["restartCount"] == count and status["ready"] else None

    first = await eventually(lambda: restarted(1))
    assert container_state(first, "lastState")["terminated"]["exitCode"] == 3
    node.runtime.exit_container("c", 3)

    async def backing_off() -> bool:
        found = await node.pod("web")
        waiting = container_state(found or {}).get("waiting", {})
        return bool(waiting.get("reason") == "CrashLoopBackOff")

    await eventually(backing_off)
    await eventually(lambda: restarted(2))
    await node.wait_event("BackOff: Back-off restarting failed container c in pod web_default(")
    containers = await node.runtime.list_containers()
    assert [one.config.attempt for one in containers] == [1, 2], "older ones are forgotten"
    logs = containers[0].config.log_path.parent
    assert sorted(one.name for one in logs.iterdir()) == ["1.log", "2.log"]
    messages = containers[0].config.mounts[-1].host_path.parent
    assert {one.name[:2] for one in messages.iterdir()} == {"1-", "2-"}


async def test_the_log_of_the_run_before_is_found_while_the_next_one_waits(
    node: NodeUnderTest,
) -> None:
    node.options["restart_backoff"] = 60.0
    await node.start()
    await run(node, pod())
    assert node.kubelet is not None
    finder = PodFinder(node.kubelet.pods, node.kubelet.services.cache)
    with pytest.raises(StatusError, match='previous terminated container "c"'):
        finder.find_container("default", "web", "c", previous=True)
    first = node.runtime.container("c").id
    node.runtime.exit_container("c", 3)
    await eventually(lambda: node.runtime.container("c").id != first)
    assert finder.find_container("default", "web", "c", previous=True).id == first
    second = node.runtime.container("c").id
    node.runtime.exit_container("c", 3)

    async def waits() -> bool:
        return "waiting" in container_state(await node.pod("web") or {})

    await eventually(waits)
    assert finder.find_container("default", "web", "c", previous=True).id == second
    assert finder.find_container("default", "web", "c").id == second


async def test_a_dead_sandbox_is_replaced(node: NodeUnderTest) -> None:
    await node.start()
    await run(node, pod())
    (sandbox,) = await node.runtime.list_pod_sandboxes()
    node.runtime.break_sandbox(sandbox.id)

    async def replaced() -> bool:
        states = [one.state for one in await node.runtime.list_pod_sandboxes()]
        return states.count(SandboxState.READY) == 1 and len(states) == 2

    await eventually(replaced)
    await eventually(lambda: node.runtime.container("c").state is ContainerState.RUNNING)
    await node.wait_event("SandboxChanged")


async def test_a_missing_image_waits_and_says_what_to_do(node: NodeUnderTest) -> None:
    node.options |= {"image_backoff": 0.5, "image_backoff_maximum": 0.5}
    await node.start()
    await node.admin.create(PODS, pod(container={"image": "ghost"}))

    async def waiting(reason: str) -> Object | None:
        found = await node.pod("web")
        statuses = (found or {})["status"].get("containerStatuses")
        state: Object = statuses[0]["state"].get("waiting", {}) if statuses else {}
        return state if state.get("reason") == reason else None

    failed = await eventually(lambda: waiting("ErrImagePull"))
    assert "podpass image add ghost" in failed["message"]
    state = await eventually(lambda: waiting("ImagePullBackOff"))
    assert "podpass image add ghost" in state["message"]
    await node.wait_event('Failed: Failed to pull image "ghost"')
    await node.wait_event("Failed: Error: ErrImagePull")
    await node.wait_event('BackOff: Back-off pulling image "ghost"')
    node.runtime.add_image("ghost")
    await node.wait_ready("web")


async def test_a_container_that_cannot_be_configured_waits(node: NodeUnderTest) -> None:
    await node.start()
    reference = {"configMapKeyRef": {"name": "later", "key": "k"}}
    await node.admin.create(PODS, pod(container={"env": [{"name": "K", "valueFrom": reference}]}))

    async def waiting() -> bool:
        found = await node.pod("web")
        statuses = (found or {})["status"].get("containerStatuses")
        state = statuses[0]["state"].get("waiting", {}) if statuses else {}
        return (state.get("reason"), state.get("message")) == (
            "CreateContainerConfigError", 'configmap "later" not found',
        )  # fmt: skip

    await eventually(waiting)
    await node.admin.create(
        CONFIG_MAPS,
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "later", "namespace": "default"},
            "data": {"k": "v"},
        },
    )
    await node.wait_ready("web")
    assert node.runtime.container("c").config.env["K"] == "v"


async def test_a_container_that_cannot_be_started_is_tried_again(node: NodeUnderTest) -> None:
    await node.start()
    node.runtime.fail_next_start("c", "no such program", refused=True)
    await node.admin.create(PODS, pod())
    await node.wait_event("Failed: Error: no such program")
    found = await node.wait_ready("web")
    assert found["status"]["containerStatuses"][0]["restartCount"] == 1


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        pytest.param("run_pod_sandbox", "FailedCreatePodSandBox: Failed to create", id="sandbox"),
        pytest.param("create_container", "Failed: Error: disk full", id="container"),
    ],
)
async def test_a_runtime_that_refuses_is_asked_again(
    node: NodeUnderTest, operation: str, text: str
) -> None:
    await node.start()
    node.runtime.refuse[operation] = "disk full"
    await node.admin.create(PODS, pod())
    await node.wait_event(text)
    node.runtime.refuse.clear()
    await node.wait_ready("web")


@pytest.mark.rule("volume.first-mount")
async def test_a_missing_volume_is_told_and_waited_for(node: NodeUnderTest) -> None:
    await node.start()
    volume = {"name": "v", "secret": {"secretName": "later"}}
    container = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    await node.admin.create(PODS, pod(container=container, volumes=[volume]))
    await node.wait_event(
        'FailedMount: MountVolume.SetUp failed for volume "v" : secret "later" not found'
    )
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "later"}}
    await node.admin.create(SECRETS, secret, namespace="default")
    await node.wait_ready("web")


async def test_init_containers_go_first(node: NodeUnderTest) -> None:
    await node.start()
    await node.admin.create(PODS, pod(initContainers=[{"name": "i", "image": "busybox"}]))

    async def initializing() -> Object | None:
        found = await node.pod("web")
        statuses = (found or {})["status"].get("initContainerStatuses")
        return found if statuses and "running" in statuses[0]["state"] else None

    found = await eventually(initializing)
    assert container_state(found) == {"waiting": {"reason": "PodInitializing"}}
    node.runtime.exit_container("i", 0)
    ready = await node.wait_ready("web")
    assert ready["status"]["initContainerStatuses"][0]["ready"] is True


async def test_a_failing_liveness_probe_restarts_the_container(node: NodeUnderTest) -> None:
    await node.start()
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    await node.admin.create(PODS, pod(container={"livenessProbe": probe}))
    await node.wait_event("Unhealthy: Liveness probe failed")
    await node.wait_event("Killing: Container c failed liveness probe, will be restarted")

    async def restarted() -> bool:
        found = await node.pod("web")
        return bool(found and found["status"]["containerStatuses"][0]["restartCount"])

    await eventually(restarted)


async def test_a_probe_may_give_a_container_less_time_to_end_than_its_pod(
    node: NodeUnderTest,
) -> None:
    await node.start()
    node.runtime.ignores_stop_signal.add("c")
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    probe["terminationGracePeriodSeconds"] = 1
    wanted = pod(container={"livenessProbe": probe}, terminationGracePeriodSeconds=600)
    await run(node, wanted)
    first = node.runtime.container("c").id
    await eventually(lambda: node.runtime.container("c").id != first)
    node.runtime.ignores_stop_signal.clear()


async def test_a_pod_is_ready_once_its_probes_say_so(node: NodeUnderTest) -> None:
    await node.start()
    healthy = False
    runtime = node.runtime

    def answer(_config: ContainerConfig, _command: tuple[str, ...]) -> ExecResult:
        return ExecResult(0 if healthy else 1, b"", b"not yet")

    runtime.on_exec = answer
    probe = {"exec": {"command": ["check"]}, "periodSeconds": 1}
    await node.admin.create(PODS, pod(container={"startupProbe": probe, "readinessProbe": probe}))
    found = await node.wait_phase("web", "Running")
    status = found["status"]["containerStatuses"][0]
    assert (status["started"], status["ready"]) == (False, False)
    healthy = True
    await node.wait_ready("web")


async def test_a_pre_stop_hook_runs_before_the_signal(node: NodeUnderTest) -> None:
    await node.start()
    seen: list[tuple[str, ...]] = []

    def answer(_config: ContainerConfig, command: tuple[str, ...]) -> ExecResult:
        seen.append((*command, node.runtime.container("c").state.value))
        return ExecResult(1, b"", b"oh")

    node.runtime.on_exec = answer
    hook = {"preStop": {"exec": {"command": ["bye"]}}}
    await run(node, pod(container={"lifecycle": hook}))
    await node.admin.delete(PODS, "default", "web")
    await node.wait_gone("web")
    assert seen == [("bye", "running")]
    await node.wait_event("FailedPreStopHook: PreStopHook failed: oh")


async def test_a_post_start_hook_that_fails_ends_the_container(node: NodeUnderTest) -> None:
    await node.start()
    node.runtime.on_exec = lambda _config, _command: ExecResult(1, b"", b"oh")
    hook = {"postStart": {"exec": {"command": ["hello"]}}}
    await node.admin.create(PODS, pod(container={"lifecycle": hook}, restartPolicy="Never"))
    await node.wait_event("FailedPostStartHook: PostStartHook failed: oh")
    await node.wait_phase("web", "Succeeded")


async def test_sidecars_end_last(node: NodeUnderTest) -> None:
    await node.start()
    sidecar = {"name": "s", "image": "nginx", "restartPolicy": "Always"}
    sleep = {"preStop": {"sleep": {"seconds": 0}}}
    await run(node, pod(container={"lifecycle": sleep}, initContainers=[sidecar]))
    await node.admin.delete(PODS, "default", "web", grace_period_seconds=5)
    await node.wait_gone("web")
    killed = [one for one in await node.event_texts() if one.startswith("Killing")]
    assert sorted(killed) == ["Killing: Stopping container c", "Killing: Stopping container s"]


async def test_a_changed_image_replaces_the_container(node: NodeUnderTest) -> None:
    await node.start()
    await run(node, pod())
    patch = {"spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    await node.admin.patch(PODS, "default", "web", patch, kind="strategic")
    await node.wait_event("Killing: Container c definition changed, will be restarted")
    await eventually(lambda: node.runtime.container("c").config.image == "busybox")


async def test_an_active_deadline_ends_the_pod(node: NodeUnderTest) -> None:
    await node.start()
    await run(node, pod())
    # Set late: a container that a busy machine starts after a deadline of one second never runs.
    await node.admin.patch(PODS, "default", "web", {"spec": {"activeDeadlineSeconds": 1}})
    failed = await node.wait_phase("web", "Failed")
    assert failed["status"]["reason"] == "DeadlineExceeded"
    await eventually(lambda: node.runtime.container("c").state is ContainerState.EXITED)


# Tokens

TOKENS = {
    "name": "tokens",
    "projected": {"sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 2}}]},
}
MOUNT = {"name": "tokens", "mountPath": "/tokens"}


def token_file(node: NodeUnderTest) -> Path:
    mounts = node.runtime.container("c").config.mounts
    (mount,) = (one for one in mounts if one.container_path == "/tokens")
    return mount.host_path / "token"


@pytest.mark.rule("volume.terminating", "edge.termination")
async def test_tokens_stay_fresh_until_the_last_moment(pki: TestPki, tmp_path: Path) -> None:
    short = replace(pki.settings(), service_account_min_token_expiration=timedelta(seconds=1))
    async with (
        running_api_server(MemoryStore(), pki, settings=short) as api,
        node_at(api, tmp_path) as node,
    ):
        await node.start()
        container = {"volumeMounts": [MOUNT]}
        await run(
            node,
            pod(container=container, volumes=[TOKENS], terminationGracePeriodSeconds=60),
        )
        path = token_file(node)
        first = path.read_text()
        await eventually(lambda: path.read_text() != first)
        node.runtime.ignores_stop_signal.add("c")
        await node.admin.delete(PODS, "default", "web")
        await eventually(lambda: "stop_container" in node.runtime.calls)
        second = path.read_text()
        await eventually(lambda: path.read_text() != second)
        node.runtime.exit_container("c", 0)
        await node.wait_gone("web")
        assert not path.exists()


# Static pods


async def test_a_static_pod_runs_and_has_a_mirror(node: NodeUnderTest) -> None:
    node.write_manifest("st.yaml", static_pod())
    await node.start()
    mirror = await node.wait_ready("st-master-0", "kube-system")
    uid = annotations_of(mirror)[CONFIG_MIRROR]
    assert annotations_of(mirror)[CONFIG_HASH] == uid
    assert uid_of(mirror) != uid
    (owner,) = mirror["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("Node", NODE, True)
    (sandbox,) = await node.runtime.list_pod_sandboxes()
    assert sandbox.config.uid == uid


async def test_a_deleted_mirror_comes_back_and_the_pod_does_not_notice(
    node: NodeUnderTest,
) -> None:
    node.write_manifest("st.yaml", static_pod())
    await node.start()
    mirror = await node.wait_ready("st-master-0", "kube-system")
    container = node.runtime.container("c")
    await node.admin.delete(PODS, "kube-system", "st-master-0")

    async def back() -> bool:
        again = await node.pod("st-master-0", "kube-system")
        return again is not None and uid_of(again) != uid_of(mirror)

    await eventually(back)
    await node.wait_ready("st-master-0", "kube-system")
    assert node.runtime.container("c") == container


async def test_a_changed_manifest_is_another_pod(node: NodeUnderTest) -> None:
    node.write_manifest("st.yaml", static_pod())
    await node.start()
    mirror = await node.wait_ready("st-master-0", "kube-system")
    node.write_manifest("st.yaml", static_pod(terminationGracePeriodSeconds=1))

    async def changed() -> bool:
        again = await node.pod("st-master-0", "kube-system")
        return again is not None and (
            annotations_of(again)[CONFIG_MIRROR] != annotations_of(mirror)[CONFIG_MIRROR]
        )

    await eventually(changed)
    await node.wait_ready("st-master-0", "kube-system")
    running = [
        one for one in await node.runtime.list_containers() if one.state is ContainerState.RUNNING
    ]
    assert len(running) == 1


async def test_a_removed_manifest_ends_its_pod(node: NodeUnderTest) -> None:
    path = node.write_manifest("st.yaml", static_pod())
    await node.start()
    await node.wait_ready("st-master-0", "kube-system")
    path.unlink()
    await node.wait_gone("st-master-0", "kube-system")

    async def all_gone() -> bool:
        return await node.runtime.list_pod_sandboxes() == ()

    await eventually(all_gone)


async def test_a_broken_manifest_is_reported_and_the_others_run(node: NodeUnderTest) -> None:
    node.write_manifest("st.yaml", static_pod())
    (node.manifests / "bad.yaml").write_text("kind: Pod\nspec: [")
    await node.start()
    await node.wait_ready("st-master-0", "kube-system")
    await node.wait_event("InvalidManifest: manifest")


async def test_static_pods_run_before_there_is_an_api(
    api: RunningApiServer, tmp_path: Path
) -> None:
    async with node_at(api, tmp_path) as node:
        await api.server.stop()
        node.write_manifest("st.yaml", static_pod())
        await node.start()

        async def running() -> bool:
            states = [one.state for one in await node.runtime.list_containers()]
            return states == [ContainerState.RUNNING]

        await eventually(running)


# Restarts


async def test_pods_outlive_the_kubelet(node: NodeUnderTest) -> None:
    node.write_manifest("st.yaml", static_pod())
    await node.start()
    before = await run(node, pod(container={"name": "web"}))
    await node.wait_ready("st-master-0", "kube-system")
    directory = node.runtime.container("web").config.mounts[0].host_path
    token, inode = (directory / "token").read_text(), directory.stat().st_ino
    calls = len(node.runtime.calls)
    await node.stop()
    assert node.runtime.container("web").state is ContainerState.RUNNING
    await asyncio.sleep(1)  # a token of the same second would be the same
    await node.start()
    await eventually(lambda: (directory / "token").read_text() != token)
    assert directory.stat().st_ino == inode
    await asyncio.sleep(0.1)
    assert node.runtime.calls[calls:] == []
    after = await node.wait_ready("web")
    assert after["status"]["startTime"] == before["status"]["startTime"]
    await run(node, pod("second"))
    addresses = {one.config.pod_ip for one in await node.runtime.list_pod_sandboxes()}
    assert addresses == {None, "10.128.0.2", "10.128.0.3"}


async def test_what_was_deleted_meanwhile_is_cleaned_up(node: NodeUnderTest) -> None:
    await node.start()
    found = await run(node, pod())
    await node.stop()
    await node.admin.delete(PODS, "default", "web", grace_period_seconds=0)
    leftover = node.root / "kubelet" / "pods" / "of-nobody"
    leftover.mkdir()
    await node.start()

    async def all_gone() -> bool:
        return await node.runtime.list_pod_sandboxes() == ()

    await eventually(all_gone)
    await eventually(lambda: not leftover.exists())
    await eventually(lambda: not (node.root / "kubelet" / "pods" / uid_of(found)).exists())


async def test_a_shutdown_ends_workloads_before_static_pods_and_all_can_go_on(
    node: NodeUnderTest,
) -> None:
    node.write_manifest("st.yaml", static_pod())
    await node.start()
    found = await run(node, pod(container={"name": "web"}))
    await node.wait_ready("st-master-0", "kube-system")
    assert node.kubelet is not None
    await node.kubelet.shut_down()
    node.kubelet = None
    workload, static = (node.runtime.container(name).finished_at for name in ("web", "c"))
    assert workload is not None
    assert static is not None
    assert workload < static
    assert (node.root / "kubelet" / "pods" / uid_of(found)).exists()
    still = await node.pod("web")
    assert still is not None
    assert still["status"]["phase"] == "Running", "nobody was told that it ended"
    await node.start()

    async def restarted() -> bool:
        again = await node.pod("web")
        status = (again or {})["status"]["containerStatuses"][0]
        return bool(status["restartCount"] == 1 and status["ready"])

    await eventually(restarted)


async def test_a_full_node_refuses_pods_until_one_has_gone(node: NodeUnderTest) -> None:
    node.options["max_pods"] = 2
    await node.start()
    node.write_manifest("st.yaml", static_pod())
    await run(node, pod("first"))
    await node.admin.create(PODS, pod("second"))
    refused = await node.wait_phase("second", "Failed")
    assert refused["status"]["reason"] == "OutOfpods"
    assert "used: 2, capacity: 2" in refused["status"]["message"]
    await node.wait_event("OutOfpods: Node didn't have enough resource: pods")
    assert "second" not in {one.config.name for one in await node.runtime.list_pod_sandboxes()}
    await node.admin.delete(PODS, "default", "second")
    await node.wait_gone("second")
    node.runtime.exit_container("c", 0)
    await node.admin.delete(PODS, "default", "first")
    await node.wait_gone("first")
    await run(node, pod("third"))


async def test_fields_without_effect_are_told_once(node: NodeUnderTest) -> None:
    await node.start()
    await run(node, pod(hostPID=True))
    await node.wait_event("FieldsIgnored: These fields have no effect here: spec.hostPID")


async def test_a_node_may_not_run_a_pod_it_was_not_given(node: NodeUnderTest) -> None:
    await node.start()
    await eventually(node.node)
    other = pod("other", nodeName="master-9")
    await node.admin.create(PODS, other)
    await run(node, pod())
    assert {one.config.name for one in await node.runtime.list_pod_sandboxes()} == {"web"}
    with pytest.raises(StatusError, match="forbidden"):
        await node.client.delete(PODS, "default", "other")


async def test_a_fresh_process_is_not_root_in_disguise(node: NodeUnderTest) -> None:
    await node.start()
    found = await run(node, pod())
    directory = node.root / "kubelet" / "pods" / uid_of(found)
    assert directory.stat().st_mode & 0o007 == 0, "other users of the machine see no token"
    assert directory.stat().st_uid == os.geteuid()
