"""HTTP as the client reads it, from servers that send exactly these bytes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from podpass.client.connection import Connection, ConnectionFailed, ConnectionPool, Head
from podpass.testing.raw_server import raw_server


@contextlib.asynccontextmanager
async def scripted(
    answers: Sequence[bytes | None],
) -> AsyncIterator[tuple[ConnectionPool, list[int]]]:
    """Serve the answers in order, one a request; None cuts the connection.

    Yields a pool for the server, and the number of requests on each connection.
    """
    left = [*answers]
    served: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(served)
        served.append(0)
        while left:
            await reader.readuntil(b"\r\n\r\n")
            served[number] += 1
            answer = left.pop(0)
            if answer is None:
                break
            writer.write(answer)
            await writer.drain()

    async with raw_server(serve) as url:
        pool = ConnectionPool(url, lambda: None)
        try:
            yield pool, served
        finally:
            await pool.close()


async def exchange(pool: ConnectionPool) -> tuple[Head, bytes]:
    connection: Connection = await pool.acquire()
    try:
        head = await connection.send("GET", "/", {"X-A": "b"}, None)
        return head, b"".join([piece async for piece in connection.body(head)])
    finally:
        pool.release(connection)


SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"1\r\no\r\n1;ext=1\r\nk\r\n0\r\nTrailer: x\r\n\r\n"
)


@pytest.mark.parametrize(
    ("answer", "status", "body", "connections"),
    [
        pytest.param(SIZED, 200, b"ok", 1, id="sized body, connection is used again"),
        pytest.param(CHUNKED, 200, b"ok", 1, id="chunked body with extension and trailer"),
        pytest.param(b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", 1, id="no body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b"", 1, id="empty body"),
        pytest.param(
            b"HTTP/1.1 100 Continue\r\n\r\n" + SIZED, 200, b"ok", 1, id="interim answer is skipped"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
            200,
            b"ok",
            2,
            id="server asks to close",
        ),
        pytest.param(b"HTTP/1.1 404\r\nContent-Length: 1\r\n\r\nx", 404, b"x", 1, id="no phrase"),
    ],
)
async def test_answers(answer: bytes, status: int, body: bytes, connections: int) -> None:
    async with scripted([answer, SIZED]) as (pool, served):
        head, content = await exchange(pool)
        assert (head.status, content) == (status, body)
        assert (await exchange(pool))[1] == b"ok"
        assert len(served) == connections


async def test_a_body_without_size_ends_with_the_connection() -> None:
    async with scripted([b"HTTP/1.0 200 OK\r\n\r\nuntil the end"]) as (pool, served):
        assert (await exchange(pool))[1] == b"until the end"
        assert served == [1]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(None, "the server closed the connection", id="cut before the answer"),
        pytest.param(b"HTTP/1.1 200 OK\r\nCont", "closed the connection", id="cut in the head"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", "closed", id="cut in a sized body"
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok",
            "closed",
            id="cut in a chunk",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "cannot be read",
            id="chunk without size",
        ),
        pytest.param(b"SSH-2.0\r\n\r\n", "cannot be read", id="another protocol"),
        pytest.param(b"HTTP/1.1 what\r\n\r\n", "cannot be read", id="no status"),
    ],
)
async def test_broken_answers(answer: bytes | None, message: str) -> None:
    async with scripted([answer]) as (pool, _):
        with pytest.raises(ConnectionFailed, match=message):
            await exchange(pool)


async def test_a_head_over_the_limit_is_refused() -> None:
    answer = b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n"
    async with scripted([answer]) as (pool, _):
        with pytest.raises(ConnectionFailed, match="cannot be read"):
            await exchange(pool)


async def test_nobody_listens() -> None:
    pool = ConnectionPool("http://127.0.0.1:1", lambda: None)
    with pytest.raises(ConnectionFailed, match=r"127\.0\.0\.1:1: .*[Rr]efused"):
        await pool.acquire()


async def test_a_fresh_connection_is_not_a_pooled_one() -> None:
    async with scripted([SIZED, SIZED]) as (pool, served):
        await exchange(pool)
        connection = await pool.acquire(fresh=True)
        head = await connection.send("GET", "/", {}, None)
        assert [piece async for piece in connection.body(head)] == [b"ok"]
        pool.release(connection)
        assert served == [1, 1]


async def test_a_connection_whose_answer_was_not_read_is_not_used_again() -> None:
    async with scripted([SIZED, SIZED]) as (pool, served):
        connection = await pool.acquire()
        await connection.send("GET", "/", {}, None)
        pool.release(connection)
        assert (await exchange(pool))[1] == b"ok"
        assert served == [1, 1]
