"""The operator and its installer against the real API server: seed, edit, rollout to disk."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from podpass.api.errors import StatusError
from podpass.api.meta import find_condition, format_time, labels_of, name_of
from podpass.api.resources import (
    AUTHENTICATIONS,
    CONFIG_MAPS,
    EVENTS,
    KUBE_API_SERVERS,
    NODES,
    PODS,
    Object,
)
from podpass.apiserver.openshift_config import read_flags
from podpass.base.clock import SystemClock
from podpass.cli.installer import command as installer_command
from podpass.client.config import ClientConfig
from podpass.client.rest import RestClient
from podpass.operator import names
from podpass.operator.app import run_controllers
from podpass.operator.node_status import node_statuses
from podpass.operator.pod_manifests import NodeAddress
from podpass.operator.seed import INSTALLER_USER, OPERATOR_USER, Seed, initial_objects, seed_node
from podpass.operator.seed_objects import create_initial_objects
from podpass.operator.settings import OperatorSettings
from podpass.testing.api_server import RunningApiServer, TestPki, running_api_server
from podpass.testing.memory_store import MemoryStore
from podpass.testing.operator_cluster import ISSUER, NODE_NAMES, make_settings

OPERAND = names.OPERAND_NAMESPACE


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> TestPki:
    return TestPki.make(tmp_path_factory.mktemp("pki"))


def kubeconfig(api: RunningApiServer, user: str, *groups: str) -> bytes:
    certificate, key = api.pki.client(user, organizations=groups)

    def encoded(path: Path) -> str:
        return base64.b64encode(path.read_bytes()).decode()

    authority = encoded(api.pki.directory / "ca.crt")
    login = {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}
    return orjson.dumps(
        {
            "clusters": [
                {
                    "name": "c",
                    "cluster": {"server": api.url, "certificate-authority-data": authority},
                }
            ],
            "users": [{"name": "u", "user": login}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )


def client_of(api: RunningApiServer, user: str, *groups: str) -> RestClient:
    certificate, key = api.pki.client(user, organizations=groups)
    config = ClientConfig(
        api.url,
        ca_file=api.pki.directory / "ca.crt",
        client_certificate_file=certificate,
        client_key_file=key,
    )
    return RestClient(config)


@dataclass
class RealCluster:
    """A real API, and nodes whose installers run in this process, on real directories."""

    api: RunningApiServer
    admin: RestClient
    settings: OperatorSettings
    seed: Seed
    home: Path

    def directory(self, node: str, name: str) -> Path:
        return self.home / "nodes" / node / name

    async def start(self) -> None:
        for node in self.seed.nodes:
            for name in ("resources", "manifests"):
                self.directory(node.name, name).mkdir(parents=True)
            seed_node(
                self.seed,
                self.settings,
                node,
                self.directory(node.name, "resources"),
                self.directory(node.name, "manifests"),
            )
        now = SystemClock().now()
        objects = initial_objects(self.seed, self.settings, now=now)
        await create_initial_objects(self.admin, objects)
        for node in self.seed.nodes:
            await self._create_node(node)
            await self.report_static_pod(node.name)

    async def _create_node(self, node: NodeAddress) -> None:
        labels = {names.MASTER_LABEL: ""}
        created = await self.admin.create(
            NODES,
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": node.name, "labels": labels},
            },
        )
        status = {
            "addresses": [{"type": "InternalIP", "address": node.ip}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        }
        await self.admin.update(NODES, created | {"status": status}, subresource="status")

    async def report_static_pod(self, node: str) -> None:
        """Report what a kubelet would after it has read the manifest."""
        manifest = orjson.loads(
            (self.directory(node, "manifests") / "kube-apiserver.yaml").read_bytes()
        )
        manifest["metadata"]["name"] += f"-{node}"
        manifest["spec"]["nodeName"] = node
        manifest["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
        with contextlib.suppress(StatusError):
            await self.admin.delete(
                PODS, OPERAND, manifest["metadata"]["name"], grace_period_seconds=0
            )
        created = await self.admin.create(PODS, manifest)
        now = format_time(SystemClock().now())
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": now}
        status = created["status"] | {"phase": "Running", "conditions": [ready]}
        await self.admin.update(PODS, created | {"status": status}, subresource="status")

    async def run_pods(self) -> None:
        """Run every pod of the operator that waits, until cancelled."""
        while True:
            listed = await self.admin.list(PODS, OPERAND)
            for pod in listed["items"]:
                app = labels_of(pod).get("app")
                if app in ("installer", "cert-sync", "pruner") and (
                    pod["status"]["phase"] == "Pending"
                ):
                    await self._run(pod)
            await asyncio.sleep(0.02)

    async def _run(self, pod: Object) -> None:
        node = pod["spec"]["nodeName"]
        login = self.home / "installer.kubeconfig"
        login.write_bytes(self.seed.installer_kubeconfig)
        mounts = {
            "/etc/kubernetes/static-pod-resources": self.directory(node, "resources"),
            "/etc/kubernetes/manifests": self.directory(node, "manifests"),
        }
        hosts = {one["name"]: one.get("hostPath", {}) for one in pod["spec"]["volumes"]}
        container = pod["spec"]["containers"][0]
        for mount in container["volumeMounts"]:
            if mount["mountPath"] in mounts:
                assert hosts[mount["name"]]["path"] == str(mounts[mount["mountPath"]])
        arguments = [one for one in container["args"][1:] if not one.startswith("--kubeconfig")]
        arguments += [f"--resource-dir={mounts['/etc/kubernetes/static-pod-resources']}"]
        arguments += [f"--pod-manifest-dir={mounts['/etc/kubernetes/manifests']}"]
        if arguments[0] != "prune":
            arguments.append(f"--kubeconfig={login}")
        result = await asyncio.to_thread(CliRunner().invoke, installer_command, arguments)
        assert result.exit_code == 0, result.output
        fresh = await self.admin.get(PODS, OPERAND, name_of(pod))
        status = fresh["status"] | {"phase": "Succeeded"}
        await self.admin.update(PODS, fresh | {"status": status}, subresource="status")
        if arguments[0] == "install":
            await self.report_static_pod(node)

    async def operator(self) -> Object:
        return await self.admin.get(KUBE_API_SERVERS, None, "cluster")

    async def rolled_out(self, revision: int) -> None:
        async with asyncio.timeout(30):
            while True:
                nodes = node_statuses(await self.operator())
                if {one.current_revision for one in nodes} == {revision}:
                    return
                await asyncio.sleep(0.05)


@pytest.fixture
async def real(pki: TestPki, tmp_path: Path) -> AsyncIterator[RealCluster]:
    async with running_api_server(MemoryStore(), pki) as api:
        directory = pki.directory
        client_certificate, client_key = pki.client("admin", organizations=["system:masters"])
        settings = make_settings()
        plane = replace(
            settings.control_plane,
            node_directory=f"{tmp_path}/nodes/NODE_NAME",
            store_directory=str(tmp_path),
            run_directory=str(tmp_path),
        )
        seed = Seed(
            nodes=[NodeAddress(name, f"127.0.0.{11 + i}") for i, name in enumerate(NODE_NAMES)],
            server_url=api.url,
            ca_certificate=(directory / "ca.crt").read_bytes(),
            serving_certificate=(directory / "apiserver.crt").read_bytes(),
            serving_key=(directory / "apiserver.key").read_bytes(),
            kubelet_client_certificate=client_certificate.read_bytes(),
            kubelet_client_key=client_key.read_bytes(),
            signing_key=(directory / "sa.key").read_bytes(),
            signing_public_key=(directory / "sa.pub").read_bytes(),
            operator_kubeconfig=kubeconfig(api, OPERATOR_USER),
            installer_kubeconfig=kubeconfig(api, INSTALLER_USER),
        )
        async with (
            client_of(api, "admin", "system:masters") as admin,
            client_of(api, OPERATOR_USER) as operator,
        ):
            cluster = RealCluster(
                api, admin, replace(settings, control_plane=plane), seed, tmp_path
            )
            await cluster.start()
            tasks = [
                asyncio.create_task(run_controllers(cluster.settings, operator, SystemClock())),
                asyncio.create_task(cluster.run_pods()),
            ]
            yield cluster
            for task in tasks:
                assert not task.done() or task.result() is None
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_edit_ends_on_the_disks_of_all_nodes(real: RealCluster) -> None:
    edit = {"spec": {"serviceAccountIssuer": ISSUER}}
    await real.admin.patch(AUTHENTICATIONS, None, "cluster", edit)
    await real.rolled_out(2)
    for node in real.seed.nodes:
        manifest = (real.directory(node.name, "manifests") / "kube-apiserver.yaml").read_text()
        assert f"/nodes/{node.name}/resources/kube-apiserver-pod-2" in manifest
        assert "NODE_NAME" not in manifest
        resources = real.directory(node.name, "resources")
        file = resources / "kube-apiserver-pod-2/configmaps/config/config.yaml"
        flags = read_flags(file)
        assert f"--service-account-issuer={ISSUER}" in flags
        assert f"--bind-address={node.ip}" in flags
        assert f"--unix-socket=/var/lib/podpass/run/apiserver-{node.name}.sock" in flags
        key = resources / "kube-apiserver-certs/secrets" / names.SIGNING_KEY / names.PRIVATE_KEY
        assert key.read_bytes() == real.seed.signing_key
        assert key.stat().st_mode & 0o777 == 0o600
    told = await real.admin.list(EVENTS, OPERAND)
    assert {"Successfully installed revision 2"} == {
        one["message"] for one in told["items"] if one["reason"].startswith("StaticPod")
    }


async def test_the_api_refuses_what_breaks_the_rollout(real: RealCluster) -> None:
    operator = await real.operator()
    status = operator["status"]
    two = [one | {"targetRevision": 2} for one in status["nodeStatuses"]]
    for bad, text in (
        ({"nodeStatuses": two}, "no more than 1 node status may have a nonzero targetRevision"),
        ({"latestAvailableRevision": 0}, "must only increase"),
    ):
        with pytest.raises(StatusError, match=text):
            await real.admin.patch(
                KUBE_API_SERVERS, None, "cluster", {"status": bad}, subresource="status"
            )
    with pytest.raises(StatusError, match=r"should match '\^\(Managed\|Force\)\$'"):
        await real.admin.patch(
            KUBE_API_SERVERS, None, "cluster", {"spec": {"managementState": "Removed"}}
        )
    with pytest.raises(StatusError, match="resource, named cluster, is not allowed"):
        await real.admin.delete(AUTHENTICATIONS, None, "cluster")


async def test_seeding_twice_changes_nothing(real: RealCluster) -> None:
    before = await real.admin.list(CONFIG_MAPS, OPERAND)
    objects = initial_objects(real.seed, real.settings, now=SystemClock().now())
    unserved = await create_initial_objects(real.admin, objects)
    assert {one["kind"] for one in unserved} <= {"Deployment"}
    after = await real.admin.list(CONFIG_MAPS, OPERAND)
    assert after["items"] == before["items"]
    progressing = find_condition(
        (await real.operator())["status"]["conditions"], "NodeInstallerProgressing"
    )
    assert progressing is not None
    assert progressing["message"] == "3 nodes are at revision 1"
