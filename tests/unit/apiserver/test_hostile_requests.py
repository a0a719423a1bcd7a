"""Requests made to hurt: each gets a 4xx `Status`, none a 500, a hang or the server's memory."""

from __future__ import annotations

import asyncio
import resource
import zlib
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from apiserver.api_calls import CONFIG_MAPS, call, config_map
from apiserver.raw_requests import Answer, RawConnection, connect, post

from podpass.apiserver import request_context
from podpass.apiserver.http_protocol import MAX_HEADER_BYTES, MAX_LINE_BYTES, StatusServer
from podpass.apiserver.listeners import tls_context
from podpass.apiserver.request_context import MAX_BODY_BYTES
from podpass.testing.api_server import RunningApiServer, TestPki, running_api_server
from podpass.testing.memory_store import MemoryStore

pytestmark = pytest.mark.asyncio(loop_scope="module")

YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
MEGABYTE = 1024 * 1024
DATA = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(pki: TestPki) -> AsyncIterator[RunningApiServer]:
    """One server for all: it must not matter what it went through before."""
    async with running_api_server(MemoryStore(), pki) as running:
        yield running


def assert_refused(answer: Answer, code: int) -> None:
    assert answer.code == code, answer
    status = answer.status
    assert status["kind"] == "Status"
    assert status["status"] == "Failure"
    assert status["code"] == code
    assert status["message"]


def bomb(levels: int) -> bytes:
    """Return YAML in which each level repeats the one below nine times."""
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    for level in range(1, levels):
        below = ",".join([f"*a{level - 1}"] * 9)
        lines.append(f"a{level}: &a{level} [{below}]")
    return "\n".join(lines).encode()


BODIES = [
    pytest.param(b"", "application/json", 400, id="nothing"),
    pytest.param(b"null", "application/json", 400, id="null"),
    pytest.param(b"[]", "application/json", 400, id="a list"),
    pytest.param(b'"text"', "application/json", 400, id="a text"),
    pytest.param(b"{", "application/json", 400, id="half an object"),
    pytest.param(b"[" * 1_000_000, "application/json", 400, id="a million open lists"),
    pytest.param(b'{"a":' * 500_000, "application/json", 400, id="half a million open maps"),
    pytest.param(
        DATA + b"[" * 200_000 + b"]" * 200_000 + b"}", "application/json", 400, id="a deep list"
    ),
    pytest.param(
        DATA + b'{"a":' * 1000 + b"1" + b"}" * 1000 + b"}", "application/json", 400, id="deep maps"
    ),
    pytest.param(DATA + b'{"k":"\xff\xfe"}}', "application/json", 400, id="bytes of no encoding"),
    pytest.param(DATA + b'{"k":"\\ud800"}}', "application/json", 400, id="half a character"),
    pytest.param(DATA + b'{"k":"a\x00b"}}', "application/json", 400, id="a raw NUL"),
    pytest.param(DATA + b'{"k":NaN}}', "application/json", 400, id="not a number"),
    pytest.param(DATA + b'{"k":Infinity}}', "application/json", 400, id="infinity"),
    pytest.param(DATA + b'{"k":1e999}}', "application/json", 400, id="a number beyond floats"),
    pytest.param(
        DATA + b'{"k":' + b"9" * 100_000 + b"}}", "application/json", 400, id="100000 digits"
    ),
    pytest.param(DATA + b'{"k":' + b"1" * 30 + b"}}", "application/json", 400, id="30 digits"),
    pytest.param(DATA + b'"text"}', "application/json", 400, id="a text for a map"),
    pytest.param(DATA + b'{"k":["a"]}}', "application/json", 400, id="a list for a text"),
    pytest.param(b'{"metadata":[]}', "application/json", 400, id="a list for metadata"),
    pytest.param(b'{"metadata":{"name":{}}}', "application/json", 400, id="a map for a name"),
    pytest.param(b'{"metadata":{"labels":[1]}}', "application/json", 400, id="a list for labels"),
    pytest.param(b'{"metadata":{"uid":1}}', "application/json", 400, id="a number for a uid"),
    pytest.param(b'{"kind":{},"apiVersion":[]}', "application/json", 400, id="no kind at all"),
    pytest.param(
        b'{"metadata":{"name":"a","ownerReferences":{"a":1}}}',
        "application/json",
        400,
        id="a map for owners",
    ),
    pytest.param(
        b'{"metadata":{"name":"a","creationTimestamp":"99999-99-99"}}',
        "application/json",
        400,
        id="a time that is none",
    ),
    pytest.param(b'{"metadata":{"name":"a\\u0000b"}}', "application/json", 422, id="NUL in a name"),
    pytest.param(b'{"metadata":{"name":"../../x"}}', "application/json", 422, id="a path for name"),
    pytest.param(b"\x1f\x8b" + b"\x00" * 50, "application/json", 400, id="gzip bytes"),
    pytest.param(bomb(12), YAML, 400, id="a bomb of aliases"),
    pytest.param(b"a: &a [*a]", YAML, 400, id="an alias of itself"),
    pytest.param(b"[" * 100_000, YAML, 400, id="deep YAML"),
    pytest.param(b"- " * 50_000, YAML, 400, id="deep YAML in blocks"),
    pytest.param(b"? " * 20_000, YAML, 400, id="deep YAML keys"),
    pytest.param(b"data: !!python/object/apply:os.system [id]", YAML, 400, id="a Python tag"),
    pytest.param(b"data: {k: .nan}", YAML, 400, id="not a number in YAML"),
    pytest.param(b"\xff\xfe\x00", YAML, 400, id="YAML of no encoding"),
    pytest.param(b"---\na: 1\n---\nb: 2\n", YAML, 400, id="two YAML documents"),
    pytest.param(b"data: " + b"9" * 10_000, YAML, 400, id="10000 digits in YAML"),
    pytest.param(b"data: 0x" + b"f" * 10_000, YAML, 400, id="10000 digits of base 16"),
    pytest.param(b"data: 0x" + b"f" * 255, YAML, 400, id="255 digits of base 16"),
    pytest.param(b"data: 0x" + b"f" * 256, YAML, 400, id="256 digits of base 16"),
    pytest.param(b"", PROTOBUF, 400, id="no protobuf"),
    pytest.param(b"k8s\x00", PROTOBUF, 422, id="only the magic number"),
    pytest.param(b"k8s\x00" + b"\xff" * 50, PROTOBUF, 400, id="endless varint"),
    pytest.param(b"k8s\x00\x0a\xff\xff\xff\xff\x0f", PROTOBUF, 400, id="a length beyond the end"),
    pytest.param(b"k8s\x00" + b"\x0b" * 100_000, PROTOBUF, 400, id="deep groups"),
    pytest.param(b"\x00" * 1000, PROTOBUF, 400, id="zeros"),
    pytest.param(b"{}", "text/plain", 415, id="an unknown media type"),
    pytest.param(b"{}", "application/json, application/yaml", 415, id="two media types"),
    pytest.param(b"{}", "x" * 5000, 415, id="a long media type"),
]


