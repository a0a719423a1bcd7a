"""What a request is about, read from its method, path and query alone.

Paths: `/api/v1/...`, `/apis/GROUP/VERSION/...`, in both
`[namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE]]`; everything else is a non-resource path.
Source: apiserver `endpoints/request` RequestInfoFactory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

_VERBS = {
    "GET": "get",
    "HEAD": "get",
    "POST": "create",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_REMEMBERED_LENGTH = 256
"""Longer paths are read each time, so that nobody fills the memory with them."""

_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """The facts that authorization and dispatch need.

    Attributes:
        path: Decoded path.
        verb: API verb, or the lower case method of a non-resource request.
        is_resource: Whether the path names a resource (served or not).
        group: API group.
        version: API version.
        namespace: Namespace in the path; for a Namespace object its own name.
        resource: Plural, e.g. `pods`.
        name: Object name; for lists a name that a field selector pins.
        subresource: e.g. `status`.
        rest: Path elements behind the subresource; no route has any.
        in_namespace: Whether the path stands below `namespaces/NS/`.
    """

    path: str
    verb: str
    is_resource: bool = False
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    name: str = ""
    subresource: str = ""
    rest: tuple[str, ...] = ()
    in_namespace: bool = False


def is_true(value: str | None) -> bool:
    """Tell whether a boolean query parameter is set, as Go's ParseBool reads it."""
    return value in {"1", "t", "T", "TRUE", "true", "True"}


def pinned_name(field_selector: str) -> str:
    """Return the name that `metadata.name=NAME` in a field selector pins, or an empty string."""
    for term in field_selector.split(","):
        key, separator, value = term.partition("=")
        if separator and key.strip() == "metadata.name":
            return value.removeprefix("=").strip()
    return ""


def parse_request(method: str, raw_path: str, query: Mapping[str, str]) -> RequestInfo:
    """Read a request line.

    Args:
        method: HTTP method.
        raw_path: Path as sent, without the query.
        query: First value of each query parameter.
    """
    if not query and len(raw_path) <= _REMEMBERED_LENGTH:
        return _parse_path(method, raw_path)
    return _parse(method, raw_path, query)


@lru_cache(maxsize=2048)
def _parse_path(method: str, raw_path: str) -> RequestInfo:
    return _parse(method, raw_path, {})


def _parse(method: str, raw_path: str, query: Mapping[str, str]) -> RequestInfo:
    path = unquote(raw_path)
    parts = [unquote(part) for part in raw_path.split("/") if part]
    non_resource = RequestInfo(path, method.lower())
    if not parts or parts[0] not in {"api", "apis"}:
        return non_resource
    head = 2 if parts[0] == "api" else 3
    if len(parts) <= head:
        return non_resource
    group, version = ("", parts[1]) if head == 2 else (parts[1], parts[2])  # noqa: PLR2004
    parts = parts[head:]
    verb = _VERBS.get(method, method.lower())

    namespace = ""
    in_namespace = False
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:  # noqa: PLR2004
            parts = parts[2:]
            in_namespace = True
    resource, name, subresource = [*parts[:3], "", ""][:3]
    if not name:
        name = pinned_name(query.get("fieldSelector", ""))
        if verb == "get":
            verb = "watch" if is_true(query.get("watch")) else "list"
        elif verb == "delete":
            verb = "deletecollection"
        else:
            name = ""
    return RequestInfo(
        path=path,
        verb=verb,
        is_resource=True,
        group=group,
        version=version,
        namespace=namespace,
        resource=resource,
        name=name,
        subresource=subresource,
        rest=tuple(parts[3:]),
        in_namespace=in_namespace,
    )
