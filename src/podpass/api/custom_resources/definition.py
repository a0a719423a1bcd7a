"""From a CustomResourceDefinition to the resources that it serves, and its own life.

Source: kubernetes.io "Versions in CustomResourceDefinitions"; apiextensions-apiserver
`apis/apiextensions/v1/defaults.go`, `registry/customresourcedefinition/strategy.go`.
"""

from __future__ import annotations

import re
from typing import Final

from podpass.api.custom_resources.kind import CustomKind
from podpass.api.custom_resources.naming import is_established
from podpass.api.custom_resources.structural import has_rules
from podpass.api.resources import AUTOSCALING, Object, Resource, Subresource

_VERSION: Final = re.compile(r"v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?\Z", re.ASCII)
_STABILITY: Final = {"alpha": 0, "beta": 1, None: 2}
_SUBRESOURCE_VERBS: Final = ("get", "patch", "update")


def fill_in_names(definition: Object) -> None:
    """Fill in the defaults of a definition, in place."""
    spec = definition.get("spec")
    if not isinstance(spec, dict):
        return
    names = spec.get("names")
    if isinstance(names, dict) and names.get("kind"):
        if not names.get("singular"):
            names["singular"] = names["kind"].lower()
        if not names.get("listKind"):
            names["listKind"] = f"{names['kind']}List"
    conversion = spec.setdefault("conversion", {})
    if not conversion.get("strategy"):
        conversion["strategy"] = "None"
    if not spec.get("preserveUnknownFields"):
        spec.pop("preserveUnknownFields", None)


def remember_stored_version(definition: Object, former: Object | None) -> None:
    """Note in the status that the storage version was used, in place."""
    status = dict((former or {}).get("status") or {})
    stored = list(status.get("storedVersions") or ())
    for version in (definition.get("spec") or {}).get("versions") or ():
        if version.get("storage") and version.get("name") not in stored:
            stored.append(version["name"])
    definition["status"] = status | {"storedVersions": stored}


def version_priority(version: str) -> tuple[int, int, int, int, str]:
    """Return a key that sorts versions as discovery lists them: `v2, v1, v1beta1, foo`."""
    match = _VERSION.match(version)
    if match is None:
        return (1, 0, 0, 0, version)
    major, stage, minor = match.groups()
    return (0, -_STABILITY[stage], -int(major), -int(minor or 0), version)


def served_resources(definition: Object) -> list[Resource]:
    """Return the resources that a definition serves, the preferred version first.

    Args:
        definition: The CustomResourceDefinition; one that is not established serves nothing.
    """
    if not is_established(definition):
        return []
    spec = definition["spec"]
    names = definition["status"].get("acceptedNames") or spec["names"]
    served = [one for one in spec["versions"] if one.get("served")]
    served.sort(key=lambda one: version_priority(one["name"]))
    found = []
    for version in served:
        kind = CustomKind(definition, version, deprecation=_deprecation(spec, version, served))
        found.append(
            Resource(
                spec["group"],
                version["name"],
                names["plural"],
                names["kind"],
                namespaced=spec["scope"] == "Namespaced",
                singular=names.get("singular") or "",
                short_names=tuple(names.get("shortNames") or ()),
                categories=tuple(names.get("categories") or ()),
                subresources=_subresources(kind, names["kind"]),
                custom=kind,
            )
        )
    return found


def has_unevaluated_rules(definition: Object) -> bool:
    """Tell whether there are `x-kubernetes-validations`, which are kept and not evaluated."""
    versions = (definition.get("spec") or {}).get("versions") or ()
    return any(
        has_rules((one.get("schema") or {}).get("openAPIV3Schema") or {}) for one in versions
    )


def _subresources(kind: CustomKind, name: str) -> tuple[Subresource, ...]:
    found = []
    if kind.scale is not None:
        found.append(Subresource("scale", "Scale", _SUBRESOURCE_VERBS, AUTOSCALING, "v1"))
    if kind.has_status:
        found.append(Subresource("status", name, _SUBRESOURCE_VERBS))
    return tuple(found)


def _deprecation(spec: Object, version: Object, served: list[Object]) -> str:
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning"):
        return str(version["deprecationWarning"])
    group, kind = spec["group"], spec["names"]["kind"]
    text = f"{group}/{version['name']} {kind} is deprecated"
    newer = next((one["name"] for one in served if not one.get("deprecated")), None)
    if newer and version_priority(newer) < version_priority(version["name"]):
        text += f"; use {group}/{newer} {kind}"
    return text
