"""OpenAPI v3 of custom kinds: their own schemas, for `kubectl explain` and clients.

Source: apiextensions-apiserver `controller/openapi/builder`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson

import podpass
from podpass.api import schema
from podpass.api.openapi.descriptions import describe
from podpass.api.openapi.paths import resource_paths
from podpass.api.openapi.schemas import component_schemas, schema_name
from podpass.api.resources import Object, Resource

_REFERENCE: Final = "#/components/schemas/"
_NOT_SERVED: Final = (
    "application/strategic-merge-patch+json", "application/vnd.kubernetes.protobuf",
)  # fmt: skip


def custom_document(resources: Sequence[Resource], beside: bytes | None = None) -> bytes:
    """Return the document of a group version as JSON.

    Args:
        resources: The custom kinds in it.
        beside: The document of the built-in kinds in it, if there are any.
    """
    document: Object = (
        orjson.loads(beside)
        if beside
        else {
            "openapi": "3.0.0",
            "info": {"title": "podpass", "version": podpass.KUBERNETES_RELEASE},
            "paths": {},
            "components": {"schemas": {}},
        }
    )
    schemas: Object = document["components"]["schemas"]
    group, version = resources[0].group, resources[0].version
    kinds = {(group, version, "DeleteOptions"), ("", "v1", "Status")}
    schemas |= component_schemas(sorted(kinds)) | _meta()
    for resource in resources:
        document["paths"] |= _paths(resource)
        name = component_name(resource)
        schemas[name] = _kind(resource)
        schemas[f"{name}List"] = _list(resource, name)
    if any(resource.subresource("scale") for resource in resources):
        schemas |= component_schemas([("autoscaling", "v1", "Scale")])
    return orjson.dumps(document)


def component_name(resource: Resource) -> str:
    """Return the name of a kind's schema: `com.example.v1.CronTab`."""
    parts = [*reversed(resource.group.split(".")), resource.version, resource.kind]
    return ".".join(parts)


def _meta() -> Object:
    """Return the schemas of metadata, by way of a kind that has nothing else."""
    found = component_schemas([("", "v1", "ConfigMap"), ("", "v1", "ConfigMapList")])
    return {name: one for name, one in found.items() if "ConfigMap" not in name}


def _paths(resource: Resource) -> Object:
    paths = resource_paths(resource)
    reference = {"$ref": _REFERENCE + component_name(resource)}
    for item in paths.values():
        for operation in item.values():
            if not isinstance(operation, dict):
                continue
            body: Any = operation.get("requestBody") or {}
            for media_type in _NOT_SERVED:
                (body.get("content") or {}).pop(media_type, None)
            if operation["x-kubernetes-action"] in {"get", "post", "put", "patch"}:
                kind = operation["x-kubernetes-group-version-kind"]["kind"]
                if kind == resource.kind:
                    for answer in operation["responses"].values():
                        for content in answer["content"].values():
                            content["schema"] = reference
    return paths


def _kind(resource: Resource) -> Object:
    own = resource.custom.schema if resource.custom is not None else {}
    properties = {
        **(own.get("properties") or {}),
        "apiVersion": {"type": "string", "description": describe("apiVersion")},
        "kind": {"type": "string", "description": describe("kind")},
        "metadata": _reference("ObjectMeta"),
    }
    return own | {
        "type": "object",
        "properties": dict(sorted(properties.items())),
        "x-kubernetes-group-version-kind": [_gvk(resource, resource.kind)],
    }


def _list(resource: Resource, name: str) -> Object:
    items = {"type": "array", "items": {"$ref": _REFERENCE + name}}
    return {
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string", "description": describe("apiVersion")},
            "items": items,
            "kind": {"type": "string", "description": describe("kind")},
            "metadata": _reference("ListMeta"),
        },
        "x-kubernetes-group-version-kind": [_gvk(resource, f"{resource.kind}List")],
    }


def _reference(name: str) -> Object:
    return {"allOf": [{"$ref": _REFERENCE + schema_name(schema.META + name)}]}


def _gvk(resource: Resource, kind: str) -> Object:
    return {"group": resource.group, "version": resource.version, "kind": kind}
