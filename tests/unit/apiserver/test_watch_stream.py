from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import orjson
from apiserver.api_calls import CONFIG_MAPS, call, config_map

from podpass.testing.api_server import RunningApiServer, TestPki, running_api_server
from podpass.testing.memory_store import MemoryStore

MERGE = "application/merge-patch+json"
Event = tuple[str, dict[str, Any]]


class Events:
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def next(self) -> Event:
        line = await self._response.content.readline()
        assert line, "the watch ended"
        event = orjson.loads(line)
        return event["type"], event["object"]

    async def ended(self) -> bool:
        return await self._response.content.readline() == b""


@asynccontextmanager
async def watching(
    admin: aiohttp.ClientSession, query: str = "", *, accept: str = ""
) -> AsyncIterator[Events]:
    headers = {"Accept": accept} if accept else {}
    async with admin.get(f"{CONFIG_MAPS}?watch=1&{query}", headers=headers) as response:
        assert response.status == 200
        yield Events(response)


def version(obj: dict[str, Any]) -> int:
    return int(obj["metadata"]["resourceVersion"])


async def labelled(admin: aiohttp.ClientSession, name: str, app: str) -> dict[str, Any]:
    body = config_map(name)
    body["metadata"]["labels"] = {"app": app}
    created: dict[str, Any] = await call(admin, "POST", CONFIG_MAPS, body, expect=201)
    return created


async def relabel(admin: aiohttp.ClientSession, name: str, app: str) -> dict[str, Any]:
    patch = {"metadata": {"labels": {"app": app}}}
    path = f"{CONFIG_MAPS}/{name}"
    changed: dict[str, Any] = await call(admin, "PATCH", path, patch, content_type=MERGE)
    return changed


