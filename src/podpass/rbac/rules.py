"""A policy rule, and whether it allows a request or covers another rule.

1. `*` stands for every verb, group, resource or path; `*/sub` for this subresource of everything.
   `pods` does not include `pods/log`.
2. Without resourceNames a rule is about every object; with them a request must name one of these.
3. A path may end in `*`, which stands for any rest.
4. A rule is about resources or about paths, a request as well.

Source: Kubernetes `pkg/apis/rbac/v1/evaluation_helpers.go`, and `Covers` in
`component-helpers/auth/rbac/validation`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Self

import orjson

from podpass.api.resources import Object
from podpass.rbac.attributes import Attributes

ANY = "*"


def _matches(values: frozenset[str], wanted: str) -> bool:
    return wanted in values or ANY in values


@dataclass(frozen=True, slots=True)
class Rule:
    """One `PolicyRule`.

    Attributes:
        verbs: API verbs.
        api_groups: Empty text for core.
        resources: `pods`, `pods/log`, `*/scale`, `*`.
        resource_names: Empty for all.
        paths: Non resource URLs.
    """

    verbs: frozenset[str]
    api_groups: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    resource_names: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()

    @classmethod
    def from_json(cls, rule: Object) -> Self:
        """Read a `PolicyRule`."""
        return cls(
            verbs=frozenset(rule.get("verbs") or ()),
            api_groups=frozenset(rule.get("apiGroups") or ()),
            resources=frozenset(rule.get("resources") or ()),
            resource_names=frozenset(rule.get("resourceNames") or ()),
            paths=frozenset(rule.get("nonResourceURLs") or ()),
        )

    def allows(self, request: Attributes) -> bool:
        """Tell whether this rule alone allows the request."""
        if not _matches(self.verbs, request.verb):
            return False
        if request.path:
            return self.includes_path(request.path)
        return (
            _matches(self.api_groups, request.group)
            and self.includes_resource(request.resource, request.subresource)
            and (not self.resource_names or request.name in self.resource_names)
        )

    def includes_resource(self, resource: str, subresource: str) -> bool:
        """Tell whether the rule is about this resource (1)."""
        if not subresource:
            return _matches(self.resources, resource)
        return (
            ANY in self.resources
            or f"{resource}/{subresource}" in self.resources
            or f"{ANY}/{subresource}" in self.resources
        )

    def includes_path(self, path: str) -> bool:
        """Tell whether the rule is about this path (3)."""
        return path in self.paths or any(
            one.endswith(ANY) and path.startswith(one.rstrip(ANY)) for one in self.paths
        )

    def parts(self) -> Iterator[Rule]:
        """Split into rules that grant one verb on one thing each."""
        for verb in sorted(self.verbs):
            verbs = frozenset({verb})
            for path in sorted(self.paths):
                yield Rule(verbs, paths=frozenset({path}))
            for group in sorted(self.api_groups):
                for resource in sorted(self.resources):
                    about = Rule(verbs, frozenset({group}), frozenset({resource}))
                    if not self.resource_names:
                        yield about
                    for name in sorted(self.resource_names):
                        yield replace(about, resource_names=frozenset({name}))

    def covers(self, part: Rule) -> bool:
        """Tell whether this rule grants all that `part`, one of `parts()`, grants."""
        (verb,) = part.verbs
        if not _matches(self.verbs, verb):
            return False
        if part.paths:
            (path,) = part.paths
            return self.includes_path(path)
        (group,) = part.api_groups
        (combined,) = part.resources
        resource, _, subresource = combined.partition("/")
        return (
            _matches(self.api_groups, group)
            and self.includes_resource(resource, subresource)
            and (
                not self.resource_names
                or (bool(part.resource_names) and part.resource_names <= self.resource_names)
            )
        )

    def __str__(self) -> str:
        fields = (
            ("APIGroups", self.api_groups),
            ("Resources", self.resources),
            ("ResourceNames", self.resource_names),
            ("NonResourceURLs", self.paths),
            ("Verbs", self.verbs),
        )
        shown = (
            f"{name}:{orjson.dumps(sorted(values)).decode()}" for name, values in fields if values
        )
        return "{" + ", ".join(shown) + "}"


def uncovered(owned: Iterable[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """Return the parts of `wanted` that `owned` does not grant."""
    have = list(owned)
    parts = (part for rule in wanted for part in rule.parts())
    return [part for part in parts if not any(rule.covers(part) for rule in have)]
