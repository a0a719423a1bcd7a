"""Paths of OpenAPI documents: the operations of each served resource.

kubectl looks here whether a kind can be patched with the `fieldValidation` parameter, before it
leaves the checking of fields to the server.

Source: apiserver `endpoints/installer.go`.
"""

from __future__ import annotations

from typing import Final

from podpass.api import schema
from podpass.api.openapi.schemas import schema_name
from podpass.api.resources import (
    PODS,
    SERVICE_ACCOUNTS,
    Object,
    Resource,
    Subresource,
)

_METHODS: Final = {"get": "get", "update": "put", "patch": "patch", "delete": "delete"}
_PATCH_TYPES: Final = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
_BODY_TYPES: Final = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
_OPTIONS: Final = {
    "attach": "PodAttachOptions",
    "exec": "PodExecOptions",
    "log": "PodLogOptions",
    "portforward": "PodPortForwardOptions",
}
_QUERY_TYPES: Final = {"bool": "boolean", "int32": "integer", "int64": "integer"}
_DELETED_SHOWN: Final = (PODS, SERVICE_ACCOUNTS)
_CODES: Final = {
    "delete": {"200": "OK", "202": "Accepted"},
    "patch": {"200": "OK", "201": "Created"},
    "post": {"200": "OK", "201": "Created", "202": "Accepted"},
    "put": {"200": "OK", "201": "Created"},
}
"""Codes of success by action, those of others being 200 alone."""


def _query(name: str, type_: str = "string") -> Object:
    return {"name": name, "in": "query", "schema": {"type": type_, "uniqueItems": True}}


_WRITE: Final = (_query("dryRun"), _query("fieldManager"), _query("fieldValidation"))
_PATCH: Final = (*_WRITE, _query("force", "boolean"))
_LIST: Final = (
    _query("allowWatchBookmarks", "boolean"),
    _query("continue"),
    _query("fieldSelector"),
    _query("labelSelector"),
    _query("limit", "integer"),
    _query("resourceVersion"),
    _query("resourceVersionMatch"),
    _query("sendInitialEvents", "boolean"),
    _query("timeoutSeconds", "integer"),
    _query("watch", "boolean"),
)
_DELETE: Final = (
    _query("dryRun"),
    _query("gracePeriodSeconds", "integer"),
    _query("orphanDependents", "boolean"),
    _query("propagationPolicy"),
)


def resource_paths(resource: Resource) -> Object:
    """Return the path items of a resource and its subresources, by path."""
    kind = _gvk(resource.group, resource.version, resource.kind)
    collection: Object = {}
    if "list" in resource.verbs:
        collection["get"] = _operation("list", kind, f"{resource.kind}List", _LIST)
    if "create" in resource.verbs:
        collection["post"] = _operation("post", kind, resource.kind, _WRITE, body=True)
    if "deletecollection" in resource.verbs:
        collection["delete"] = _operation("deletecollection", kind, "Status", (*_LIST, *_DELETE))
    namespaced = "{namespace}" if resource.namespaced else None
    paths = {resource.path(namespaced): _with_parameters(collection, resource)}
    item = _item(resource, kind)
    if item:
        paths[resource.path(namespaced, "{name}")] = _with_parameters(item, resource, "name")
    if resource.namespaced and "list" in resource.verbs:
        paths[resource.path()] = {"get": collection["get"], "parameters": [_query("pretty")]}
    for subresource in resource.subresources:
        path = resource.path(namespaced, "{name}", subresource.name)
        operations = _subresource(resource, subresource)
        paths[path] = _with_parameters(operations, resource, "name")
    return paths


def _item(resource: Resource, kind: Object) -> Object:
    item: Object = {}
    for verb, method in _METHODS.items():
        if verb not in resource.verbs:
            continue
        parameters = {"delete": _DELETE, "get": (), "patch": _PATCH}.get(verb, _WRITE)
        status = verb == "delete" and resource not in _DELETED_SHOWN
        answer = "Status" if status else resource.kind
        item[method] = _operation(
            method, kind, answer, parameters, body=verb == "update", patch=verb == "patch"
        )
    return item


def _subresource(resource: Resource, subresource: Subresource) -> Object:
    kind = _gvk(
        resource.group if subresource.group is None else subresource.group,
        subresource.version or resource.version,
        subresource.kind,
    )
    if subresource.name in _OPTIONS:
        return _connection(subresource, kind)
    operations: Object = {}
    for verb in subresource.verbs:
        method = "post" if verb == "create" else _METHODS[verb]
        operations[method] = _operation(
            method,
            kind,
            subresource.kind,
            {"get": (), "patch": _PATCH}.get(verb, _WRITE),
            body=verb in {"create", "update"},
            patch=verb == "patch",
        )
    return operations


def _connection(subresource: Subresource, kind: Object) -> Object:
    """Return the operations that answer with a stream, whose options are in the query."""
    log = subresource.name == "log"
    parameters = tuple(
        _query(field.name, _QUERY_TYPES.get(field.type, "string"))
        for field in schema.fields(schema.CORE + _OPTIONS[subresource.name]).values()
    )
    answer = _content({"type": "string"}, ("text/plain",) if log else ("*/*",), "OK")
    operation = {
        "x-kubernetes-action": "get" if log else "connect",
        "x-kubernetes-group-version-kind": kind,
        "parameters": list(parameters),
        "responses": {"200": answer},
    }
    return {"post" if verb == "create" else verb: operation for verb in subresource.verbs}


def _operation(
    action: str,
    kind: Object,
    answer: str,
    parameters: tuple[Object, ...],
    *,
    body: bool = False,
    patch: bool = False,
) -> Object:
    shape = _reference(kind, answer)
    operation: Object = {
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": kind,
        "parameters": list(parameters),
        "responses": {
            code: _content(shape, _BODY_TYPES[:1], text)
            for code, text in _CODES.get(action, {"200": "OK"}).items()
        },
    }
    if body:
        operation["requestBody"] = _content(_reference(kind, str(kind["kind"])), _BODY_TYPES)
    elif patch:
        operation["requestBody"] = _content({"type": "object"}, _PATCH_TYPES)
    elif action in {"delete", "deletecollection"}:
        options = _content(_reference(kind, "DeleteOptions"), _BODY_TYPES)
        operation["requestBody"] = {"content": options["content"]}
    return operation


def _reference(kind: Object, answer: str) -> Object:
    api_version = f"{kind['group']}/{kind['version']}" if kind["group"] else kind["version"]
    message = schema.message_for(api_version, answer) or schema.message_for("v1", answer)
    if message is None:
        return {"type": "object"}
    return {"$ref": f"#/components/schemas/{schema_name(message)}"}


def _content(shape: Object, media_types: tuple[str, ...], description: str = "") -> Object:
    content: Object = {"content": {one: {"schema": shape} for one in media_types}}
    return content | ({"description": description} if description else {"required": True})


def _with_parameters(operations: Object, resource: Resource, *names: str) -> Object:
    in_path = [*(["namespace"] if resource.namespaced else []), *names]
    return operations | {
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in in_path
            ),
            _query("pretty"),
        ]
    }


def _gvk(group: str, version: str, kind: str) -> Object:
    return {"group": group, "version": version, "kind": kind}
