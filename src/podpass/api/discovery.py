"""Discovery: which groups, versions and resources there are, in the old form and the aggregated.

Source: apiserver `endpoints/discovery`, `apidiscovery.k8s.io/v2`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from podpass.api.resources import RESOURCES, Object, Resource, Subresource

AGGREGATED_MEDIA_TYPE: Final = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
)
"""What a client accepts, and gets as content type, for the aggregated form."""


def group_versions(custom: Sequence[Resource] = ()) -> list[tuple[str, str]]:
    """Return the served (group, version) pairs, the core group first, `custom` kinds last."""
    return list(dict.fromkeys((one.group, one.version) for one in (*RESOURCES, *custom)))


def api_versions(server_address: str) -> Object:
    """Return the document at `/api`; `server_address` is host and port of this server."""
    return {
        "kind": "APIVersions",
        "versions": [version for group, version in group_versions() if not group],
        "serverAddressByClientCIDRs": [
            {"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}
        ],
    }


def api_group_list(custom: Sequence[Resource] = ()) -> Object:
    """Return the document at `/apis`."""
    served = group_versions(custom)
    groups = dict.fromkeys(group for group, _ in served if group)
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(one, served) for one in groups],
    }


def api_group(group: str, custom: Sequence[Resource] = ()) -> Object | None:
    """Return the document at `/apis/<group>`, or None when there is no such group."""
    served = group_versions(custom)
    if not group or all(one != group for one, _ in served):
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, served)}


def api_resource_list(group: str, version: str, custom: Sequence[Resource] = ()) -> Object | None:
    """Return the document at `/api/<version>` or `/apis/<group>/<version>`, or None."""
    served = (*RESOURCES, *custom)
    found = [one for one in served if (one.group, one.version) == (group, version)]
    if not found:
        return None
    entries = []
    for resource in found:
        entries.append(_resource(resource))
        entries += [_subresource(resource, one) for one in resource.subresources]
    entries.sort(key=lambda entry: str(entry["name"]))
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": found[0].api_version,
        "resources": entries,
    }


def aggregated_discovery(*, core: bool, custom: Sequence[Resource] = ()) -> Object:
    """Return the aggregated document at `/api` (`core`) or `/apis`."""
    groups: dict[str, list[str]] = {}
    for group, version in group_versions(custom):
        if bool(group) != core:
            groups.setdefault(group, []).append(version)
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": [
            {
                "metadata": {"name": group} if group else {},
                "versions": [_version_discovery(group, version, custom) for version in versions],
            }
            for group, versions in groups.items()
        ],
    }


def _group(group: str, served: Sequence[tuple[str, str]]) -> Object:
    versions = [
        {"groupVersion": f"{group}/{version}", "version": version}
        for one, version in served
        if one == group
    ]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _resource(resource: Resource) -> Object:
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular_name,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    return entry | _names(resource)


def _names(resource: Resource) -> Object:
    names: Object = {}
    if resource.short_names:
        names["shortNames"] = list(resource.short_names)
    if resource.categories:
        names["categories"] = list(resource.categories)
    return names


def _subresource(resource: Resource, subresource: Subresource) -> Object:
    entry: Object = {
        "name": f"{resource.plural}/{subresource.name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": subresource.kind,
        "verbs": list(subresource.verbs),
    }
    if subresource.group is not None:
        entry |= {"group": subresource.group, "version": subresource.version}
    return entry


def _version_discovery(group: str, version: str, custom: Sequence[Resource]) -> Object:
    return {
        "version": version,
        "resources": [
            _resource_discovery(one)
            for one in sorted((*RESOURCES, *custom), key=lambda one: one.plural)
            if (one.group, one.version) == (group, version)
        ],
        "freshness": "Current",
    }


def _resource_discovery(resource: Resource) -> Object:
    entry: Object = {
        "resource": resource.plural,
        "responseKind": _kind(resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular_name,
        "verbs": list(resource.verbs),
    }
    entry |= _names(resource)
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": one.name,
                "responseKind": _kind(
                    resource.group if one.group is None else one.group,
                    one.version or resource.version,
                    one.kind,
                ),
                "verbs": list(one.verbs),
            }
            for one in resource.subresources
        ]
    return entry


def _kind(group: str, version: str, kind: str) -> Object:
    return {"group": group, "version": version, "kind": kind}
