"""Frames of SPDY/3.1, as kubectl multiplexes streams with them: bytes in, bytes out.

A frame starts with eight bytes. Control frames name a type; data frames name a stream. Headers are
compressed, with one compressor for all frames of a direction and a dictionary that both sides know.
Flow control is left out: neither kubectl nor the kubelet of Kubernetes has it.

Source: SPDY Protocol, Draft 3.1.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

SYN_STREAM, SYN_REPLY, RST_STREAM, SETTINGS = 1, 2, 3, 4
PING, GOAWAY, HEADERS, WINDOW_UPDATE = 6, 7, 8, 9
"""Types of control frames; 5 was dropped from the protocol."""

DATA = 0
"""Our number for data frames, which have no type."""

FIN = 0x01
PROTOCOL_ERROR, INVALID_STREAM, REFUSED_STREAM = 1, 2, 3
"""Reasons of RST_STREAM."""

MAX_DATA = 0xFFFFFF
"""Bytes that a frame can have."""
_MAX_HEADERS = 1 << 16
_VERSION = 3
_CONTROL = 0x80000000
_STREAM = 0x7FFFFFFF

# The headers that requests and answers have most often.
_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language "
    "accept-ranges age allow authorization cache-control connection content-base content-encoding "
    "content-language content-length content-location content-md5 content-range content-type date "
    "etag expect expires from host if-match if-modified-since if-none-match if-range "
    "if-unmodified-since last-modified location max-forwards pragma proxy-authenticate "
    "proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url "
    "public set-cookie keep-alive origin"
)
_CODES = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request"
    "401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented"
    "503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, "
    "Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
    "application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdch"
    "charset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY: Final = (
    b"".join(
        struct.pack(">I", len(word)) + word.replace("_", " ").encode() for word in _WORDS.split()
    )
    + _CODES.encode()
)
"""Section 2.6.10.1 of the draft."""


class SpdyError(Exception):
    """What came is not SPDY as we speak it; the connection is of no use any more."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame that came in.

    Attributes:
        type: Type of a control frame, or DATA.
        stream: Stream, or the number of a PING; 0 where there is none.
        fin: Whether the sender is done with the stream.
        headers: Of SYN_STREAM, SYN_REPLY and HEADERS; names in lower case.
        data: Of DATA.
    """

    type: int
    stream: int = 0
    fin: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    data: bytes = b""


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._headers = zlib.decompressobj(zdict=DICTIONARY)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that are complete now; some types that mean nothing here are left out.

        Raises:
            SpdyError: The bytes are no SPDY/3.
        """
        self._buffer += data
        while len(self._buffer) >= 8:  # noqa: PLR2004 - the head
            first, second = struct.unpack_from(">II", self._buffer)
            end = 8 + (second & MAX_DATA)
            if first & _CONTROL and end > _MAX_HEADERS:
                raise SpdyError("a control frame is too long")
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[8:end])
            del self._buffer[:end]
            fin = bool((second >> 24) & FIN)
            if not first & _CONTROL:
                yield Frame(DATA, first, fin, data=body)
                continue
            if (first >> 16) & 0x7FFF != _VERSION:
                raise SpdyError(f"version {(first >> 16) & 0x7FFF} of SPDY is not supported")
            frame = self._control(first & 0xFFFF, body, fin=fin)
            if frame is not None:
                yield frame

    def _control(self, kind: int, body: bytes, *, fin: bool) -> Frame | None:
        head = {SYN_STREAM: 10, SYN_REPLY: 4, HEADERS: 4, RST_STREAM: 8, PING: 4, GOAWAY: 8}
        if kind not in head:
            return None
        if len(body) < head[kind]:
            raise SpdyError("a control frame is too short")
        number = int.from_bytes(body[:4])
        if kind == PING:
            return Frame(kind, number)
        if kind == GOAWAY:
            return Frame(kind)
        if kind == RST_STREAM:
            return Frame(kind, number & _STREAM)
        headers = self._decompress(body[head[kind] :])
        return Frame(kind, number & _STREAM, fin, headers)

    def _decompress(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._headers.decompress(block, _MAX_HEADERS)
        except zlib.error as error:
            raise SpdyError("headers cannot be read") from error
        if self._headers.unconsumed_tail:
            raise SpdyError("headers are too long")
        return _read_headers(plain)


def _read_headers(plain: bytes) -> dict[str, str]:
    position = 4
    headers = {}
    try:
        for _ in range(struct.unpack_from(">I", plain)[0]):
            words = []
            for _ in range(2):
                (length,) = struct.unpack_from(">I", plain, position)
                word = plain[position + 4 : position + 4 + length]
                if len(word) != length:
                    raise SpdyError("headers are cut off")
                words.append(word.decode("latin-1"))
                position += 4 + length
            headers[words[0].lower()] = words[1]
    except struct.error as error:
        raise SpdyError("headers are cut off") from error
    return headers


class FrameWriter:
    """Makes frames; the order in which they are made is the order in which they must be sent."""

    def __init__(self) -> None:
        self._headers = zlib.compressobj(zdict=DICTIONARY)

    def syn_stream(self, stream: int, headers: Mapping[str, str], *, fin: bool = False) -> bytes:
        """Open a stream."""
        return _control(SYN_STREAM, struct.pack(">IIH", stream, 0, 0) + self._block(headers), fin)

    def syn_reply(self, stream: int) -> bytes:
        """Accept a stream."""
        return _control(SYN_REPLY, struct.pack(">I", stream) + self._block({}), fin=False)

    def data(self, stream: int, data: bytes, *, fin: bool = False) -> bytes:
        """Send at most MAX_DATA bytes, and end our side of the stream with `fin`."""
        return struct.pack(">II", stream, (FIN << 24 if fin else 0) | len(data)) + data

    def reset(self, stream: int, reason: int) -> bytes:
        """End a stream at once."""
        return _control(RST_STREAM, struct.pack(">II", stream, reason), fin=False)

    def ping(self, number: int) -> bytes:
        """Ask for, or give, a sign of life."""
        return _control(PING, struct.pack(">I", number), fin=False)

    def goaway(self, last_stream: int) -> bytes:
        """Say that no further stream is accepted."""
        return _control(GOAWAY, struct.pack(">II", last_stream, 0), fin=False)

    def _block(self, headers: Mapping[str, str]) -> bytes:
        plain = bytearray(struct.pack(">I", len(headers)))
        for name, value in headers.items():
            for word in (name.lower().encode("latin-1"), value.encode("latin-1")):
                plain += struct.pack(">I", len(word)) + word
        return self._headers.compress(bytes(plain)) + self._headers.flush(zlib.Z_SYNC_FLUSH)


def _control(kind: int, body: bytes, fin: bool) -> bytes:  # noqa: FBT001 - one flag, here only
    head = _CONTROL | _VERSION << 16 | kind
    return struct.pack(">II", head, (FIN << 24 if fin else 0) | len(body)) + body
