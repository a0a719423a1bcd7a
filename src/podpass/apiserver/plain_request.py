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

_LINE = re.compile(r"(GET|POST|PUT|PATCH|DELETE) (/[!$&-/:;=?@\w~]*) HTTP/1\.1\r\n", re.ASCII)
_HEADER = re.compile(r"^([!#$&'*+\-.^_`|~\w]+):[ \t]*([ -~]*)\r$", re.ASCII | re.MULTILINE)
_LEFT_ALONE: Final = frozenset(
    {"transfer-encoding", "expect", "upgrade", "http2-settings", "sec-websocket-protocol", "te"}
)
_STREAMS = re.compile(r"watch|follow|/(?:log|exec|attach|portforward|proxy)[/? ]")


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


def parse_plain(data: bytes) -> tuple[PlainRequest, int] | None:
    """Return the first request in `data` and where it ends; None if it is not for us (1 to 3)."""
    head_end = data.find(b"\r\n\r\n", 0, MAX_PLAIN_BYTES)
    line_end = data.find(b"\r\n")
    if head_end < 0 or line_end == head_end or line_end > _MAX_LINE_BYTES:
        return None
    head = data[: head_end + 2]
    if not head.isascii():
        return None
    text = head.decode()
    line = _LINE.match(text)
    if line is None or line.end() != line_end + 2 or _STREAMS.search(text, 0, line.end()):
        return None
    headers = _headers(text, line_end + 2)
    length = None if headers is None else _length(headers)
    if headers is None or length is None:
        return None
    start = head_end + 4
    end = start + length
    if end > MAX_PLAIN_BYTES or end > len(data):
        return None
    method, target = line.groups()
    return PlainRequest(method, target, headers, data[start:end]), end


def _headers(text: str, start: int) -> CIMultiDictProxy[str] | None:
    pairs = _HEADER.findall(text, start)
    # Every line must have been understood; who pads values is left to aiohttp as well.
    if len(pairs) != text.count("\n", start) or len(pairs) > _MAX_HEADERS or " \r\n" in text:
        return None
    headers = CIMultiDict(pairs)
    if len(headers.getall("Host", ())) != 1 or not _LEFT_ALONE.isdisjoint(map(str.lower, headers)):
        return None
    return CIMultiDictProxy(headers)


def _length(headers: CIMultiDictProxy[str]) -> int | None:
    """Return the length of the body, None if it is not said in one plain number."""
    told = headers.getall("Content-Length", ())
    if not told:
        return 0
    text = told[0]
    return int(text) if len(told) == 1 and text.isdigit() and len(text) <= _MAX_DIGITS else None
