"""What the audit log holds: the policy file, and its answer for one request.

1. The first rule that fits decides; where none fits nothing is logged.
2. A rule names what it fits; what it leaves out is not looked at. Names are compared exactly, but
   resources may be `*`, `pods/*` and `*/status`, and paths may end in `*`.
3. Stages to leave out are those of the policy and those of the rule together; whether managed
   fields are left out is the rule's to say, or else the policy's.
4. A file with an unknown field or value is refused, with the place of the mistake: a policy with a
   typing error would lose events for good.

Source: apiserver `audit/policy`, `apis/audit/validation`; kubernetes.io, "Auditing".
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from podpass.api.json_codec import MalformedBody
from podpass.api.meta import UserInfo
from podpass.api.yaml_codec import parse_yaml
from podpass.apiserver.request_info import RequestInfo

STAGES = ("RequestReceived", "ResponseStarted", "ResponseComplete", "Panic")


class Level(IntEnum):
    """How much of a request is logged."""

    NONE = 0
    METADATA = 1
    REQUEST = 2
    REQUEST_RESPONSE = 3


LEVELS = {
    "None": Level.NONE,
    "Metadata": Level.METADATA,
    "Request": Level.REQUEST,
    "RequestResponse": Level.REQUEST_RESPONSE,
}
LEVEL_NAMES = {level: name for name, level in LEVELS.items()}


class AuditUnusable(Exception):
    """The audit log cannot be kept as it is wanted; the text says why."""


@dataclass(frozen=True, slots=True)
class GroupResources:
    """Resources of one API group; without resources all of it.

    Attributes:
        group: API group.
        resources: As rule 2 has them.
        names: Of single objects; empty for all.
    """

    group: str = ""
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def fits(self, info: RequestInfo) -> bool:
        """Tell whether a request is for one of these."""
        if self.group != info.group:
            return False
        if not self.resources:
            return True
        if self.names and info.name not in self.names:
            return False
        sub = info.subresource
        combined = f"{info.resource}/{sub}" if sub else info.resource
        forms = {"*", combined, f"{info.resource}/*"} | ({f"*/{sub}"} if sub else set())
        return not forms.isdisjoint(self.resources)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule; every empty part fits everything (rule 2)."""

    level: Level
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ()
    resources: tuple[GroupResources, ...] = ()
    namespaces: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    omit_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool | None = None

    def fits(self, user: UserInfo, info: RequestInfo) -> bool:
        """Tell whether the rule is about this request."""
        if self.users and user.name not in self.users:
            return False
        if self.groups and not any(group in self.groups for group in user.groups):
            return False
        if self.verbs and info.verb not in self.verbs:
            return False
        if self.namespaces or self.resources:
            return info.is_resource and self._fits_resource(info)
        if self.paths:
            return not info.is_resource and any(_fits_path(one, info.path) for one in self.paths)
        return True

    def _fits_resource(self, info: RequestInfo) -> bool:
        if self.namespaces and info.namespace not in self.namespaces:
            return False
        return not self.resources or any(one.fits(info) for one in self.resources)


@dataclass(frozen=True, slots=True)
class AuditDecision:
    """What is logged of one request."""

    level: Level
    omit_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False


NOTHING = AuditDecision(Level.NONE)


@dataclass(frozen=True, slots=True)
class AuditPolicy:
    """All rules, in their order."""

    rules: tuple[Rule, ...]
    omit_stages: frozenset[str] = frozenset()
    omit_managed_fields: bool = False

    def decide(self, user: UserInfo, info: RequestInfo) -> AuditDecision:
        """Return what is logged of a request (rules 1 and 3)."""
        for rule in self.rules:
            if rule.fits(user, info):
                omit = rule.omit_managed_fields
                return AuditDecision(
                    rule.level,
                    self.omit_stages | rule.omit_stages,
                    self.omit_managed_fields if omit is None else omit,
                )
        return NOTHING


def _fits_path(wanted: str, path: str) -> bool:
    if wanted.endswith("*"):
        return path.startswith(wanted[:-1])
    return wanted == path


