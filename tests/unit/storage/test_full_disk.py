"""A disk that is full or read-only, as clients of the API see it: writes wait, all else goes on."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from sqlite3 import Connection

import pytest

from podpass.api.errors import StatusError
from podpass.api.resources import CONFIG_MAPS, Object
from podpass.base.clock import SystemClock
from podpass.storage.cached_objects import CachedObjects
from podpass.storage.objects import ObjectStore
from podpass.storage.sqlite import SqliteStore
from podpass.storage.sqlite_file import connect
from podpass.storage.subscription import CacheEvent, Subscription


def config_map(name: str, size: int = 0) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "a", "uid": name},
        "data": {"x": "x" * size},
    }


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(tmp_path / "podpass.db")
    yield store
    await store.close()


@asynccontextmanager
async def cached(store: SqliteStore) -> AsyncIterator[CachedObjects]:
    objects = CachedObjects(ObjectStore(store), clock=SystemClock())
    feeding = asyncio.create_task(objects.run())
    async with asyncio.timeout(30):
        await objects.wait_ready()
    yield objects
    feeding.cancel()
    with suppress(asyncio.CancelledError):
        await feeding


async def next_name(watch: Subscription) -> str:
    async with asyncio.timeout(30):
        while not isinstance(event := await anext(watch), CacheEvent):
            pass
    return str(event.current.object["metadata"]["name"])


def fill_disk(connection: Connection) -> Callable[[], object]:
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    return lambda: connection.execute("PRAGMA max_page_count = 1000000")


def write_protect(connection: Connection) -> Callable[[], object]:
    connection.execute("PRAGMA query_only = ON")
    return lambda: connection.execute("PRAGMA query_only = OFF")


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        pytest.param(fill_disk, "the disk is full; free some space, then try again", id="full"),
        pytest.param(write_protect, "it may only be read; check", id="read-only"),
    ],
)
async def test_writes_get_503_and_all_else_goes_on(
    store: SqliteStore,
    tmp_path: Path,
    fault: Callable[[Connection], Callable[[], object]],
    text: str,
) -> None:
    async with cached(store) as objects:
        made = await objects.objects.create(CONFIG_MAPS, config_map("first"))
        watch = objects.caches[CONFIG_MAPS].subscribe(made.revision, maximum_backlog=100)
        mend = fault(store._writer._connection)
        refused = await asyncio.gather(
            *(
                objects.objects.create(CONFIG_MAPS, config_map(f"refused-{index}", 100_000))
                for index in range(3)
            ),
            return_exceptions=True,
        )
        for one in refused:
            assert isinstance(one, StatusError)
            assert (one.code, one.reason) == (503, "ServiceUnavailable")
            assert text in one.message
        assert (await objects.live(CONFIG_MAPS, "a", "first")) == made.object
        page = await objects.objects.list(CONFIG_MAPS, "a")
        assert [one.object["metadata"]["name"] for one in page.items] == ["first"]
        assert page.revision == made.revision

        # Another API server, on which the fault does not show, writes: the watch here goes on.
        peer = await SqliteStore.open(tmp_path / "podpass.db")
        await ObjectStore(peer).create(CONFIG_MAPS, config_map("by-a-peer"))
        assert await next_name(watch) == "by-a-peer"
        await peer.close()

        mend()
        await objects.objects.create(CONFIG_MAPS, config_map("later", 100_000))
        assert await next_name(watch) == "later"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, for those who may mount one."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=1m", "podpass-test", str(directory)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)


async def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    path = small_disk / "podpass.db"
    store = await SqliteStore.open(path)
    objects = ObjectStore(store)
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 200_000)
    written: list[int] = []

    async def write_on() -> None:
        for index in range(1000):
            made = await objects.create(CONFIG_MAPS, config_map(f"n{index}", 20_000))
            written.append(made.revision)

    with pytest.raises(StatusError, match=r"the disk is full|its free space") as refused:
        await write_on()
    assert refused.value.code == 503
    assert written
    assert len((await objects.list(CONFIG_MAPS, None)).items) == len(written)
    with closing(connect(path, lock_timeout=1)) as other:
        assert other.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert other.execute("SELECT max(revision) FROM revisions").fetchone() == (written[-1],)
    ballast.unlink()
    later = await objects.create(CONFIG_MAPS, config_map("later", 20_000))
    assert later.revision == written[-1] + 1
    await store.close()
