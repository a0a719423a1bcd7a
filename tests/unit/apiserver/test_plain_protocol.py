"""Connections over TLS whose requests are plain, until one is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from apiserver.raw_requests import RawConnection

from podpass.apiserver import plain_protocol
from podpass.apiserver.http_protocol import StatusServer
from podpass.apiserver.listeners import tls_context
from podpass.apiserver.plain_protocol import PlainServer, encode_response
from podpass.apiserver.plain_request import HttpRequest, PlainRequest
from podpass.base.clock import SystemClock
from podpass.testing.api_server import TestPki

PATIENCE = 30.0


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: api", *headers, "", ""]).encode()


@dataclass
class Handling:
    """Answers with what it was asked; paths below /slow wait."""

    plain: list[bool] = field(default_factory=list)
    certificates: list[bytes | None] = field(default_factory=list)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, http: HttpRequest) -> web.Response:
        self.plain.append(isinstance(http, PlainRequest))
        if isinstance(http, PlainRequest):
            self.certificates.append(http.certificate)
        if http.raw_path.startswith("/slow"):
            self.entered.set()
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        response = web.Response(body=http.raw_path.encode(), headers={"Content-Type": "text/plain"})
        if http.raw_path.endswith("last"):
            response.force_close()
        return response


@dataclass
class Serving:
    handling: Handling
    server: PlainServer
    port: int
    pki: TestPki

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[RawConnection]:
        context = self.pki.client_context("anna")
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context)
        try:
            yield RawConnection(reader, writer)
        finally:
            writer.transport.abort()


@asynccontextmanager
async def serving(
    pki: TestPki, *, idle_seconds: float = 90.0, maximum_connections: int = 100
) -> AsyncIterator[Serving]:
    handling = Handling()
    others = StatusServer(handling, idle_seconds=idle_seconds)
    server = PlainServer(
        handling,
        others,
        idle_seconds=idle_seconds,
        clock=SystemClock(),
        maximum_connections=maximum_connections,
        count_others=lambda: len(others.connections),
    )
    listening = await asyncio.get_running_loop().create_server(
        server, "127.0.0.1", 0, ssl=tls_context(pki.settings())
    )
    async with listening:
        yield Serving(handling, server, listening.sockets[0].getsockname()[1], pki)
        await others.shutdown(1)
        await server.shutdown(1)


async def test_requests_of_one_connection_are_answered_one_by_one(pki: TestPki) -> None:
    async with serving(pki) as running, running.connection() as raw:
        for path in ("/one", "/two"):
            raw.send(get(path))
            answer = await raw.answer()
            assert (answer.code, answer.body) == (200, path.encode())
            assert "date" in answer.headers
            assert "connection" not in answer.headers
        assert running.handling.plain == [True, True]
        assert all(running.handling.certificates)


async def test_requests_that_come_ahead_are_answered_in_order(pki: TestPki) -> None:
    async with serving(pki) as running, running.connection() as raw:
        raw.send(get("/slow") + get("/two") + get("/three"))
        await asyncio.wait_for(running.handling.entered.wait(), PATIENCE)
        raw.send(get("/four"))
        running.handling.go_on.set()
        bodies = [(await raw.answer()).body for _ in range(4)]
        assert bodies == [b"/slow", b"/two", b"/three", b"/four"]
        assert all(running.handling.plain)


async def test_who_sends_much_ahead_gets_all_answers(pki: TestPki) -> None:
    count = 2000
    async with serving(pki) as running, running.connection() as raw:
        raw.send(get("/slow"))
        await asyncio.wait_for(running.handling.entered.wait(), PATIENCE)
        raw.send(get("/ahead", "X: " + "x" * 500) * count)
        running.handling.go_on.set()
        bodies = [(await raw.answer()).body for _ in range(count + 1)]
        assert bodies == [b"/slow", *[b"/ahead"] * count]


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param(get("/%61"), id="an escape in the path"),
        pytest.param(get("/a", "Expect: 100-continue"), id="a question first"),
        pytest.param(get("/a", "Transfer-Encoding: chunked") + b"0\r\n\r\n", id="chunks"),
    ],
)
async def test_a_request_out_of_the_ordinary_takes_the_connection_along(
    pki: TestPki, strange: bytes
) -> None:
    async with serving(pki) as running, running.connection() as raw:
        raw.send(get("/one"))
        assert (await raw.answer()).code == 200
        raw.send(strange)
        assert (await raw.answer()).code == 200
        raw.send(get("/three"))
        assert (await raw.answer()).body == b"/three"
        assert running.handling.plain == [True, False, False]
        assert not running.server.connections


async def test_a_request_in_two_pieces_is_answered(pki: TestPki) -> None:
    async with serving(pki) as running, running.connection() as raw:
        raw.send(get("/one"))
        await raw.answer()
        whole = get("/two")
        raw.send(whole[:10])
        await raw.writer.drain()
        raw.send(whole[10:])
        assert (await raw.answer()).body == b"/two"


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(get("/last"), id="the server does"),
        pytest.param(get("/a", "Connection: close"), id="the client does"),
    ],
)
async def test_the_connection_goes_when_a_side_wants_it(pki: TestPki, request_bytes: bytes) -> None:
    async with serving(pki) as running, running.connection() as raw:
        raw.send(request_bytes)
        answer = await raw.answer()
        assert answer.headers["connection"] == "close"
        await raw.closed()


async def test_a_client_that_leaves_cancels_its_request(pki: TestPki) -> None:
    async with serving(pki) as running:
        async with running.connection() as raw:
            raw.send(get("/slow"))
            await asyncio.wait_for(running.handling.entered.wait(), PATIENCE)
        await asyncio.wait_for(running.handling.cancelled.wait(), PATIENCE)


async def test_a_connection_without_requests_goes(pki: TestPki) -> None:
    async with serving(pki, idle_seconds=0.1) as running, running.connection() as raw:
        await raw.closed()


async def test_a_connection_with_a_request_stays_as_long_as_it_takes(pki: TestPki) -> None:
    async with serving(pki, idle_seconds=0.05) as running, running.connection() as raw:
        raw.send(get("/slow"))
        await asyncio.wait_for(running.handling.entered.wait(), PATIENCE)
        asyncio.get_running_loop().call_later(0.3, running.handling.go_on.set)
        assert (await raw.answer()).body == b"/slow"


async def test_the_end_waits_for_running_requests_and_closes_the_rest(pki: TestPki) -> None:
    async with (
        serving(pki) as running,
        running.connection() as idle,
        running.connection() as busy,
    ):
        idle.send(get("/one"))
        await idle.answer()
        busy.send(get("/slow"))
        await asyncio.wait_for(running.handling.entered.wait(), PATIENCE)
        running.server.end_idle()
        await idle.closed()
        ending = asyncio.create_task(running.server.shutdown(PATIENCE))
        running.handling.go_on.set()
        answer = await busy.answer()
        assert answer.headers["connection"] == "close"
        await busy.closed()
        await ending


async def test_the_end_does_not_wait_longer_than_it_may(pki: TestPki) -> None:
    async with serving(pki) as running, running.connection() as raw:
        raw.send(get("/slow"))
        await asyncio.wait_for(running.handling.entered.wait(), PATIENCE)
        running.server.end_idle()
        await running.server.shutdown(0.01)
        await raw.closed()


async def refused(raw: RawConnection) -> None:
    """Check that a request gets 429, and that its connection ends."""
    raw.send(get("/new"))
    answer = await raw.answer()
    assert (answer.code, answer.status["reason"]) == (429, "TooManyRequests")
    assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
    await raw.closed()


async def test_one_connection_too_many_is_told_to_come_back(pki: TestPki) -> None:
    async with (
        serving(pki, maximum_connections=2) as running,
        running.connection() as first,
        running.connection() as second,
    ):
        for busy in (first, second):
            running.handling.entered.clear()
            busy.send(get("/slow"))
            await asyncio.wait_for(running.handling.entered.wait(), PATIENCE)
        async with running.connection() as third:
            await refused(third)
        assert running.handling.plain == [True, True]
        running.handling.go_on.set()
        assert (await first.answer()).code == (await second.answer()).code == 200


async def test_a_refused_connection_does_not_stay_without_a_request(
    pki: TestPki, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_protocol, "REFUSED_SECONDS", 0.05)
    async with serving(pki, maximum_connections=1) as running, running.connection() as busy:
        busy.send(get("/slow"))
        await asyncio.wait_for(running.handling.entered.wait(), PATIENCE)
        async with running.connection() as raw:
            await raw.closed()


async def test_a_connection_that_was_handed_over_counts(pki: TestPki) -> None:
    async with serving(pki, maximum_connections=1) as running, running.connection() as handed:
        handed.send(b"GET /slow?watch=1 HTTP/1.1\r\nHost: api\r\n\r\n")
        await asyncio.wait_for(running.handling.entered.wait(), PATIENCE)
        assert running.handling.plain == [False]
        async with running.connection() as raw:
            await refused(raw)


async def test_the_longest_idle_connection_makes_room(
    pki: TestPki, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_protocol, "_IDLE_ENOUGH_SECONDS", 0.0)
    async with (
        serving(pki, maximum_connections=2) as running,
        running.connection() as older,
        running.connection() as younger,
    ):
        for one in (older, younger):
            one.send(get("/one"))
            await one.answer()
        async with running.connection() as third:
            third.send(get("/new"))
            assert (await third.answer()).body == b"/new"
            await older.closed()
            younger.send(get("/again"))
            assert (await younger.answer()).body == b"/again"


async def test_who_was_answered_a_moment_ago_is_not_idle(
    pki: TestPki, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain_protocol, "_IDLE_ENOUGH_SECONDS", PATIENCE)
    async with serving(pki, maximum_connections=1) as running, running.connection() as raw:
        raw.send(get("/one"))
        await raw.answer()
        async with running.connection() as third:
            await refused(third)


@pytest.mark.parametrize(
    ("status", "length"),
    [
        pytest.param(200, True, id="an answer with a body"),
        pytest.param(204, False, id="no content"),
        pytest.param(304, False, id="not modified"),
    ],
)
def test_only_answers_that_may_have_a_body_say_its_length(status: int, length: bool) -> None:
    encoded = encode_response(web.Response(status=status), date="now", close=False)
    assert (b"Content-Length: 0" in encoded) is length
    assert encoded.startswith(b"HTTP/1.1 %d " % status)
    assert encoded.endswith(b"Date: now\r\n\r\n")
