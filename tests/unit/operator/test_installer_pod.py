"""What an installer does on its node, against an API simulator."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from podpass.api.errors import StatusError
from podpass.api.resources import CONFIG_MAPS, EVENTS, PODS, SECRETS
from podpass.base.clock import SystemClock
from podpass.client.config import ClientConfig
from podpass.client.rest import RestClient
from podpass.operator.installer_events import tell_result
from podpass.operator.installer_pod import Installer, InstallerSettings
from podpass.operator.node_files import InstallError, NodeFiles
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.fake_clock import FakeClock, settle, until

NAMESPACE = "openshift-kube-apiserver"
SETTINGS = InstallerSettings(
    node_name="master-1",
    node_ip="127.0.0.12",
    namespace=NAMESPACE,
    installer_name="installer-12-master-1",
    revision=12,
    config_maps=("config", "kube-apiserver-pod"),
    optional_config_maps=("cloud-config",),
    optional_secrets=("webhook",),
    cert_config_maps=("client-ca",),
    cert_secrets=("serving",),
)


@dataclass
class Node:
    simulator: ApiSimulator
    client: RestClient
    root: Path

    def installer(
        self, settings: InstallerSettings = SETTINGS, clock: FakeClock | None = None
    ) -> Installer:
        files = NodeFiles(self.root / "resources", self.root / "manifests")
        return Installer(settings, self.client, files, clock or SystemClock())

    @property
    def manifest(self) -> Path:
        return self.root / "manifests/kube-apiserver.yaml"

    def put_config_map(self, name: str, **data: str) -> None:
        metadata = {"name": name, "namespace": NAMESPACE}
        self.simulator.put(CONFIG_MAPS, {"metadata": metadata, "data": data})

    def put_installer(self, revision: int, phase: str, node: str = "master-1") -> None:
        self.simulator.put(
            PODS,
            {
                "metadata": {
                    "name": f"installer-{revision}-{node}",
                    "namespace": NAMESPACE,
                    "labels": {"app": "installer", "revision": str(revision)},
                },
                "spec": {"nodeName": node},
                "status": {"phase": phase},
            },
        )


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    for name in ("resources", "manifests"):
        (tmp_path / name).mkdir()
    async with ApiSimulator() as simulator, RestClient(ClientConfig(simulator.url)) as client:
        node = Node(simulator, client, tmp_path)
        node.put_config_map("config-12", **{"config.yaml": "bind NODE_IP as NODE_NAME"})
        pod = '{"metadata": {"labels": {"revision": "REVISION"}}, "name": "NODE_NAME"}'
        node.put_config_map("kube-apiserver-pod-12", **{"pod.yaml": pod})
        node.put_config_map("client-ca", **{"ca-bundle.crt": "CA"})
        key = base64.b64encode(b"\xff\x00").decode()
        metadata = {"name": "serving", "namespace": NAMESPACE}
        simulator.put(SECRETS, {"metadata": metadata, "data": {"tls.key": key}})
        metadata = {"name": "webhook-12", "namespace": NAMESPACE}
        simulator.put(SECRETS, {"metadata": metadata, "data": {"kubeConfig": key}})
        yield node


async def test_a_revision_comes_to_the_node(node: Node) -> None:
    await node.installer().install()
    resources = node.root / "resources"
    revision = resources / "kube-apiserver-pod-12"
    config = revision / "configmaps/config/config.yaml"
    assert config.read_text() == "bind 127.0.0.12 as master-1"
    assert (revision / "secrets/webhook/kubeConfig").read_bytes() == b"\xff\x00"
    assert not (revision / "configmaps/cloud-config").exists()
    certs = resources / "kube-apiserver-certs"
    assert (certs / "secrets/serving/tls.key").read_bytes() == b"\xff\x00"
    assert (certs / "configmaps/client-ca/ca-bundle.crt").read_bytes() == b"CA"
    assert node.manifest.read_text() == (
        '{"metadata": {"labels": {"revision": "12"}}, "name": "master-1"}'
    )


async def test_a_missing_copy_stops_before_the_manifest(node: Node) -> None:
    node.simulator.remove(CONFIG_MAPS, NAMESPACE, "config-12")
    with pytest.raises(InstallError, match='configmaps "config-12" not found'):
        await node.installer().install()
    assert not node.manifest.exists()


async def test_a_pod_without_a_template_is_refused(node: Node) -> None:
    node.put_config_map("kube-apiserver-pod-12", other="x")
    with pytest.raises(InstallError, match=r"configmap/kube-apiserver-pod-12 has no pod\.yaml"):
        await node.installer().install()


async def test_a_server_that_restarts_is_waited_for(node: Node) -> None:
    node.simulator.answers += [StatusError(503, "ServiceUnavailable", "later")] * 2
    node.simulator.breaks = 2
    await node.installer().install()
    assert node.manifest.exists()


async def test_a_server_that_stays_away_ends_it(node: Node) -> None:
    await node.simulator.stop()
    clock = FakeClock()
    work = asyncio.create_task(node.installer(clock=clock).install())
    while not work.done():
        await until(lambda: work.done() or clock.sleeping)
        await clock.advance(30)
    with pytest.raises(InstallError, match="the API server is out of reach"):
        await work


async def test_a_refusal_is_final(node: Node) -> None:
    node.simulator.answers.append(StatusError(403, "Forbidden", "no"))
    with pytest.raises(InstallError, match="no"):
        await node.installer().install()


@pytest.mark.parametrize("phase", ["Running", "Succeeded"])
async def test_a_newer_installer_wins(node: Node, phase: str) -> None:
    node.put_installer(13, phase)
    with pytest.raises(InstallError, match="thisRevision=12, moreRecentRevision=13"):
        await node.installer().install()


async def test_an_older_installer_is_waited_for(node: Node) -> None:
    node.put_installer(11, "Running")
    node.put_installer(12, "Running")  # this is ourselves
    node.put_installer(13, "Running", node="master-2")
    clock = FakeClock()
    settings = replace(SETTINGS, sibling_timeout=timedelta(seconds=60))
    work = asyncio.create_task(node.installer(settings, clock).install())
    await until(lambda: clock.sleeping)
    assert not node.manifest.exists()
    node.put_installer(11, "Failed")
    await clock.advance(1)
    await work
    assert node.manifest.exists()


async def test_an_older_installer_is_not_waited_for_for_ever(node: Node) -> None:
    node.put_installer(11, "Running")
    with pytest.raises(InstallError, match="other installer pods still run: installer-11-master-1"):
        await node.installer().install()


async def test_it_settles_and_looks_again(node: Node) -> None:
    clock = FakeClock()
    settings = replace(SETTINGS, settle=timedelta(seconds=30))
    work = asyncio.create_task(node.installer(settings, clock).install())
    await until(lambda: clock.sleeping)
    node.put_installer(13, "Pending")
    await clock.advance(30)
    with pytest.raises(InstallError, match="moreRecentRevision=13"):
        await work
    await settle()


async def test_certificates_alone(node: Node) -> None:
    installer = node.installer(replace(SETTINGS, revision=0))
    assert await installer.sync_certs()
    assert not await installer.sync_certs()
    assert not node.manifest.exists()


@pytest.mark.parametrize(
    ("revision", "error", "changed", "reason"),
    [
        pytest.param(12, None, False, "StaticPodInstallerCompleted", id="installed"),
        pytest.param(12, "no space", False, "StaticPodInstallerFailed", id="failed"),
        pytest.param(0, None, True, "CertificateUpdated", id="certificates"),
        pytest.param(0, "no space", False, "CertificateUpdateFailed", id="no certificates"),
        pytest.param(0, None, False, "", id="nothing new"),
    ],
)
async def test_the_end_is_told(
    node: Node, revision: int, error: str | None, changed: bool, reason: str
) -> None:
    settings = replace(SETTINGS, revision=revision)
    failure = InstallError(error) if error else None
    await tell_result(node.client, SystemClock(), settings, failure, certs_changed=changed)
    told = [one["reason"] for one in node.simulator.objects(EVENTS)]
    assert told == ([reason] if reason else [])


async def test_an_api_that_is_away_does_not_spoil_the_end(node: Node) -> None:
    await node.simulator.stop()
    await tell_result(node.client, SystemClock(), SETTINGS, None)
