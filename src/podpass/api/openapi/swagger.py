"""OpenAPI v2 of the kinds that are answered and not kept, for kubectl.

kubectl looks in OpenAPI v3 for a PATCH operation to learn whether the server checks fields. Reviews
cannot be patched, so it checks them itself, by the v2 document, which it reads as protobuf only.

Source: the field numbers of gnostic `openapi.v2.Document`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

import orjson

import podpass
from podpass.api.openapi.schemas import component_schemas
from podpass.api.resources import RESOURCES, Object

PROTOBUF_MEDIA_TYPE: Final = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
"""What is answered; clients ask with `@v1.0`, which is no media type that they could read."""
ASKED_MEDIA_TYPES: Final = (
    PROTOBUF_MEDIA_TYPE,
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
)
_V3_REFERENCE = "#/components/schemas/"
_V2_REFERENCE = "#/definitions/"
_LENGTH_DELIMITED = 2
_SEVEN_BITS = 0x7F

# Document
_SWAGGER, _INFO, _PATHS, _DEFINITIONS = 1, 2, 8, 9
# Schema
_REF, _FORMAT, _DESCRIPTION, _REQUIRED = 1, 2, 4, 19
_ADDITIONAL_PROPERTIES, _TYPE, _ITEMS, _PROPERTIES, _VENDOR_EXTENSION = 21, 22, 23, 25, 31
# Any
_YAML = 2


def _definitions() -> Object:
    """Return the v3 schemas of the kinds, and of what they refer to."""
    kinds = sorted((one.group, one.version, one.kind) for one in RESOURCES if not one.stored)
    return component_schemas(kinds)


@cache
def swagger() -> bytes:
    """Return the OpenAPI v2 document as JSON."""
    text = orjson.dumps(_definitions()).replace(_V3_REFERENCE.encode(), _V2_REFERENCE.encode())
    info = {"title": "podpass", "version": podpass.KUBERNETES_RELEASE}
    return orjson.dumps(
        {"swagger": "2.0", "info": info, "paths": {}, "definitions": orjson.Fragment(text)}
    )


@cache
def swagger_protobuf() -> bytes:
    """Return the OpenAPI v2 document as gnostic protobuf."""
    definitions = b"".join(_named(name, schema) for name, schema in _definitions().items())
    info = _text(1, "podpass") + _text(2, podpass.KUBERNETES_RELEASE)
    return (
        _text(_SWAGGER, "2.0")
        + _bytes(_INFO, info)
        + _bytes(_PATHS, b"")
        + _bytes(_DEFINITIONS, definitions)
    )


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > _SEVEN_BITS:
        out.append(number & _SEVEN_BITS | _SEVEN_BITS + 1)
        number >>= 7
    out.append(number)
    return bytes(out)


def _bytes(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(content)) + content


def _text(number: int, text: str) -> bytes:
    return _bytes(number, text.encode())


def _named(name: str, schema: Object) -> bytes:
    """Return an entry of `additional_properties`: a NamedSchema."""
    return _bytes(1, _text(1, name) + _bytes(2, _schema(schema)))


def _schema(schema: Object) -> bytes:
    reference = schema.get("$ref") or next(
        (one["$ref"] for one in schema.get("allOf", ()) if "$ref" in one), None
    )
    if reference:
        return _text(_REF, reference.replace(_V3_REFERENCE, _V2_REFERENCE))
    out = b""
    for number, key in ((_FORMAT, "format"), (_DESCRIPTION, "description")):
        if key in schema:
            out += _text(number, schema[key])
    out += b"".join(_text(_REQUIRED, name) for name in schema.get("required", ()))
    if isinstance(schema.get("additionalProperties"), dict):
        out += _bytes(_ADDITIONAL_PROPERTIES, _bytes(1, _schema(schema["additionalProperties"])))
    if "type" in schema:
        out += _bytes(_TYPE, _text(1, schema["type"]))
    if "items" in schema:
        out += _bytes(_ITEMS, _bytes(1, _schema(schema["items"])))
    if schema.get("properties"):
        inner = b"".join(_named(name, one) for name, one in schema["properties"].items())
        out += _bytes(_PROPERTIES, inner)
    return out + b"".join(_extensions(schema.items()))


def _extensions(entries: Iterable[tuple[str, Any]]) -> Iterable[bytes]:
    """Yield the `x-` keys; their values are YAML, and JSON is YAML."""
    for key, value in entries:
        if key.startswith("x-"):
            content = _text(1, key) + _bytes(2, _text(_YAML, orjson.dumps(value).decode()))
            yield _bytes(_VENDOR_EXTENSION, content)
