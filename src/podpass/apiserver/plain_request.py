"""Requests that need nothing but their bytes: whole at first sight, and answered by one body.

Almost every request is of that sort. Whatever is not is left to aiohttp (docs/adr/0060):

1. Not all there yet, not HTTP/1.1, of another method, too long, or not ASCII.
2. With a transfer coding, an `Expect`, an `Upgrade`, two lengths, or a header out of the ordinary.
3. A target with an escape, or one that may be answered by a stream.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

MAX_PLAIN_BYTES: Final = 64 * 1024
"""The largest request, head and body, that is taken; larger ones come in pieces anyway."""

_MAX_LINE_BYTES: Final = 8 * 1024
_MAX_HEADERS: Final = 64
_MAX_DIGITS = 6

_LINE = re.compile(rb"(GET|POST|PUT|PATCH|DELETE) (/[!$&-/:;=?@\w~]*) HTTP/1\.1")
_HEADER = re.compile(r"^([!#$&'*+\-.^_`|~\w]+):[ \t]*([ -~]*)\r$", re.ASCII | re.MULTILINE)
_LEFT_ALONE: Final = frozenset(
    {"transfer-encoding", "expect", "upgrade", "http2-settings", "sec-websocket-protocol", "te"}
)
_STREAMS = re.compile(rb"watch|follow|/(?:log|exec|attach|portforward|proxy)[/? ]")


class PlainRequest:
    """A request that is there whole.

    Attributes:
        method: HTTP method.
        raw_path: Path and query as sent.
        headers: As sent.
        body: All of it.
        remote: Address of the peer, None on a unix socket.
        certificate: What the client proved to own in the TLS handshake (DER).
        keeps_alive: Whether the client wants the connection to stay.
    """

    __slots__ = ("body", "certificate", "headers", "keeps_alive", "method", "raw_path", "remote")

    def __init__(
        self, method: str, raw_path: str, headers: CIMultiDictProxy[str], body: bytes
    ) -> None:
        self.method = method
        self.raw_path = raw_path
        self.headers = headers
        self.body = body
        self.remote: str | None = None
        self.certificate: bytes | None = None
        self.keeps_alive = headers.get("Connection", "").lower() != "close"


HttpRequest: TypeAlias = web.BaseRequest | PlainRequest


class HeaderReader:
    """Reads the headers of one connection: most clients send the same again with each request."""

    __slots__ = ("_block", "_read")

    def __init__(self) -> None:
        self._block = b""
        self._read: tuple[CIMultiDictProxy[str], int] | None = None

    def read(self, block: bytes) -> tuple[CIMultiDictProxy[str], int] | None:
        """Return the headers and the length of the body; None if they are not for us (rule 2)."""
        if block != self._block:
            self._block, self._read = block, _read_headers(block)
        return self._read


def parse_plain(data: bytes, reader: HeaderReader) -> tuple[PlainRequest, int] | None:
    """Return the first request in `data` and where it ends; None if it is not for us (1 to 3)."""
    head_end = data.find(b"\r\n\r\n", 0, MAX_PLAIN_BYTES)
    line_end = data.find(b"\r\n")
    if head_end < 0 or line_end == head_end or line_end > _MAX_LINE_BYTES:
        return None
    line = _LINE.fullmatch(data, 0, line_end)
    if line is None or _STREAMS.search(data, 0, line_end):
        return None
    read = reader.read(data[line_end + 2 : head_end + 2])
    if read is None:
        return None
    headers, length = read
    start = head_end + 4
    end = start + length
    if end > MAX_PLAIN_BYTES or end > len(data):
        return None
    method, target = line.groups()
    return PlainRequest(method.decode(), target.decode(), headers, data[start:end]), end


def _read_headers(block: bytes) -> tuple[CIMultiDictProxy[str], int] | None:
    if not block.isascii():
        return None
    text = block.decode()
    pairs = _HEADER.findall(text)
    # Every line must have been understood; who pads values is left to aiohttp as well.
    if len(pairs) != text.count("\n") or len(pairs) > _MAX_HEADERS or " \r\n" in text:
        return None
    headers = CIMultiDict(pairs)
    if len(headers.getall("Host", ())) != 1 or not _LEFT_ALONE.isdisjoint(map(str.lower, headers)):
        return None
    length = _length(headers)
    return None if length is None else (CIMultiDictProxy(headers), length)


def _length(headers: CIMultiDict[str]) -> int | None:
    """Return the length of the body, None if it is not said in one plain number."""
    told = headers.getall("Content-Length", ())
    if not told:
        return 0
    text = told[0]
    return int(text) if len(told) == 1 and text.isdigit() and len(text) <= _MAX_DIGITS else None
