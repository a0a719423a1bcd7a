"""Protobuf bodies as Kubernetes frames them, to and from JSON objects by the schema.

1. A body is MAGIC and a `runtime.Unknown`: apiVersion, kind, and the message as bytes.
2. Go writes every field that is no pointer, even empty; `structure.conform` drops those.
3. Unknown fields are skipped, as protobuf asks for. Groups and broken bytes are refused.
4. The last value of a single field counts; messages given twice are merged.

Source: apimachinery `runtime/serializer/protobuf`, `runtime/generated.proto`.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from podpass.api import schema
from podpass.api.json_codec import MAX_DEPTH, MalformedBody
from podpass.api.meta import format_micro_time, format_time, parse_time
from podpass.api.protobuf_wire import (
    BYTES,
    VARINT,
    WORD,
    encode_varint,
    read_packed,
    read_records,
    write_bytes,
)
from podpass.api.resources import Object
from podpass.api.schema import Field

MAGIC: Final = b"k8s\x00"
UNKNOWN: Final = "k8s.io.apimachinery.pkg.runtime.Unknown"

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
                write_bytes(out, number, inner)
        elif value.get(field.name) is not None:
            _write_field(out, field, value[field.name])
    return bytes(out)


# --- reading


def _decode(data: memoryview, message: str, depth: int) -> Object:
    if depth > MAX_DEPTH:
        raise MalformedBody(f"exceeded max depth of {MAX_DEPTH}")
    known = schema.wire_fields(message)
    out: Object = {}
    for number, wire, raw in read_records(data):
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
        if wire == BYTES and field.type in {"int32", "int64", "bool"}:
            items.extend(
                _value(number, field, depth) for number in read_packed(_as_bytes(raw, field))
            )
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
    for number, _, raw in read_records(data):
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
        raise MalformedBody(f"proto: wrong wireType = {BYTES} for field {field.name}")
    if field.type == "bool":
        return bool(raw)
    bits = 32 if field.type == "int32" else 64
    value = raw & ((1 << bits) - 1)
    return value - (1 << bits) if value >> (bits - 1) else value


def _as_bytes(raw: int | memoryview, field: Field) -> memoryview:
    if isinstance(raw, int):
        raise MalformedBody(f"proto: wrong wireType = {VARINT} for field {field.name}")
    return raw


def _text(data: memoryview) -> str:
    try:
        return str(data, "utf-8")
    except UnicodeDecodeError:
        raise MalformedBody("proto: string field contains invalid UTF-8") from None


# --- writing


def _write_field(out: bytearray, field: Field, value: Any) -> None:
    if field.label == "repeated":
        for item in value:
            _write_value(out, field.number, field.type, item)
    elif field.label == "map":
        for key in sorted(value):
            entry = bytearray()
            write_bytes(entry, 1, key.encode())
            _write_value(entry, 2, field.type, value[key])
            write_bytes(out, field.number, bytes(entry))
    else:
        _write_value(out, field.number, field.type, value)


def _write_value(out: bytearray, number: int, type_: str, value: Any) -> None:
    if type_ in {"int32", "int64", "bool"}:
        out += encode_varint(number << 3 | VARINT) + encode_varint(int(value) % WORD)
    elif type_ == "string":
        write_bytes(out, number, value.encode())
    elif type_ == "bytes":
        write_bytes(out, number, base64.b64decode(value))
    elif type_ in _SHOWN_OTHERWISE:
        write_bytes(out, number, encode_message(_hidden(value, type_), type_))
    else:
        write_bytes(out, number, encode_message(value, type_))


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
