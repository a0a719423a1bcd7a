"""Asks a gRPC server for its health: one unary call over HTTP/2, with nothing but what that needs.

The answer is in the first message; headers and trailers are not looked into, so a call that fails
is told from one that is answered by there being no message.

Source: RFC 9113, RFC 7541 (indexed and literal fields only), "GRPC Health Checking Protocol".
"""

from __future__ import annotations

import asyncio
import struct
from typing import Final

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_ACK = _END_STREAM = 0x1
_END_HEADERS = 0x4
_PADDED = 0x8
_STREAM = 1
_MAX_FRAME = 1 << 14
_SERVING = 1
_STATES: Final = {0: "UNKNOWN", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}


async def unhealthy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, authority: str, service: str
) -> str:
    """Return what is wrong with a service; empty if it is serving.

    Args:
        reader: Of a new connection.
        writer: Of the same.
        authority: Host and port, for the request.
        service: Name of the service; empty for the server as a whole.

    Raises:
        OSError: The connection broke.
        EOFError: The server closed it before it answered.
    """
    writer.write(
        _PREFACE
        + _frame(_SETTINGS, 0, 0, b"")
        + _frame(_HEADERS, _END_HEADERS, _STREAM, _request_headers(authority))
        + _frame(_DATA, _END_STREAM, _STREAM, _request(service))
    )
    await writer.drain()
    message = b""
    while True:
        kind, flags, stream, body = await _read_frame(reader)
        if kind in (_SETTINGS, _PING) and not flags & _ACK:
            writer.write(_frame(kind, _ACK, 0, body if kind == _PING else b""))
        elif kind == _GOAWAY or (kind == _RESET and stream == _STREAM):
            return "the server refused the call"
        elif kind == _DATA and stream == _STREAM:
            message += body[1 : len(body) - body[0]] if flags & _PADDED and body else body
            if (state := _state(message)) is not None:
                if state == _SERVING:
                    return ""
                return f'service unhealthy (responded with "{_STATES.get(state, state)}")'
        if kind in (_DATA, _HEADERS) and stream == _STREAM and flags & _END_STREAM:
            return "the server does not know the service, or not grpc.health.v1.Health"


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return struct.pack(">I", len(body) << 8 | kind) + struct.pack(">BI", flags, stream) + body


async def _read_frame(reader: asyncio.StreamReader) -> tuple[int, int, int, bytes]:
    head, flags, stream = struct.unpack(">IBI", await reader.readexactly(9))
    length = head >> 8
    if length > _MAX_FRAME:
        raise EOFError("the answer is not HTTP/2")
    return head & 0xFF, flags, stream & 0x7FFFFFFF, await reader.readexactly(length)


def _request_headers(authority: str) -> bytes:
    def text(value: bytes) -> bytes:
        return bytes([len(value)]) + value

    return b"".join(
        (
            b"\x83\x86",  # :method POST, :scheme http
            b"\x04" + text(b"/grpc.health.v1.Health/Check"),
            b"\x01" + text(authority.encode()[:126]),
            b"\x0f\x10" + text(b"application/grpc"),  # content-type
            b"\x0f\x2b" + text(b"kube-probe/1.36"),  # user-agent
            b"\x00" + text(b"te") + text(b"trailers"),
        )
    )


def _request(service: str) -> bytes:
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return struct.pack(">BI", 0, len(message)) + message


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _state(message: bytes) -> int | None:
    """Return the status of a HealthCheckResponse, 0 if it has none, None while it is not whole."""
    head = struct.Struct(">BI")
    if len(message) < head.size:
        return None
    _, length = head.unpack_from(message)
    body = message[head.size :]
    if len(body) < length:
        return None
    return body[1] if length > 1 and body[0] == 0x08 else 0  # noqa: PLR2004 - field 1, varint
