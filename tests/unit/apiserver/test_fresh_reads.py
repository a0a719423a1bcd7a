"""How fresh a read is: `resourceVersion` none, "0", at least and exact, with a cache that lags."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from apiserver.api_calls import CONFIG_MAPS, call, config_map

from podpass.apiserver import fresh_reads, read_handlers, watch_stream
from podpass.storage.interface import Change, Progress, StoreRevision
from podpass.testing.api_server import TestPki, running_api_server
from podpass.testing.memory_store import MemoryStore


def wait_at_most(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    for module in (fresh_reads, read_handlers, watch_stream):
        monkeypatch.setattr(module, "WAIT_SECONDS", seconds)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    wait_at_most(monkeypatch, 30.0)


class LaggingStore(MemoryStore):
    """A store whose news can be held back, so that caches lag."""

    def __init__(self) -> None:
        super().__init__()
        self.flowing = asyncio.Event()
        self.flowing.set()

    async def watch(
        self, prefix: str, after_revision: StoreRevision
    ) -> AsyncIterator[Change | Progress]:
        async for news in super().watch(prefix, after_revision):
            await self.flowing.wait()
            yield news


@asynccontextmanager
async def lagging(
    pki: TestPki,
) -> AsyncIterator[tuple[aiohttp.ClientSession, LaggingStore, int, int]]:
    """A server whose cache has `a`, while the store has `b` too; yields also their versions."""
    store = LaggingStore()
    async with running_api_server(store, pki) as api, api.admin() as admin:
        known = await call(admin, "POST", CONFIG_MAPS, config_map("a"), expect=201)
        assert await names(admin, "") == ["a"]
        store.flowing.clear()
        try:
            unseen = await call(admin, "POST", CONFIG_MAPS, config_map("b"), expect=201)
            yield admin, store, version(known), version(unseen)
        finally:
            store.flowing.set()


def version(obj: dict[str, Any]) -> int:
    return int(obj["metadata"]["resourceVersion"])


async def names(admin: aiohttp.ClientSession, query: str) -> list[str]:
    items = (await call(admin, "GET", f"{CONFIG_MAPS}?{query}"))["items"]
    return [one["metadata"]["name"] for one in items]


async def test_zero_takes_what_the_cache_has(pki: TestPki) -> None:
    async with lagging(pki) as (admin, _, _, _):
        assert await names(admin, "resourceVersion=0") == ["a"]
        assert await names(admin, "resourceVersion=0&resourceVersionMatch=NotOlderThan") == ["a"]
        assert await names(admin, "resourceVersion=0&limit=1") == ["a"]
        await call(admin, "GET", f"{CONFIG_MAPS}/a?resourceVersion=0")
        await call(admin, "GET", f"{CONFIG_MAPS}/b?resourceVersion=0", expect=404)


async def test_at_least_takes_the_cache_if_it_has_come_so_far(pki: TestPki) -> None:
    async with lagging(pki) as (admin, _, known, _):
        assert await names(admin, f"resourceVersion={known}") == ["a"]
        match = f"resourceVersion={known}&resourceVersionMatch=NotOlderThan"
        assert await names(admin, match) == ["a"]
        await call(admin, "GET", f"{CONFIG_MAPS}/a?resourceVersion={known}")


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("", id="none: as fresh as the store"),
        pytest.param("resourceVersion={unseen}", id="at least what the cache has not seen"),
        pytest.param(
            "resourceVersion={unseen}&resourceVersionMatch=NotOlderThan",
            id="at least, said in words",
        ),
    ],
)
async def test_a_read_that_must_be_fresher_waits_for_the_cache(pki: TestPki, query: str) -> None:
    async with lagging(pki) as (admin, store, _, unseen):
        asked = query.format(unseen=unseen)
        listing = asyncio.create_task(names(admin, asked))
        getting = asyncio.create_task(call(admin, "GET", f"{CONFIG_MAPS}/b?{asked}"))
        # Whatever goes through the server after them shows that both wait.
        assert await names(admin, "resourceVersion=0") == ["a"]
        assert not listing.done()
        assert not getting.done()
        store.flowing.set()
        assert await listing == ["a", "b"]
        assert version(await getting) == unseen


async def test_exact_does_not_care_for_the_cache(pki: TestPki) -> None:
    async with lagging(pki) as (admin, _, known, unseen):
        exact = "resourceVersionMatch=Exact&resourceVersion"
        assert await names(admin, f"{exact}={unseen}") == ["a", "b"]
        assert await names(admin, f"{exact}={known}") == ["a"]
        assert await names(admin, f"resourceVersion={unseen}&limit=5") == ["a", "b"]


async def test_a_page_without_a_version_is_one_of_the_store(pki: TestPki) -> None:
    async with lagging(pki) as (admin, store, _, unseen):
        store.flowing.set()
        first = await call(admin, "GET", f"{CONFIG_MAPS}?limit=1")
        assert version(first) >= unseen
        token = first["metadata"]["continue"]
        await call(admin, "POST", CONFIG_MAPS, config_map("c"), expect=201)
        assert await names(admin, f"limit=5&continue={token}") == ["b"]


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("resourceVersion={later}", id="a version that nobody has written yet"),
        pytest.param("", id="the store is ahead of the cache for too long"),
    ],
)
async def test_a_cache_that_does_not_come_so_far_is_a_504(
    pki: TestPki, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    async with lagging(pki) as (admin, _, _, unseen):
        wait_at_most(monkeypatch, 0.05)
        for path in (CONFIG_MAPS, f"{CONFIG_MAPS}/a"):
            url = f"{path}?{query.format(later=unseen + 1000)}"
            async with admin.get(url) as response:
                status = await response.json()
                assert response.status == status["code"] == 504
                assert response.headers["Retry-After"] == "1"
            assert status["reason"] == "Timeout"
            assert "Too large resource version" in status["message"]
            assert status["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


async def test_a_watch_from_zero_starts_with_the_cache_and_one_from_none_with_the_store(
    pki: TestPki,
) -> None:
    async with lagging(pki) as (admin, store, _, unseen):
        watch = f"{CONFIG_MAPS}?watch=1&resourceVersion"
        async with admin.get(f"{watch}=0") as cached:
            assert b'"name":"a"' in await cached.content.readline()
            fresh = asyncio.create_task(admin.get(f"{watch}="))
            assert await names(admin, "resourceVersion=0") == ["a"]
            assert not fresh.done()
            store.flowing.set()
            assert b'"resourceVersion":"%d"' % unseen in await cached.content.readline()
        async with await fresh as response:
            lines = [await response.content.readline() for _ in range(2)]
        assert [b'"name":"a"' in lines[0], b'"name":"b"' in lines[1]] == [True, True]
