"""What comes back from the API server: objects, refusals, and the lines of a watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from http import HTTPStatus

import orjson

from podpass.api.errors import StatusError
from podpass.api.resources import Object
from podpass.client.connection import Connection, ConnectionFailed, Head

WATCH_SILENCE_SECONDS = 90.0
"""Silence after which a watch is given up; bookmarks come at least once a minute."""

_MAX_DIGITS = 9


async def watch_lines(connection: Connection, head: Head) -> AsyncGenerator[bytes, None]:
    """Iterate over the lines of a body, of any length, as long as the server is heard.

    Raises:
        ConnectionFailed: The connection broke or fell silent.
    """
    pending: list[bytes] = []
    async with aclosing(connection.body(head)) as pieces:
        while True:
            try:
                async with asyncio.timeout(WATCH_SILENCE_SECONDS):
                    piece = await anext(pieces, None)
            except TimeoutError as error:
                raise ConnectionFailed("the watch fell silent") from error
            if piece is None:
                break
            *ends, rest = piece.split(b"\n")
            for end in ends:
                line = b"".join([*pending, end])
                pending.clear()
                if line:
                    yield line
            if rest:
                pending.append(rest)


def decoded_object(content: bytes) -> Object:
    """Read an object.

    Raises:
        ConnectionFailed: It is none; something else than an API server answered.
    """
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ConnectionFailed("the server's answer is not JSON") from error
    if not isinstance(value, dict):
        raise ConnectionFailed("the server's answer is not an object")
    return value


def retry_after(head: Head, *, reads: bool) -> float | None:
    """Return after how many seconds the request should be sent again; None: it should not.

    What 429 refused was not begun, so that every request may be repeated; an error of the server
    may have come late, so that only a read may. At once is after a second.

    Args:
        head: Of the answer.
        reads: Whether the request only reads.
    """
    seconds = head.headers.get("retry-after", "")
    if not seconds.isascii() or not seconds.isdigit() or len(seconds) > _MAX_DIGITS:
        return None
    busy = head.status == HTTPStatus.TOO_MANY_REQUESTS
    failed = head.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return max(1.0, float(seconds)) if busy or (failed and reads) else None


def status_error(head: Head, content: bytes) -> StatusError:
    """Return the refusal that an answer carries, or one made from its HTTP status."""
    try:
        status = orjson.loads(content)
    except orjson.JSONDecodeError:
        status = None
    if isinstance(status, dict) and status.get("kind") == "Status":
        return StatusError.from_status(status, code=head.status)
    return StatusError(head.status, "", f"the server answered with HTTP status {head.status}")
