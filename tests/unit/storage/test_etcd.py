import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from storage.contract import StoreContract, read_until
from storage.etcd_server import GO_ON, STOP, EtcdCluster, program
from storage.model import StoreMachine

from podpass.base.clock import SystemClock
from podpass.bootstrap.certificates import ensure_authority, ensure_certificate
from podpass.storage.etcd import EtcdStore
from podpass.storage.etcd_gateway import EtcdAddress
from podpass.storage.interface import (
    Change,
    KeyValue,
    Progress,
    RevisionConflict,
    Store,
    StoreRevision,
    StoreUnavailable,
)
from podpass.storage.location import EtcdLocation, open_store

pytestmark = pytest.mark.skipif(program() is None, reason="no wheel of etcd for this machine")


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[EtcdCluster]:
    cluster = EtcdCluster(tmp_path / "etcd")
    cluster.start()
    yield cluster
    cluster.kill()


@pytest.fixture
async def store(etcd: EtcdCluster) -> AsyncIterator[EtcdStore]:
    store = await EtcdStore.open(EtcdAddress(etcd.endpoints))
    yield store
    await store.close()


@pytest.fixture
async def peer(etcd: EtcdCluster) -> AsyncIterator[EtcdStore]:
    peer = await EtcdStore.open(EtcdAddress(etcd.endpoints))
    yield peer
    await peer.close()


class TestEtcdStore(StoreContract):
    pass


async def open_two_handles() -> list[Store]:
    directory = Path(tempfile.mkdtemp(prefix="podpass-etcd-"))
    cluster = EtcdCluster(directory)
    cluster.start()
    MACHINES[id(cluster)] = cluster
    return [await EtcdStore.open(EtcdAddress(cluster.endpoints)) for _ in range(2)]


MACHINES: dict[int, EtcdCluster] = {}


class EtcdMachine(StoreMachine):
    open_handles = staticmethod(open_two_handles)
    alone = False

    def teardown(self) -> None:
        super().teardown()
        while MACHINES:
            _, cluster = MACHINES.popitem()
            cluster.kill()
            shutil.rmtree(cluster.directory, ignore_errors=True)