@pytest.mark.parametrize(("body", "content_type", "code"), BODIES)
async def test_a_hostile_body_is_refused(
    api: RunningApiServer, body: bytes, content_type: str, code: int
) -> None:
    async with connect(api) as raw:
        raw.send(post(CONFIG_MAPS, body, content_type=content_type))
        assert_refused(await raw.answer(), code)


HEADS = [
    pytest.param(b"GET /" + b"a" * MAX_LINE_BYTES + b" HTTP/1.1\r\n", 414, id="a huge URL"),
    pytest.param(
        b"GET /api HTTP/1.1\r\nHost: api\r\nX: " + b"a" * (MAX_HEADER_BYTES + 1), 431,
        id="an endless header",
    ),
    pytest.param(
        b"GET /api HTTP/1.1\r\nHost: api\r\n" + b"a" * (MAX_HEADER_BYTES + 1), 431,
        id="an endless header name",
    ),
    pytest.param(
        b"GET /api HTTP/1.1\r\nHost: api\r\n" + b"X: a\r\n" * 200 + b"\r\n", 431,
        id="too many headers",
    ),
    pytest.param(b"\x00\x01\x02\x03\r\n\r\n", 400, id="no HTTP"),
    pytest.param(b"GET /api HTTP/9.9\r\n\r\n", 400, id="a version of the future"),
    pytest.param(b"GET /api HTTP/1.1\r\n\r\n", 400, id="no host"),
    pytest.param(b"FETCH /api HTTP/1.1\r\nHost: api\r\n\r\n", 400, id="an unknown method"),
    pytest.param(b"GET api HTTP/1.1\r\nHost: api\r\n\r\n", 400, id="a path that is none"),
    pytest.param(b"GET /api/\xff HTTP/1.1\r\nHost: api\r\n\r\n", 400, id="a URL of no encoding"),
    pytest.param(
        b"GET /api HTTP/1.1\r\nHost: api\r\nAccept: \xff\r\n\r\n", 400,
        id="a header of no encoding",
    ),
    pytest.param(
        b"POST /api HTTP/1.1\r\nHost: api\r\nContent-Length: x\r\n\r\n", 400,
        id="a length that is none",
    ),
    pytest.param(
        b"POST /api HTTP/1.1\r\nHost: api\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400,
        id="two lengths",
    ),
    pytest.param(
        b"POST /api HTTP/1.1\r\nHost: api\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
        id="a length and chunks",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("head", "code"), HEADS)
async def test_what_is_no_request_is_refused_and_the_connection_goes(
    api: RunningApiServer, head: bytes, code: int
) -> None:
    async with connect(api) as raw:
        raw.send(head)
        assert_refused(await raw.answer(), code)
        await raw.closed()


def chunked(*chunks: bytes) -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n" % CONFIG_MAPS.encode()
    return head + b"Content-Type: application/json\r\n\r\n" + b"".join(chunks)


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param((b"xyz\r\n{}\r\n",), id="a size that is no number"),
        pytest.param((b"2\r\n{}}}\r\n",), id="a chunk longer than its size"),
        pytest.param((b"ffffffffffffffffff\r\n{}",), id="a size beyond 64 bits"),
        pytest.param((b"-2\r\n{}\r\n",), id="a negative size"),
    ],
)
async def test_bad_chunks_are_refused(api: RunningApiServer, chunks: tuple[bytes, ...]) -> None:
    async with connect(api) as raw:
        raw.send(chunked(*chunks))
        assert_refused(await raw.answer(), 400)
        await raw.closed()


