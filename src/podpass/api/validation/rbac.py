"""Rules of roles and bindings.

Source: Kubernetes `pkg/apis/rbac/validation/validation.go`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from podpass.api import names
from podpass.api.field_errors import FieldError, invalid, not_supported, required
from podpass.api.resources import RBAC, Object

_SUBJECT_KINDS: Final = frozenset({"ServiceAccount", "User", "Group"})


def role_errors(role: Object) -> list[FieldError]:
    """Return what is wrong with a Role."""
    return _rule_list_errors(role.get("rules") or (), namespaced=True)


def cluster_role_errors(role: Object) -> list[FieldError]:
    """Return what is wrong with a ClusterRole."""
    errors = _rule_list_errors(role.get("rules") or (), namespaced=False)
    aggregation = role.get("aggregationRule")
    if aggregation is not None and not aggregation.get("clusterRoleSelectors"):
        text = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        errors.append(required("aggregationRule.clusterRoleSelectors", text))
    return errors


def role_binding_errors(binding: Object) -> list[FieldError]:
    """Return what is wrong with a RoleBinding."""
    return _binding_errors(binding, namespaced=True)


def cluster_role_binding_errors(binding: Object) -> list[FieldError]:
    """Return what is wrong with a ClusterRoleBinding."""
    return _binding_errors(binding, namespaced=False)


def binding_update_errors(new: Object, old: Object) -> list[FieldError]:
    """Return a complaint when a binding is turned to another role."""
    if new.get("roleRef") == old.get("roleRef"):
        return []
    return [invalid("roleRef", new.get("roleRef"), "cannot change roleRef")]


def _rule_list_errors(rules: Sequence[dict[str, Any]], *, namespaced: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, rule in enumerate(rules):
        errors += _rule_errors(rule, f"rules[{index}]", namespaced=namespaced)
    return errors


def _rule_errors(rule: dict[str, Any], at: str, *, namespaced: bool) -> list[FieldError]:
    errors = []
    if not rule.get("verbs"):
        errors.append(required(f"{at}.verbs", "verbs must contain at least one value"))
    urls = rule.get("nonResourceURLs") or []
    if urls:
        where = f"{at}.nonResourceURLs"
        if namespaced:
            text = "namespaced rules cannot apply to non-resource URLs"
            errors.append(invalid(where, urls, text))
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            errors.append(invalid(where, urls, text))
        return errors
    if not rule.get("apiGroups"):
        text = "resource rules must supply at least one api group"
        errors.append(required(f"{at}.apiGroups", text))
    if not rule.get("resources"):
        text = "resource rules must supply at least one resource"
        errors.append(required(f"{at}.resources", text))
    return errors


def _binding_errors(binding: Object, *, namespaced: bool) -> list[FieldError]:
    role = binding.get("roleRef") or {}
    errors = []
    if role.get("apiGroup") != RBAC:
        errors.append(not_supported("roleRef.apiGroup", role.get("apiGroup") or "", [RBAC]))
    kinds = ["Role", "ClusterRole"] if namespaced else ["ClusterRole"]
    if role.get("kind") not in kinds:
        errors.append(not_supported("roleRef.kind", role.get("kind") or "", kinds))
    name = role.get("name") or ""
    if not name:
        errors.append(required("roleRef.name"))
    errors += [invalid("roleRef.name", name, one) for one in names.path_segment_problems(name)]
    for index, subject in enumerate(binding.get("subjects") or ()):
        errors += _subject_errors(subject, f"subjects[{index}]", namespaced=namespaced)
    return errors


def _subject_errors(subject: dict[str, Any], at: str, *, namespaced: bool) -> list[FieldError]:
    errors = []
    name, kind = subject.get("name") or "", subject.get("kind") or ""
    group = subject.get("apiGroup") or ""
    if not name:
        errors.append(required(f"{at}.name"))
    if kind not in _SUBJECT_KINDS:
        return [*errors, not_supported(f"{at}.kind", kind, _SUBJECT_KINDS)]
    expected = "" if kind == "ServiceAccount" else RBAC
    if group != expected:
        errors.append(not_supported(f"{at}.apiGroup", group, [expected]))
    if kind == "ServiceAccount":
        problems = names.dns_subdomain_problems(name) if name else []
        errors += [invalid(f"{at}.name", name, one) for one in problems]
        if not namespaced and not subject.get("namespace"):
            errors.append(required(f"{at}.namespace"))
    return errors
