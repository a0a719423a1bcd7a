"""All roles and bindings, indexed by subject: who may do what, and by which rule.

1. A ClusterRoleBinding grants the rules of a ClusterRole everywhere; a RoleBinding grants those of
   a Role or ClusterRole in its own namespace. Rules add up, none takes away.
2. A ClusterRole with an aggregationRule has, beside its own rules, those of all ClusterRoles that
   one of its label selectors matches.
3. A ServiceAccount subject is the user `system:serviceaccount:<namespace>:<name>`.

Source: Kubernetes `pkg/registry/rbac/validation/rule.go`, `DefaultRuleResolver`, and
`plugin/pkg/auth/authorizer/rbac`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from podpass.api.meta import UserInfo, labels_of, name_of, namespace_of
from podpass.api.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    Object,
    Resource,
)
from podpass.api.selectors import matches_label_selector
from podpass.rbac.attributes import Attributes, Decision
from podpass.rbac.rules import Rule

_MOST_DECIDED = 8192
_USER = "User"
_GROUP = "Group"
_SERVICE_ACCOUNT = "ServiceAccount"
_Key = tuple[str, str]

POLICY_RESOURCES = (CLUSTER_ROLES, ROLES, CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS)


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject of a binding.

    Attributes:
        kind: `User` or `Group`, the way the user's identity is compared.
        name: User or group name.
        shown: How a reason names it.
    """

    kind: str
    name: str
    shown: str


@dataclass(frozen=True, slots=True)
class Binding:
    """A ClusterRoleBinding, or a RoleBinding if it has a namespace."""

    namespace: str
    name: str
    role_kind: str
    role_name: str
    subjects: tuple[Subject, ...]

    def __str__(self) -> str:
        if self.namespace:
            return f'RoleBinding "{self.name}/{self.namespace}"'
        return f'ClusterRoleBinding "{self.name}"'


