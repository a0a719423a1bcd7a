"""etcd loses its leader, then its quorum, and comes back, while clients go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import ClusterUnderTest, free_port
from storage.etcd_server import EtcdCluster, program

from podpass.bootstrap.cluster import load_cluster
from podpass.bootstrap.home import Home
from podpass.storage.etcd import EtcdStore
from podpass.storage.etcd_gateway import EtcdAddress
from podpass.testing.fake_clock import until
from tests.chaos.etcd_faults import lose_leader, lose_quorum
from tests.chaos.history import Record, problems
from tests.chaos.load import Load
from tests.chaos.register_client import RegisterClient

pytestmark = [
    pytest.mark.skipif(program() is None, reason="no wheel of etcd for this machine"),
    pytest.mark.timeout(600),
]


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[EtcdCluster]:
    cluster = EtcdCluster(tmp_path / "etcd", members=3)
    cluster.start()
    yield cluster
    cluster.kill()


async def test_the_history_of_a_store_whose_members_die_is_linearizable(etcd: EtcdCluster) -> None:
    records: dict[int, Record] = {}

    def keep(record: Record) -> None:
        records[id(record)] = record

    def acknowledged() -> int:
        return sum(one.acknowledged for one in records.values())

    async def more(count: int) -> None:
        goal = acknowledged() + count
        await until(lambda: acknowledged() >= goal, seconds=60)

    endpoints = etcd.endpoints
    stores = [
        await EtcdStore.open(
            EtcdAddress(endpoints[number:] + endpoints[:number]), request_seconds=0.5
        )
        for number in range(3)
    ]
    work = [
        asyncio.create_task(
            RegisterClient(store, ["/r/a", "/r/b"], name=f"c{n}", seed=1, keep=keep).run(pause=0.02)
        )
        for n, store in enumerate(stores)
    ]
    for fault in (lose_leader, lose_quorum, lose_leader):
        await more(30)
        await fault(etcd, seconds=1.5)
    await more(30)
    for task in work:
        task.cancel()
    ended = await asyncio.gather(*work, return_exceptions=True)
    for store in stores:
        await store.close()
    assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended
    assert problems(list(records.values())) == []


async def test_a_cluster_on_an_etcd_whose_members_die_loses_nothing(
    etcd: EtcdCluster, tmp_path: Path
) -> None:
    cluster = ClusterUnderTest(
        tmp_path / "podpass",
        free_port(),
        options=("--min-token-expiration", "10s", "--etcd", ",".join(etcd.endpoints)),
    )
    try:
        started = await asyncio.to_thread(cluster.up)
        assert started.code == 0, started.err
        home = Home(cluster.home)
        load = Load(home, load_cluster(home.cluster_file), seed=1)
        await load.start()
        pids = {node: cluster.payloads(node, "apiserver") for node in ("master-0", "master-1")}
        await asyncio.sleep(3)
        await lose_leader(etcd, seconds=3)
        await asyncio.sleep(2)
        losing = asyncio.create_task(lose_quorum(etcd, seconds=8))
        await until(lambda: sum(member.is_healthy() for member in etcd.members) == 0)
        cached = "/api/v1/namespaces/chaos/configmaps?resourceVersion=0"
        assert "ConfigMapList" in await asyncio.to_thread(cluster.ok, "get", "--raw", cached)
        assert not losing.done(), "the quorum was back before the list was read"
        await losing
        await asyncio.sleep(2)
        findings = await load.finish()
        assert findings.violations == []
        assert findings.acknowledged > 30
        assert findings.events > 30
        assert pids == {node: cluster.payloads(node, "apiserver") for node in pids}, "restarted"
    finally:
        await asyncio.to_thread(cluster.down)
