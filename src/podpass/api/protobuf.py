"""Protobuf bodies as Kubernetes frames them, to and from JSON objects by the schema.

1. A body is MAGIC and a `runtime.Unknown`: apiVersion, kind, and the message as bytes.
2. Go writes every field that is no pointer, even empty; `structure.conform` drops those.
3. Unknown fields are skipped, as protobuf asks for. Groups and broken bytes are refused.
4. The last value of a single field counts; messages given twice are merged.

Source: apimachinery `runtime/serializer/protobuf`, `runtime/generated.proto`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from podpass.api import schema
from podpass.api.json_codec import MAX_DEPTH, MalformedBody
from podpass.api.meta import format_micro_time, format_time, parse_time
from podpass.api.resources import Object
from podpass.api.schema import Field

MAGIC: Final = b"k8s\x00"
UNKNOWN: Final = "k8s.io.apimachinery.pkg.runtime.Unknown"

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WORD: Final = 1 << 64
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def decode_envelope(body: bytes) -> tuple[str, str, bytes]:
    """Return apiVersion, kind and the bytes of the message of a body.

    Raises:
        MalformedBody: The body has no magic or no envelope.
    """
    if not body.startswith(MAGIC):
        raise MalformedBody("provided data does not appear to be a protobuf message")
    unknown = decode_message(body[len(MAGIC) :], UNKNOWN)
    type_meta = unknown.get("typeMeta", {})
    raw = base64.b64decode(unknown.get("raw", ""))
    return type_meta.get("apiVersion", ""), type_meta.get("kind", ""), raw


def encode_envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    """Return the body that carries the bytes of a message."""
    return MAGIC + encode_message(
        {
            "typeMeta": {"apiVersion": api_version, "kind": kind},
            "raw": base64.b64encode(raw).decode(),
            "contentEncoding": "",
            "contentType": "",
        },
        UNKNOWN,
    )


def decode_message(data: bytes, message: str) -> Object:
    """Return a message as JSON, empty fields included.

    Raises:
        MalformedBody: The bytes are not this message.
    """
    try:
        return _decode(memoryview(data), message, 0)
    except (ValueError, OverflowError) as error:
        if isinstance(error, MalformedBody):
            raise
        raise MalformedBody(f"proto: {message.rpartition('.')[2]}: {error}") from None


def encode_message(value: Object, message: str) -> bytes:
    """Return the bytes of a JSON object that has the shape of `message`.

    Fields are written in the order of their numbers; `apiVersion` and `kind` are left out.

    Raises:
        ValueError: A value has not the form of its field.
    """
    out = bytearray()
    for number, field in sorted(schema.wire_fields(message).items()):
        if field.inline:
            inner = encode_message(value, field.type)
            if inner:
                _write_bytes(out, number, inner)
        elif value.get(field.name) is not None:
            _write_field(out, field, value[field.name])
    return bytes(out)


# --- reading


def _decode(data: memoryview, message: str, depth: int) -> Object:
    if depth > MAX_DEPTH:
        raise MalformedBody(f"exceeded max depth of {MAX_DEPTH}")
    known = schema.wire_fields(message)
    out: Object = {}
    for number, wire, raw in _records(data):
        field = known.get(number)
        if field is not None:
            _store(out, field, wire, raw, depth)
    return out


def _store(out: Object, field: Field, wire: int, raw: int | memoryview, depth: int) -> None:
    if field.inline:
        out |= _decode(_as_bytes(raw, field), field.type, depth + 1)
    elif field.label == "map":
        key, value = _entry(_as_bytes(raw, field), field, depth)
        out.setdefault(field.name, {})[key] = value
    elif field.label == "repeated":
        items = out.setdefault(field.name, [])
        if wire == _BYTES and field.type in {"int32", "int64", "bool"}:
            items.extend(_value(number, field, depth) for number in _packed(_as_bytes(raw, field)))
        else:
            items.append(_value(raw, field, depth))
    else:
        value = _value(raw, field, depth)
        if value is None:
            return
        if isinstance(value, dict) and isinstance(out.get(field.name), dict):
            value = out[field.name] | value
        out[field.name] = value


def _entry(data: memoryview, field: Field, depth: int) -> tuple[str, Any]:
    key = ""
    value = None
    for number, _, raw in _records(data):
        if number == 1:
            key = _text(_as_bytes(raw, field))
        elif number == 2:  # noqa: PLR2004 - a map entry is key 1 and value 2
            value = _value(raw, field, depth)
    return key, _value(memoryview(b""), field, depth) if value is None else value


def _value(raw: int | memoryview, field: Field, depth: int) -> Any:
    if field.type in {"int32", "int64", "bool"}:
        return _number(raw, field)
    data = _as_bytes(raw, field)
    if field.type == "string":
        return _text(data)
    if field.type == "bytes":
        return base64.b64encode(data).decode()
    inner = _decode(data, field.type, depth + 1)
    return _shown(inner, field.type) if field.type in _SHOWN_OTHERWISE else inner


_SHOWN_OTHERWISE: Final = (
    schema.STRING_LISTS
    | schema.TEXT_SHAPED
    | schema.ANY_JSON
    | {schema.QUANTITY, schema.INT_OR_STRING}
)


def _shown(inner: Object, type_: str) -> Any:
    """Return what JSON shows for a message that is no object there."""
    if type_ in schema.STRING_LISTS:
        return inner.get("items", [])
    if type_ == schema.QUANTITY:
        return inner.get("string") or "0"
    if type_ == schema.INT_OR_STRING:
        return inner.get("strVal", "") if inner.get("type") else inner.get("intVal", 0)
    if type_ in schema.ANY_JSON:
        raw = inner.get("raw", inner.get("Raw", ""))
        return orjson.loads(base64.b64decode(raw)) if raw else None
    if not inner:
        return None
    moment = _EPOCH + timedelta(
        seconds=inner.get("seconds", 0), microseconds=inner.get("nanos", 0) // 1000
    )
    if type_ == schema.MICRO_TIME:
        return format_micro_time(moment)
    return format_time(moment)


def _number(raw: int | memoryview, field: Field) -> int | bool:
    if not isinstance(raw, int):
        raise MalformedBody(f"proto: wrong wireType = {_BYTES} for field {field.name}")
    if field.type == "bool":
        return bool(raw)
    bits = 32 if field.type == "int32" else 64
    value = raw & ((1 << bits) - 1)
    return value - (1 << bits) if value >> (bits - 1) else value


def _as_bytes(raw: int | memoryview, field: Field) -> memoryview:
    if isinstance(raw, int):
        raise MalformedBody(f"proto: wrong wireType = {_VARINT} for field {field.name}")
    return raw


def _text(data: memoryview) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        raise MalformedBody("proto: string field contains invalid UTF-8") from None


def _records(data: memoryview) -> Iterator[tuple[int, int, int | memoryview]]:
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise MalformedBody("proto: illegal tag 0")
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield number, wire, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        elif wire in {_FIXED64, _FIXED32}:
            length = 8 if wire == _FIXED64 else 4
        else:
            raise MalformedBody(f"proto: illegal wireType {wire}")
        if at + length > end:
            raise MalformedBody("proto: unexpected EOF")
        yield number, wire, data[at : at + length]
        at += length


def _packed(data: memoryview) -> Iterator[int]:
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise MalformedBody("proto: unexpected EOF")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return value % _WORD, at
        shift += 7
        if shift > 63:  # noqa: PLR2004 - ten bytes hold 64 bits
            raise MalformedBody("proto: integer overflow")


# --- writing


def _write_field(out: bytearray, field: Field, value: Any) -> None:
    if field.label == "repeated":
        for item in value:
            _write_value(out, field.number, field.type, item)
    elif field.label == "map":
        for key in sorted(value):
            entry = bytearray()
            _write_bytes(entry, 1, key.encode())
            _write_value(entry, 2, field.type, value[key])
            _write_bytes(out, field.number, bytes(entry))
    else:
        _write_value(out, field.number, field.type, value)


def _write_value(out: bytearray, number: int, type_: str, value: Any) -> None:
    if type_ in {"int32", "int64", "bool"}:
        out += _as_varint(number << 3 | _VARINT) + _as_varint(int(value) % _WORD)
    elif type_ == "string":
        _write_bytes(out, number, value.encode())
    elif type_ == "bytes":
        _write_bytes(out, number, base64.b64decode(value))
    elif type_ in _SHOWN_OTHERWISE:
        _write_bytes(out, number, encode_message(_hidden(value, type_), type_))
    else:
        _write_bytes(out, number, encode_message(value, type_))


def _hidden(value: Any, type_: str) -> Object:
    """Return the fields of a message that JSON shows as something else."""
    if type_ in schema.STRING_LISTS:
        return {"items": value}
    if type_ == schema.QUANTITY:
        return {"string": str(value)}
    if type_ == schema.INT_OR_STRING:
        text = isinstance(value, str)
        return {
            "type": int(text), "intVal": 0 if text else value, "strVal": value if text else "",
        }  # fmt: skip
    if type_ in schema.ANY_JSON:
        key = "Raw" if type_ == schema.FIELDS_V1 else "raw"
        return {key: base64.b64encode(orjson.dumps(value)).decode()}
    since = parse_time(value) - _EPOCH
    return {"seconds": since.days * 86400 + since.seconds, "nanos": since.microseconds * 1000}


def _write_bytes(out: bytearray, number: int, data: bytes) -> None:
    out += _as_varint(number << 3 | _BYTES) + _as_varint(len(data)) + data


def _as_varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:  # noqa: PLR2004 - the continuation bit
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
