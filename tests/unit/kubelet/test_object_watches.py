"""Objects in volumes are watched while pods have them mounted, and changes reach the pods."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from podpass.api.resources import CONFIG_MAPS, PODS, SECRETS, Object, Resource
from podpass.client.rest import RestClient
from podpass.kubelet.object_watches import (
    BEGIN_SECONDS,
    SETTLE_SECONDS,
    ObjectWatches,
    Reference,
    references,
)
from podpass.testing.api_server import RunningApiServer, TestPki, running_api_server
from podpass.testing.fake_clock import FakeClock, until
from podpass.testing.kubelet_on_api import client_config, eventually, node_at
from podpass.testing.memory_store import MemoryStore

FIRST = Reference(CONFIG_MAPS, "default", "first")


def test_what_a_pod_refers_to() -> None:
    sources = [
        {"configMap": {"name": "projected"}},
        {"secret": {"name": "hidden"}},
        {"serviceAccountToken": {"path": "token"}},
        {"configMap": {}},
    ]
    volumes = [
        {"name": "a", "configMap": {"name": "plain"}},
        {"name": "b", "secret": {"secretName": "plain"}},
        {"name": "c", "projected": {"sources": sources}},
        {"name": "d", "emptyDir": {}},
        {"name": "not-mounted", "configMap": {"name": "other"}},
    ]
    mounts = [{"name": name, "mountPath": f"/{name}"} for name in "abcd"]
    pod = {
        "metadata": {"namespace": "ns", "name": "p"},
        "spec": {"volumes": volumes, "containers": [{"name": "x", "volumeMounts": mounts}]},
    }
    assert references(pod) == {
        Reference(CONFIG_MAPS, "ns", "plain"),
        Reference(CONFIG_MAPS, "ns", "projected"),
        Reference(SECRETS, "ns", "plain"),
        Reference(SECRETS, "ns", "hidden"),
    }


class Cluster:
    """Watches of a node on a clock of their own, at a real API server."""

    def __init__(self, client: RestClient) -> None:
        self.client = client
        self.clock = FakeClock()
        self.learned: list[tuple[str, str | None]] = []
        self.woken: list[str] = []
        self.watches = ObjectWatches(client, self, self.clock)

    def learn(self, resource: Resource, namespace: str, name: str, found: Object | None) -> None:
        assert (resource, namespace) == (CONFIG_MAPS, "default")
        self.learned.append((name, None if found is None else found["data"]["k"]))

    def follow(self, uid: str, *wanted: Reference) -> None:
        self.watches.follow(uid, wanted, lambda: self.woken.append(uid))

    async def write(self, name: str, value: str, *, new: bool = False) -> None:
        wanted = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "default"},
            "data": {"k": value},
        }
        if new:
            await self.client.create(CONFIG_MAPS, wanted)
        else:
            await self.client.patch(CONFIG_MAPS, "default", name, {"data": {"k": value}})

    async def told(self, name: str, value: str | None) -> None:
        """Wait until the watch has seen it and the pods were woken."""
        await until(lambda: (name, value) in self.learned)
        await self.clock.advance(SETTLE_SECONDS)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> TestPki:
    return TestPki.make(tmp_path_factory.mktemp("pki"))


@pytest.fixture
async def api(pki: TestPki) -> AsyncIterator[RunningApiServer]:
    async with running_api_server(MemoryStore(), pki) as running:
        yield running


@pytest.fixture
async def cluster(api: RunningApiServer) -> AsyncIterator[Cluster]:
    async with RestClient(client_config(api, "admin", group="system:masters")) as client:
        one = Cluster(client)
        yield one
        await one.watches.close()


async def test_pods_share_a_watch_and_hear_of_changes(cluster: Cluster) -> None:
    await cluster.write("first", "1", new=True)
    await cluster.write("other", "1", new=True)
    cluster.follow("a", FIRST)
    cluster.follow("b", FIRST)
    assert cluster.clock.sleeping == []
    await cluster.clock.advance(BEGIN_SECONDS)
    await cluster.told("first", "1")
    assert sorted(cluster.woken) == ["a", "b"]
    await cluster.write("first", "2")
    await cluster.told("first", "2")
    assert sorted(cluster.woken) == ["a", "a", "b", "b"]
    assert {name for name, _ in cluster.learned} == {"first"}


async def test_a_pod_that_has_gone_hears_nothing(cluster: Cluster) -> None:
    cluster.follow("a", FIRST)
    cluster.follow("b", FIRST)
    await cluster.clock.advance(BEGIN_SECONDS)
    cluster.watches.forget("a")
    await cluster.write("first", "1", new=True)
    await cluster.told("first", "1")
    assert cluster.woken == ["b"]
    cluster.watches.forget("b")
    await cluster.write("first", "2")
    cluster.follow("b", FIRST)
    await cluster.clock.advance(BEGIN_SECONDS)
    await cluster.told("first", "2")
    assert cluster.woken == ["b", "b"]


async def test_objects_may_come_and_go(cluster: Cluster) -> None:
    cluster.follow("a", FIRST)
    await cluster.clock.advance(BEGIN_SECONDS)
    await cluster.write("first", "1", new=True)
    await cluster.told("first", "1")
    await cluster.client.delete(CONFIG_MAPS, "default", "first")
    await cluster.told("first", None)
    assert cluster.woken == ["a", "a"]


async def test_changes_in_quick_succession_wake_once(cluster: Cluster) -> None:
    cluster.follow("a", FIRST)
    await cluster.clock.advance(BEGIN_SECONDS)
    await cluster.write("first", "0", new=True)
    for number in range(1, 4):
        await cluster.write("first", str(number))
    await cluster.told("first", "3")
    assert cluster.woken == ["a"]


@pytest.mark.rule("volume.config-map-update", "case.e2e.projected-optional")
async def test_a_mounted_object_changes_within_a_moment(
    api: RunningApiServer, tmp_path: Path
) -> None:
    """The whole way, with the permissions of a node: optional sources come, change and go."""
    async with node_at(api, tmp_path) as node:
        await node.start()
        mount = {"name": "v", "mountPath": "/v"}
        source = {"configMap": {"name": "first", "optional": True}}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {
                "nodeName": "master-0",
                "automountServiceAccountToken": False,
                "volumes": [{"name": "v", "projected": {"sources": [source]}}],
                "containers": [{"name": "c", "image": "nginx", "volumeMounts": [mount]}],
            },
        }
        await node.admin.create(PODS, pod)
        found = await node.wait_ready("web")
        uid = str(found["metadata"]["uid"])
        file = node.root / "kubelet/pods" / uid / "volumes/kubernetes.io~projected/v/k"
        assert not file.exists()

        def shows(text: str) -> bool:
            return file.exists() and file.read_text() == text

        writer = Cluster(node.admin)
        await writer.write("first", "one", new=True)
        await eventually(lambda: shows("one"))
        await writer.write("first", "two")
        await eventually(lambda: shows("two"))
        await node.admin.delete(CONFIG_MAPS, "default", "first")
        await eventually(lambda: not file.exists())