TestEtcdModel = EtcdMachine.TestCase
TestEtcdModel.settings = settings(
    max_examples=5,
    stateful_step_count=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


@pytest.fixture
def three(tmp_path: Path) -> Iterator[EtcdCluster]:
    cluster = EtcdCluster(tmp_path / "etcd", members=3)
    cluster.start()
    yield cluster
    cluster.kill()


@asynccontextmanager
async def opened(etcd: EtcdCluster, **options: Any) -> AsyncIterator[EtcdStore]:
    store = await EtcdStore.open(EtcdAddress(etcd.endpoints), **options)
    try:
        yield store
    finally:
        await store.close()


async def test_two_clusters_in_one_etcd_do_not_see_each_other(etcd: EtcdCluster) -> None:
    async with opened(etcd, prefix="/one") as one, opened(etcd, prefix="/one/b") as other:
        made = await one.create("/a/x", b"1")
        await other.create("/a/x", b"2")
        assert (await one.list("/a/")).items == (made,)
        again = await one.create("/a/y", b"")
        changes = await read_until(one.watch("/a/", StoreRevision(0)), again.mod_revision)
        assert [change.key for change in changes] == ["/a/x", "/a/y"]


async def test_progress_reaches_what_others_wrote(etcd: EtcdCluster) -> None:
    async with opened(etcd, prefix="/ours") as ours, opened(etcd, prefix="/theirs") as theirs:
        watch = ours.watch("/a/", (await ours.create("/a/x", b"")).mod_revision)
        await anext(watch)
        foreign = await theirs.create("/b/x", b"")
        assert await ours.current_revision() == foreign.mod_revision
        assert await read_until(watch, foreign.mod_revision) == []


async def test_nobody_answers() -> None:
    with pytest.raises(StoreUnavailable, match=r"no member answers .*127\.0\.0\.1:1"):
        await EtcdStore.open(EtcdAddress(["http://127.0.0.1:1"]))


async def test_an_empty_prefix_would_own_everything(etcd: EtcdCluster) -> None:
    with pytest.raises(StoreUnavailable, match="prefix is empty"):
        await EtcdStore.open(EtcdAddress(etcd.endpoints), prefix="/")


async def test_missing_tls_file_is_named(tmp_path: Path) -> None:
    address = EtcdAddress(["https://127.0.0.1:1"], ca_file=tmp_path / "no-such.crt")
    with pytest.raises(StoreUnavailable, match=r"the TLS files for etcd: .*No such file"):
        await EtcdStore.open(address)


async def test_value_that_etcd_does_not_take_is_refused_and_loses_nothing(
    store: EtcdStore,
) -> None:
    made = await store.create("/a/x", b"one")
    with pytest.raises(StoreUnavailable, match="larger than its request limit"):
        await store.create("/a/big", b"x" * 3_000_000)
    assert (await store.list("/a/")).items == (made,)


async def test_a_member_that_dies_is_replaced_by_the_next(three: EtcdCluster) -> None:
    async with opened(three, request_seconds=0.5) as store:
        made = await store.create("/a/x", b"0")
        watch = await established(store, made)
        three.members[0].kill()
        entry = await written(store, made, b"1")
        position = made.mod_revision
        with pytest.raises(StoreUnavailable):
            await read_until(watch, entry.mod_revision)
        changes = await read_until(store.watch("/a/", position), entry.mod_revision)
        assert [change.current for change in changes][-1] == entry


async def test_a_lost_quorum_refuses_writes_and_comes_back_with_everything(
    three: EtcdCluster,
) -> None:
    async with opened(three, request_seconds=0.5) as store:
        made = await store.create("/a/x", b"0")
        for member in three.members[1:]:
            member.kill()
        with pytest.raises(StoreUnavailable):
            await store.update("/a/x", b"1", made.mod_revision)
        with pytest.raises(StoreUnavailable):
            await store.get("/a/x")
        for member in three.members[1:]:
            member.start()
        for member in three.members:
            member.wait_healthy()
        found = await store.get("/a/x")
        assert found is not None
        assert found == made or found.value == b"1", "the write without an answer, or none"
        entry = await written(store, made, b"2")
        assert entry.mod_revision > made.mod_revision


async def test_a_watch_leaves_a_member_that_does_not_follow(three: EtcdCluster) -> None:
    async with opened(three, request_seconds=0.5) as store:
        made = await store.create("/a/x", b"0")
        watch = await established(store, made)
        three.members[0].signal(STOP)
        try:
            entry = await written(store, made, b"1")
            with pytest.raises(StoreUnavailable):
                await read_until(watch, entry.mod_revision, within=10)
            changes = await read_until(store.watch("/a/", made.mod_revision), entry.mod_revision)
            assert [change.current for change in changes][-1] == entry
        finally:
            three.members[0].signal(GO_ON)


async def test_members_with_certificates_let_only_known_clients_in(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    pki.mkdir()
    now = SystemClock().now()
    authority = ensure_authority(pki, now=now)
    ensure_certificate(authority, pki, "etcd", "etcd", now=now, addresses=("127.0.0.1",))
    ensure_certificate(authority, pki, "client", "podpass", now=now)
    ca, certificate, key = pki / "ca.crt", pki / "client.crt", pki / "client.key"
    etcd = EtcdCluster(tmp_path / "etcd", pki=pki)
    etcd.start()
    try:
        known = EtcdLocation(
            servers=etcd.endpoints, ca_file=ca, cert_file=certificate, key_file=key
        )
        store = await open_store(known)
        await store.create("/a/x", b"one")
        await store.close()
        with pytest.raises(StoreUnavailable, match="no member answers"):
            await open_store(EtcdLocation(servers=etcd.endpoints, ca_file=ca))
        with pytest.raises(StoreUnavailable, match="certificate verify failed"):
            await open_store(
                EtcdLocation(servers=etcd.endpoints, cert_file=certificate, key_file=key)
            )
    finally:
        etcd.kill()


async def established(store: EtcdStore, known: KeyValue) -> AsyncIterator[Change | Progress]:
    """Return a watch that a member has confirmed."""
    watch = store.watch("/a/", known.mod_revision)
    assert [await anext(watch) for _ in range(2)] == [Progress(known.mod_revision)] * 2
    return watch


async def written(store: EtcdStore, before: KeyValue, value: bytes) -> KeyValue:
    """Write until it is acknowledged, as a caller does that reads again after an unknown end."""
    entry = before
    async with asyncio.timeout(30):
        while True:
            try:
                return await store.update(before.key, value, entry.mod_revision)
            except RevisionConflict as conflict:
                entry = conflict.current
            except StoreUnavailable:
                await asyncio.sleep(0.02)