def load_policy(path: Path) -> AuditPolicy:
    """Read `--audit-policy-file`.

    Raises:
        AuditUnusable: It cannot be read, or is no policy (rule 4).
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise AuditUnusable(f"cannot read the audit policy {path}: {error.strerror}") from error
    return parse_policy(content, str(path))


def parse_policy(content: bytes, name: str) -> AuditPolicy:
    """Read the content of a policy file; `name` is said in errors.

    Raises:
        AuditUnusable: It is no policy (rule 4).
    """
    try:
        return read_policy(parse_yaml(content))
    except (MalformedBody, AuditUnusable) as error:
        raise AuditUnusable(f"audit policy {name}: {error}") from error


_POLICY_FIELDS = {"apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields"}
_RULE_FIELDS = {
    "level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs",
    "omitStages", "omitManagedFields",
}  # fmt: skip
_RESOURCE_FIELDS = {"group", "resources", "resourceNames"}


def read_policy(document: Any) -> AuditPolicy:
    """Return the policy that a document describes.

    Raises:
        AuditUnusable: It describes none; the text names the place.
    """
    fields = _object(document, "policy", _POLICY_FIELDS)
    if fields.get("kind") != "Policy" or fields.get("apiVersion") != "audit.k8s.io/v1":
        raise AuditUnusable("it must be of apiVersion audit.k8s.io/v1 and kind Policy")
    rules = fields.get("rules")
    if not isinstance(rules, list) or not rules:
        raise AuditUnusable("rules: at least one is needed")
    return AuditPolicy(
        tuple(_rule(one, f"rules[{index}]") for index, one in enumerate(rules)),
        _stages(fields, "omitStages"),
        bool(_flag(fields, "omitManagedFields")),
    )


def _rule(document: Any, at: str) -> Rule:
    fields = _object(document, at, _RULE_FIELDS)
    level = fields.get("level")
    if level not in LEVELS:
        raise AuditUnusable(f"{at}.level: must be one of {', '.join(LEVELS)}, not {level!r}")
    paths = _texts(fields, f"{at}.nonResourceURLs")
    for path in paths:
        if path != "*" and not path.startswith("/"):
            raise AuditUnusable(f"{at}.nonResourceURLs: {path!r} must begin with /")
        if "*" in path[:-1]:
            raise AuditUnusable(f"{at}.nonResourceURLs: {path!r} may have * at its end only")
    resources = fields.get("resources") or []
    if not isinstance(resources, list):
        raise AuditUnusable(f"{at}.resources: must be a list")
    namespaces = _texts(fields, f"{at}.namespaces")
    if paths and (resources or namespaces):
        raise AuditUnusable(f"{at}: nonResourceURLs cannot stand beside resources or namespaces")
    return Rule(
        level=LEVELS[level],
        users=_texts(fields, f"{at}.users"),
        groups=_texts(fields, f"{at}.userGroups"),
        verbs=_texts(fields, f"{at}.verbs"),
        resources=tuple(
            _resources(one, f"{at}.resources[{index}]") for index, one in enumerate(resources)
        ),
        namespaces=namespaces,
        paths=paths,
        omit_stages=_stages(fields, f"{at}.omitStages"),
        omit_managed_fields=_flag(fields, f"{at}.omitManagedFields"),
    )


def _resources(document: Any, at: str) -> GroupResources:
    fields = _object(document, at, _RESOURCE_FIELDS)
    group = fields.get("group") or ""
    if not isinstance(group, str) or "/" in group:
        raise AuditUnusable(f"{at}.group: must be the name of a group, without a version")
    found = GroupResources(
        group, _texts(fields, f"{at}.resources"), _texts(fields, f"{at}.resourceNames")
    )
    if found.names and not found.resources:
        raise AuditUnusable(f"{at}.resourceNames: needs at least one resource")
    return found


def _object(value: Any, at: str, known: Collection[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise AuditUnusable(f"{at}: must be a map")
    unknown = sorted(value.keys() - set(known))
    if unknown:
        raise AuditUnusable(f"{at}: unknown field {unknown[0]!r}")
    return value


def _texts(fields: dict[str, Any], at: str) -> tuple[str, ...]:
    value = fields.get(at.rpartition(".")[2])
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise AuditUnusable(f"{at}: must be a list of texts")
    return tuple(value)


def _stages(fields: dict[str, Any], at: str) -> frozenset[str]:
    found: Sequence[str] = _texts(fields, at)
    for stage in found:
        if stage not in STAGES:
            raise AuditUnusable(f"{at}: {stage!r} is none of {', '.join(STAGES)}")
    return frozenset(found)


def _flag(fields: dict[str, Any], at: str) -> bool | None:
    value = fields.get(at.rpartition(".")[2])
    if value is not None and not isinstance(value, bool):
        raise AuditUnusable(f"{at}: must be true or false")
    return value
