"""OpenAPI: what kubectl needs to explain kinds and to leave field checks to the server.

Documents are rendered at the first question and kept as bytes.

Source: kube-openapi `handler3`, `spec3`.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Final

import orjson

import podpass
from podpass.api.discovery import group_versions
from podpass.api.openapi.paths import resource_paths
from podpass.api.openapi.schemas import component_schemas
from podpass.api.openapi.swagger import (
    ASKED_MEDIA_TYPES,
    PROTOBUF_MEDIA_TYPE,
    swagger,
    swagger_protobuf,
)
from podpass.api.resources import RESOURCES, Object
from podpass.api.schema import OPTIONS_KINDS

__all__ = (
    "ASKED_MEDIA_TYPES",
    "PROTOBUF_MEDIA_TYPE",
    "document",
    "index",
    "swagger",
    "swagger_protobuf",
)

_INFO: Final = {"title": "podpass", "version": podpass.KUBERNETES_RELEASE}


def index() -> Object:
    """Return the document at `/openapi/v3`: where the others are, with a hash of their content."""
    paths = {}
    for name in _names():
        digest = hashlib.sha512(document(name) or b"").hexdigest().upper()
        paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={digest}"}
    return {"paths": paths}


@cache
def document(group_version: str) -> bytes | None:
    """Return the OpenAPI v3 document of `api/v1` or `apis/<group>/<version>` as JSON, or None."""
    found = _names().get(group_version)
    if found is None:
        return None
    group, version = found
    resources = [one for one in RESOURCES if (one.group, one.version) == found]
    kinds = {(group, version, kind) for kind in sorted(OPTIONS_KINDS & {"DeleteOptions"})}
    paths: Object = {}
    for resource in resources:
        paths |= resource_paths(resource)
        kinds.add((group, version, resource.kind))
        if resource.stored:
            kinds.add((group, version, f"{resource.kind}List"))
        for one in resource.subresources:
            kinds.add((group if one.group is None else one.group, one.version or version, one.kind))
    kinds.add(("", "v1", "Status"))
    return orjson.dumps(
        {
            "openapi": "3.0.0",
            "info": _INFO,
            "paths": paths,
            "components": {"schemas": component_schemas(sorted(kinds))},
        }
    )


def _names() -> dict[str, tuple[str, str]]:
    return {
        f"apis/{group}/{version}" if group else f"api/{version}": (group, version)
        for group, version in group_versions()
    }
