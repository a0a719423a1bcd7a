"""The protobuf wire format: tags, integers and lengths, whatever the message.

Groups are refused, as are bytes that end too soon. Source: protobuf.dev, "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from podpass.api.json_codec import MalformedBody

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types."""
WORD: Final = 1 << 64
"""Integers are modulo this."""


def read_records(data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    """Yield number, wire type and value of each field.

    Raises:
        MalformedBody: The bytes are no message.
    """
    at, end = 0, len(data)
    while at < end:
        tag, at = read_varint(data, at)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise MalformedBody("proto: illegal tag 0")
        if wire == VARINT:
            value, at = read_varint(data, at)
            yield number, wire, value
            continue
        if wire == BYTES:
            length, at = read_varint(data, at)
        elif wire in {FIXED64, FIXED32}:
            length = 8 if wire == FIXED64 else 4
        else:
            raise MalformedBody(f"proto: illegal wireType {wire}")
        if at + length > end:
            raise MalformedBody("proto: unexpected EOF")
        yield number, wire, data[at : at + length]
        at += length


def read_packed(data: memoryview) -> Iterator[int]:
    """Yield the integers of a packed field."""
    at = 0
    while at < len(data):
        value, at = read_varint(data, at)
        yield value


def read_varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return the integer at `at`, unsigned, and where it ends."""
    value = shift = 0
    while True:
        if at >= len(data):
            raise MalformedBody("proto: unexpected EOF")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value % WORD, at
        shift += 7
        if shift > 63:  # noqa: PLR2004 - ten bytes hold 64 bits
            raise MalformedBody("proto: integer overflow")


def write_bytes(out: bytearray, number: int, data: bytes) -> None:
    """Append a field of bytes, text or a message."""
    out += encode_varint(number << 3 | BYTES) + encode_varint(len(data)) + data


def encode_varint(value: int) -> bytes:
    """Return an unsigned integer as it is written."""
    out = bytearray()
    while value >= 0x80:  # noqa: PLR2004 - the continuation bit
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