async def test_a_watch_starts_with_the_state_and_goes_on_live(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        first = await call(admin, "POST", CONFIG_MAPS, config_map("a"), expect=201)
        async with watching(admin) as events:
            assert await events.next() == ("ADDED", first)
            changed = await relabel(admin, "a", "web")
            assert await events.next() == ("MODIFIED", changed)
            await call(admin, "DELETE", f"{CONFIG_MAPS}/a")
            kind, last = await events.next()
            assert kind == "DELETED"
            assert version(last) > version(changed)
            assert last["metadata"]["labels"] == {"app": "web"}


async def test_a_watch_goes_on_behind_a_resource_version(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        first = await call(admin, "POST", CONFIG_MAPS, config_map("a"), expect=201)
        second = await call(admin, "POST", CONFIG_MAPS, config_map("b"), expect=201)
        async with watching(admin, f"resourceVersion={version(first)}") as events:
            assert await events.next() == ("ADDED", second)


async def test_other_namespaces_are_not_seen(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        start = version(await call(admin, "POST", CONFIG_MAPS, config_map("a"), expect=201))
        other = "/api/v1/namespaces/kube-system/configmaps"
        async with watching(admin, f"resourceVersion={start}") as events:
            await call(admin, "POST", other, config_map("x"), expect=201)
            seen = await call(admin, "POST", CONFIG_MAPS, config_map("b"), expect=201)
            assert await events.next() == ("ADDED", seen)


async def test_a_selector_turns_changes_into_arrivals_and_departures(
    api: RunningApiServer,
) -> None:
    async with api.admin() as admin:
        await labelled(admin, "a", "db")
        web = await labelled(admin, "b", "web")
        async with watching(admin, "labelSelector=app%3Dweb") as events:
            assert await events.next() == ("ADDED", web)
            arrived = await relabel(admin, "a", "web")
            assert await events.next() == ("ADDED", arrived)
            left = await relabel(admin, "b", "db")
            kind, last = await events.next()
            assert kind == "DELETED"
            assert last["metadata"]["labels"] == {"app": "web"}
            assert version(last) == version(left)
            await call(admin, "DELETE", f"{CONFIG_MAPS}/b")
            await call(admin, "DELETE", f"{CONFIG_MAPS}/a")
            kind, last = await events.next()
            assert (kind, last["metadata"]["name"]) == ("DELETED", "a")


async def test_a_watch_list_ends_its_first_part_with_a_bookmark(api: RunningApiServer) -> None:
    query = (
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        "&resourceVersion="
    )
    async with api.admin() as admin:
        first = await call(admin, "POST", CONFIG_MAPS, config_map("a"), expect=201)
        async with watching(admin, query) as events:
            assert await events.next() == ("ADDED", first)
            kind, mark = await events.next()
            assert kind == "BOOKMARK"
            assert mark["kind"] == "ConfigMap"
            assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
            second = await call(admin, "POST", CONFIG_MAPS, config_map("b"), expect=201)
            assert await events.next() == ("ADDED", second)


async def test_a_watch_list_from_cache_and_one_without_bookmarks(api: RunningApiServer) -> None:
    query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
    async with api.admin() as admin:
        first = await call(admin, "POST", CONFIG_MAPS, config_map("a"), expect=201)
        for version_ in ("0", str(version(first))):
            marked = f"{query}&allowWatchBookmarks=true&resourceVersion={version_}"
            async with watching(admin, marked) as events:
                assert await events.next() == ("ADDED", first)
                kind, mark = await events.next()
                assert kind == "BOOKMARK"
                assert version(mark) >= version(first)
        async with watching(admin, f"{query}&timeoutSeconds=1") as events:
            assert await events.next() == ("ADDED", first)
            assert await events.ended()


async def test_a_watch_without_initial_events_starts_now(api: RunningApiServer) -> None:
    query = "sendInitialEvents=false&resourceVersionMatch=NotOlderThan"
    async with api.admin() as admin:
        await call(admin, "POST", CONFIG_MAPS, config_map("a"), expect=201)
        async with watching(admin, query) as events:
            second = await call(admin, "POST", CONFIG_MAPS, config_map("b"), expect=201)
            assert await events.next() == ("ADDED", second)


async def test_too_old_a_resource_version_is_an_error_event(pki: TestPki) -> None:
    store = MemoryStore()
    async with running_api_server(store, pki) as before, before.admin() as admin:
        old = version(await call(admin, "POST", CONFIG_MAPS, config_map("a"), expect=201))
        await call(admin, "POST", CONFIG_MAPS, config_map("b"), expect=201)
        await store.compact(await store.current_revision())
    async with (
        running_api_server(store, pki) as after,
        after.admin() as admin,
        watching(admin, f"resourceVersion={old - 1}") as events,
    ):
        kind, status = await events.next()
        assert kind == "ERROR"
        assert (status["code"], status["reason"]) == (410, "Expired")
        assert await events.ended()


async def test_a_watch_ends_after_its_time(api: RunningApiServer) -> None:
    async with api.admin() as admin, watching(admin, "timeoutSeconds=1") as events:
        assert await events.ended()


async def test_a_watch_ends_when_the_server_stops(pki: TestPki) -> None:
    async with (
        running_api_server(MemoryStore(), pki) as api,
        api.admin() as admin,
        watching(admin) as events,
    ):
        await api.server.stop()
        assert await events.ended()


@asynccontextmanager
async def deaf_watch(api: RunningApiServer) -> AsyncIterator[socket.socket]:
    """A watch whose client reads the head of the answer and then nothing; yields its socket."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.connect(("127.0.0.1", urlsplit(api.url).port))
    reader, writer = await asyncio.open_connection(
        sock=raw,
        ssl=api.pki.client_context("admin"),
        server_hostname="127.0.0.1",
        limit=1024,
    )
    try:
        writer.write(f"GET {CONFIG_MAPS}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # it reads as well
        yield raw
    finally:
        writer.transport.abort()


async def watchers(admin: aiohttp.ClientSession) -> int:
    text = await call(admin, "GET", "/metrics")
    (shown,) = re.findall(r"^apiserver_registered_watchers (\d+)$", text, re.MULTILINE)
    return int(shown)


async def test_a_client_that_does_not_read_is_cut_off_and_buffered_for_no_further(
    api: RunningApiServer,
) -> None:
    body = config_map("large", data="x" * 400_000)
    async with api.admin() as admin, watching(admin) as steady, deaf_watch(api):
        await call(admin, "POST", CONFIG_MAPS, body, expect=201)
        await steady.next()
        written = 0
        # The kernel's buffers, ours, and 8 MiB of events.
        while await watchers(admin) == 2:
            assert written < 120, "it is buffered for ever"
            body["data"]["n"] = str(written)
            await call(admin, "PUT", f"{CONFIG_MAPS}/large", body)
            kind, obj = await steady.next()
            assert (kind, obj["data"]["n"]) == ("MODIFIED", str(written))
            written += 1
        assert await watchers(admin) == 1
        assert written > 20, "it is cut off too early"


async def test_a_large_state_reaches_a_client_whole(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        for index in range(10):
            large = config_map(f"c{index}", data="x" * 30_000)
            await call(admin, "POST", CONFIG_MAPS, large, expect=201)
        async with watching(admin) as events:
            names = [(await events.next())[1]["metadata"]["name"] for _ in range(10)]
    assert names == [f"c{index}" for index in range(10)]


async def test_a_table_watch_describes_its_columns_once(api: RunningApiServer) -> None:
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    async with api.admin() as admin:
        await call(admin, "POST", CONFIG_MAPS, config_map("a"), expect=201)
        async with watching(admin, accept=accept) as events:
            _, first = await events.next()
            await call(admin, "POST", CONFIG_MAPS, config_map("b"), expect=201)
            kind, second = await events.next()
    assert first["columnDefinitions"][0]["name"] == "Name"
    assert (kind, second["columnDefinitions"]) == ("ADDED", [])
    assert second["rows"][0]["cells"][0] == "b"