async def test_good_chunks_are_a_body(api: RunningApiServer) -> None:
    async with connect(api) as raw:
        raw.send(chunked(b"2\r\n{}\r\n", b"0\r\n\r\n"))
        assert_refused(await raw.answer(), 422)


async def send_until_refused(raw: RawConnection, total: int) -> tuple[int, Answer]:
    """Send up to `total` bytes; returns how many left, and the answer."""
    answering = asyncio.create_task(raw.answer())
    sent = 0
    chunk = b" " * 65536
    try:
        while sent < total and not raw.writer.is_closing():
            raw.send(chunk)
            sent += len(chunk)
            await raw.writer.drain()
    except ConnectionError:
        pass
    return sent, await answering


@pytest.mark.parametrize("chunks", [False, True], ids=["announced", "in chunks"])
async def test_a_huge_body_is_refused_without_being_read(
    api: RunningApiServer, chunks: bool
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    total = 100 * MEGABYTE
    async with connect(api) as raw:
        if chunks:
            raw.send(chunked(b"%x\r\n" % total))
        else:
            raw.send(
                post(CONFIG_MAPS, b"", f"X-Length: {total}").replace(b"h: 0", b"h: %d" % total)
            )
        sent, answer = await send_until_refused(raw, total)
        assert_refused(answer, 413)
        assert answer.headers["connection"] == "close"
        assert "limit is 3145728" in answer.status["message"]
        await raw.closed()
    assert sent < total
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < 50 * MEGABYTE


@pytest.mark.parametrize(
    ("size", "code"),
    [
        pytest.param(MAX_BODY_BYTES, 201, id="the largest body"),
        pytest.param(MAX_BODY_BYTES + 1, 413, id="a byte more"),
    ],
)
async def test_a_body_may_have_3_mib(api: RunningApiServer, size: int, code: int) -> None:
    body = DATA + b'{"k":"v"}}'
    async with connect(api) as raw:
        raw.send(post(CONFIG_MAPS, body + b" " * (size - len(body))))
        assert (await raw.answer()).code == code


async def test_a_compressed_body_is_not_unpacked(api: RunningApiServer) -> None:
    packer = zlib.compressobj(wbits=31)
    bomb_body = packer.compress(b" " * (50 * MEGABYTE)) + packer.flush()
    async with connect(api) as raw:
        raw.send(post(CONFIG_MAPS, bomb_body, "Content-Encoding: gzip"))
        assert_refused(await raw.answer(), 400)


async def test_a_body_that_does_not_come_is_not_waited_for(
    api: RunningApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_context, "BODY_SECONDS", 0.1)
    async with connect(api) as raw:
        raw.send(post(CONFIG_MAPS, b"{}").replace(b"Length: 2", b"Length: 50"))
        answer = await raw.answer()
        assert_refused(answer, 408)
        assert answer.headers["connection"] == "close"
        await raw.closed()


async def test_a_head_that_does_not_come_is_not_waited_for(pki: TestPki) -> None:
    async def never(_: object) -> None:
        raise AssertionError("there is no request")

    loop = asyncio.get_running_loop()
    listening = await loop.create_server(
        StatusServer(never, idle_seconds=0.1),  # type: ignore[arg-type]
        "127.0.0.1",
        0,
        ssl=tls_context(pki.settings()),
    )
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=pki.client_context("admin")
        )
        writer.write(b"GET /api HTTP/1.1\r\nHost: api\r\nX")
        async with asyncio.timeout(30):
            assert await reader.read() == b""
        writer.close()