@dataclass(frozen=True, slots=True)
class _ClusterRole:
    rules: tuple[Rule, ...]
    labels: dict[str, str]
    selectors: tuple[Object, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """Rules that a user has, and through which binding."""

    binding: Binding
    subject: Subject
    rules: tuple[Rule, ...] | None

    def __str__(self) -> str:
        role = f'{self.binding.role_kind} "{self.binding.role_name}"'
        return f"{self.binding} of {role} to {self.subject.shown}"


def read_rules(role: Object) -> tuple[Rule, ...]:
    """Return the rules of a Role or ClusterRole, without aggregation."""
    return tuple(Rule.from_json(one) for one in role.get("rules") or ())


def _read_subject(subject: Object, namespace: str) -> Subject:
    kind, name = str(subject.get("kind")), str(subject.get("name"))
    if kind == _SERVICE_ACCOUNT:  # 3
        where = subject.get("namespace") or namespace
        shown = f'ServiceAccount "{name}/{where}"'
        return Subject(_USER, f"system:serviceaccount:{where}:{name}", shown)
    return Subject(kind, name, f'{kind} "{name}"')


def _read_binding(binding: Object) -> Binding:
    namespace = namespace_of(binding)
    role = binding.get("roleRef") or {}
    return Binding(
        namespace,
        name_of(binding),
        str(role.get("kind")),
        str(role.get("name")),
        tuple(_read_subject(one, namespace) for one in binding.get("subjects") or ()),
    )


class Policy:
    """Kept up to date by `put` and `remove`, asked by `decide`."""

    def __init__(self) -> None:
        self._roles: dict[_Key, tuple[Rule, ...]] = {}
        self._cluster_roles: dict[str, _ClusterRole] = {}
        self._effective: dict[str, tuple[Rule, ...]] = {}
        self._bindings: dict[_Key, Binding] = {}
        # namespace -> (kind, subject name) -> binding name -> binding; "" is the cluster
        self._by_subject: dict[str, dict[_Key, dict[str, tuple[Binding, Subject]]]] = {}
        # What was decided since roles and bindings changed last.
        self._decided: dict[tuple[object, ...], Decision] = {}

    def put(self, resource: Resource, obj: Object) -> None:
        """Add an object of POLICY_RESOURCES, or replace the one of its name."""
        self._decided.clear()
        namespace, name = namespace_of(obj), name_of(obj)
        if resource is ROLES:
            self._roles[namespace, name] = read_rules(obj)
        elif resource is CLUSTER_ROLES:
            aggregation = obj.get("aggregationRule") or {}
            self._cluster_roles[name] = _ClusterRole(
                read_rules(obj),
                labels_of(obj),
                tuple(aggregation.get("clusterRoleSelectors") or ()),
            )
            self._effective.clear()
        else:
            self._unbind(namespace, name)
            self._bind(_read_binding(obj))

    def remove(self, resource: Resource, namespace: str, name: str) -> None:
        """Forget an object; nothing happens if it is not known."""
        self._decided.clear()
        if resource is ROLES:
            self._roles.pop((namespace, name), None)
        elif resource is CLUSTER_ROLES:
            self._cluster_roles.pop(name, None)
            self._effective.clear()
        else:
            self._unbind(namespace, name)

    def decide(self, request: Attributes) -> Decision:
        """Tell whether some rule allows the request, and which binding brings it."""
        user = request.user
        key = (
            user.name, user.groups, request.verb, request.path, request.group, request.resource,
            request.subresource, request.namespace, request.name,
        )  # fmt: skip
        known = self._decided.get(key)
        if known is not None:
            return known
        if len(self._decided) >= _MOST_DECIDED:
            self._decided.clear()
        decision = self._decided[key] = self._decide(request)
        return decision

    def _decide(self, request: Attributes) -> Decision:
        missing: list[str] = []
        for grant in self.grants(request.user, request.namespace):
            if grant.rules is None:
                binding = grant.binding
                missing.append(
                    f'{binding.role_kind.lower()}.rbac.authorization.k8s.io "{binding.role_name}" '
                    "not found"
                )
            elif any(rule.allows(request) for rule in grant.rules):
                return Decision(allowed=True, reason=f"RBAC: allowed by {grant}")
        texts = list(dict.fromkeys(missing))
        shown = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        return Decision(allowed=False, reason=f"RBAC: {shown}" if texts else "")

    def grants(self, user: UserInfo, namespace: str) -> Iterator[Grant]:
        """Iterate over what a user has cluster-wide and, unless it is empty, in `namespace`.

        The rules are None where the role of the binding does not exist.
        """
        identities = [(_USER, user.name), *((_GROUP, group) for group in user.groups)]
        for scope in ("", namespace) if namespace else ("",):
            by_subject = self._by_subject.get(scope)
            if not by_subject:
                continue
            for identity in identities:
                for binding, subject in by_subject.get(identity, {}).values():
                    rules = self.role_rules(binding.role_kind, binding.namespace, binding.role_name)
                    yield Grant(binding, subject, rules)

    def role_rules(self, kind: str, namespace: str, name: str) -> tuple[Rule, ...] | None:
        """Return the rules of a `Role` or `ClusterRole` with aggregation, None if there is none."""
        if kind == ROLES.kind:
            return self._roles.get((namespace, name))
        if name not in self._cluster_roles:
            return None
        if name not in self._effective:
            self._effective[name] = tuple(dict.fromkeys(self._aggregate(name, set())))
        return self._effective[name]

    def _aggregate(self, name: str, seen: set[str]) -> Iterator[Rule]:
        seen.add(name)
        role = self._cluster_roles[name]
        yield from role.rules
        for other_name, other in self._cluster_roles.items():
            if other_name not in seen and any(
                matches_label_selector(selector, other.labels) for selector in role.selectors
            ):  # 2
                yield from self._aggregate(other_name, seen)

    def _bind(self, binding: Binding) -> None:
        self._bindings[binding.namespace, binding.name] = binding
        by_subject = self._by_subject.setdefault(binding.namespace, {})
        for subject in binding.subjects:
            bindings = by_subject.setdefault((subject.kind, subject.name), {})
            bindings[binding.name] = (binding, subject)

    def _unbind(self, namespace: str, name: str) -> None:
        binding = self._bindings.pop((namespace, name), None)
        if binding is None:
            return
        by_subject = self._by_subject[namespace]
        for subject in binding.subjects:
            key = (subject.kind, subject.name)
            bindings = by_subject.get(key, {})
            bindings.pop(name, None)
            if not bindings:
                by_subject.pop(key, None)
        if not by_subject:
            del self._by_subject[namespace]
