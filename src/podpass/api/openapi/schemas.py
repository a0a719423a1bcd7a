"""Schemas of OpenAPI documents, made from the one schema table.

Source: Kubernetes `api/openapi-spec`, kube-openapi (`x-kubernetes-*` extensions).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from podpass.api import schema
from podpass.api.managed_fields.shapes import ATOMIC_MAPS, ATOMIC_MESSAGES
from podpass.api.openapi.descriptions import describe
from podpass.api.resources import Object
from podpass.api.schema import Field

_SCALARS: Final[dict[str, Object]] = {
    "string": {"type": "string"},
    "bytes": {"type": "string", "format": "byte"},
    "bool": {"type": "boolean"},
    "double": {"type": "number", "format": "double"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
}
_STRINGS: Final[Object] = {"type": "array", "items": {"type": "string"}}
_SPECIAL: Final[dict[str, Object]] = {
    schema.TIME: {"type": "string", "format": "date-time"},
    schema.MICRO_TIME: {"type": "string", "format": "date-time"},
    schema.QUANTITY: {"oneOf": [{"type": "string"}, {"type": "number"}]},
    schema.INT_OR_STRING: {
        "format": "int-or-string",
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    },
    schema.FIELDS_V1: {"type": "object"},
    schema.RAW_EXTENSION: {"type": "object"},
    schema.SCHEMA_OR_BOOL: {"description": "true, false or a schema"},
    **dict.fromkeys(schema.STRING_LISTS, _STRINGS),
}
# Shown even when empty, but not asked for.
_NOT_REQUIRED: Final = frozenset(
    {
        "ClusterRole.rules",
        "DaemonEndpoint.port",
        "Event.reportingComponent",
        "Event.reportingInstance",
        "ProjectedVolumeSource.sources",
        "Role.rules",
        "TokenRequestSpec.boundObjectRef",
        "TokenRequestSpec.expirationSeconds",
    }
)


def schema_name(message: str) -> str:
    """Return the name of a message in documents, e.g. `io.k8s.api.core.v1.Pod`."""
    return f"io.k8s.{message.removeprefix('k8s.io.')}" if message.startswith("k8s.io.") else message


def component_schemas(kinds: Iterable[tuple[str, str, str]]) -> Object:
    """Return the schemas of these (group, version, kind) and of all they refer to, by name."""
    kind_of: dict[str, list[Object]] = {}
    waiting: list[str] = []
    for group, version, kind in kinds:
        message = schema.message_for(f"{group}/{version}" if group else version, kind)
        if message is not None:
            kind_of.setdefault(message, []).append(
                {"group": group, "version": version, "kind": kind}
            )
            waiting.append(message)
    schemas: Object = {}
    while waiting:
        message = waiting.pop()
        if schema_name(message) in schemas:
            continue
        shown = _SPECIAL.get(message) or _object_schema(message, kind_of.get(message, []))
        schemas[schema_name(message)] = _described(shown, message)
        if message not in _SPECIAL:
            waiting += [one.type for one in schema.fields(message).values() if one.is_message]
    return dict(sorted(schemas.items()))


def _object_schema(message: str, kinds: list[Object]) -> Object:
    fields = schema.fields(message)
    properties = {name: _property(field) for name, field in fields.items()}
    if kinds:
        properties |= {
            "apiVersion": {"type": "string", "description": describe("apiVersion")},
            "kind": {"type": "string", "description": describe("kind")},
        }
    out: Object = {"type": "object", "properties": dict(sorted(properties.items()))}
    required = sorted(
        name
        for name, field in fields.items()
        if field.always and f"{field.owner.rpartition('.')[2]}.{name}" not in _NOT_REQUIRED
    )
    if required:
        out["required"] = required
    if kinds:
        out["x-kubernetes-group-version-kind"] = kinds
    if message in ATOMIC_MESSAGES:
        out["x-kubernetes-map-type"] = "atomic"
    return out


def _property(field: Field) -> Object:
    single = _SCALARS.get(field.type)
    if single is None:
        single = {"allOf": [{"$ref": f"#/components/schemas/{schema_name(field.type)}"}]}
    out: Object
    if field.label == "map":
        out = {"type": "object", "additionalProperties": single}
        if f"{field.owner}.{field.name}" in ATOMIC_MAPS:
            out["x-kubernetes-map-type"] = "atomic"
    elif field.label == "repeated":
        keys = schema.list_map_keys(field)
        out = {"type": "array", "items": single}
        out["x-kubernetes-list-type"] = _list_type(field, keys)
        if keys:
            out["x-kubernetes-list-map-keys"] = list(keys)
    else:
        out = dict(single)
    if field.strategies:
        out["x-kubernetes-patch-strategy"] = ",".join(field.strategies)
    if field.merge_key:
        out["x-kubernetes-patch-merge-key"] = field.merge_key
    return _described(out, f"{field.owner}.{field.name}")


def _list_type(field: Field, keys: tuple[str, ...]) -> str:
    if keys:
        return "map"
    return "set" if "merge" in field.strategies and not field.merge_key else "atomic"


def _described(out: Object, name: str) -> Object:
    text: Any = describe(name)
    return {"description": text} | out if text else out