async def test_a_client_that_says_half_a_body_and_leaves_changes_nothing(
    api: RunningApiServer,
) -> None:
    body = DATA.replace(b'"a"', b'"half"') + b'{"k":"v"}}'
    async with connect(api) as raw:
        raw.send(post(CONFIG_MAPS, body)[:-5])
        await raw.writer.drain()
    async with api.admin() as admin:
        await call(admin, "GET", f"{CONFIG_MAPS}/half", expect=404)


async def test_who_asks_first_is_told_to_go_on(api: RunningApiServer) -> None:
    async with connect(api) as raw:
        request = post(CONFIG_MAPS, b'{"metadata":{"name":"asked"}}', "Expect: 100-continue")
        head, _, body = request.partition(b"\r\n\r\n")
        raw.send(head + b"\r\n\r\n")
        assert (await raw.answer()).code == 100
        raw.send(body)
        assert (await raw.answer()).code == 201


async def test_who_asks_first_need_not_send_what_is_too_large(api: RunningApiServer) -> None:
    async with connect(api) as raw:
        head = post(CONFIG_MAPS, b"", "Expect: 100-continue")
        raw.send(head.replace(b"Length: 0", b"Length: 99999999"))
        assert_refused(await raw.answer(), 413)


QUERIES = [
    "limit=" + "9" * 5000, "limit=9223372036854775808", "limit=-1", "limit=1e3", "limit=%00",
    "resourceVersion=" + "9" * 5000, "resourceVersion=-1", "resourceVersion=0x1",
    "resourceVersion=%D9%A1", "resourceVersion=18446744073709551616",
    "continue=%00", "continue=e30", "continue=" + "A" * 20000, "continue=bnVsbA",
    "labelSelector=%00", "labelSelector=a in (", "labelSelector=" + "(" * 10000,
    "labelSelector=a in (" + "b," * 5000, "labelSelector==,=",
    "fieldSelector=%00", "fieldSelector=a=b", "fieldSelector=" + "," * 10000 + "x",
    "fieldSelector=metadata.name", "timeoutSeconds=" + "9" * 400 + "&watch=1",
    "resourceVersionMatch=%00", "sendInitialEvents=true&watch=1", "allowWatchBookmarks=x&limit=x",
    "includeObject=%00&limit=-",
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES, ids=[query[:40] for query in QUERIES])
async def test_hostile_parameters_are_refused(api: RunningApiServer, query: str) -> None:
    async with connect(api) as raw:
        line = f"GET {CONFIG_MAPS}?{query.replace(' ', '%20')} HTTP/1.1\r\nHost: api\r\n\r\n"
        raw.send(line.encode())
        answer = await raw.answer()
        assert 400 <= answer.code < 500, answer
        assert_refused(answer, answer.code)


async def test_the_largest_timeout_of_a_watch_is_taken(api: RunningApiServer) -> None:
    async with connect(api) as raw:
        query = f"watch=1&timeoutSeconds={(1 << 63) - 1}"
        raw.send(f"GET {CONFIG_MAPS}?{query} HTTP/1.1\r\nHost: api\r\n\r\n".encode())
        async with asyncio.timeout(30):
            assert b"200 OK" in await raw.reader.readuntil(b"\r\n\r\n")
            async with api.admin() as admin:
                await call(admin, "POST", CONFIG_MAPS, config_map("late"), expect=201)
            assert b"ADDED" in await raw.reader.readuntil(b"}\n")


async def test_a_token_in_a_broken_request_reaches_no_log(
    api: RunningApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    secret = b"Bearer eyJhbGciOiJSUzI1NiJ9."
    async with connect(api) as raw:
        raw.send(b"GET /api HTTP/1.1\r\nHost: api\r\nAuthorization: " + secret * 5000)
        answer = await raw.answer()
        assert_refused(answer, 431)
    assert b"eyJ" not in answer.body
    assert "eyJ" not in caplog.text


async def test_pipelined_requests_are_answered_in_order(api: RunningApiServer) -> None:
    async with connect(api) as raw:
        raw.send(b"GET /livez HTTP/1.1\r\nHost: api\r\n\r\nGET /none HTTP/1.1\r\nHost: api\r\n\r\n")
        assert (await raw.answer()).code == 200
        assert_refused(await raw.answer(), 404)
