"""Nobody grants what he does not have.

1. The rules of a Role or ClusterRole that is written must all be held by the writer, unless he may
   `escalate` it.
2. The rules of the role that a binding is made for must all be held by the writer, unless he may
   `bind` it.
3. A ClusterRole that aggregates can grow to anything: it takes all rights to write one.
4. system:masters hold everything. A write that changes nothing of this is not looked at.

Source: Kubernetes `pkg/registry/rbac/*/policybased`.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from podpass.api import errors
from podpass.api.meta import UserInfo, labels_of, name_of
from podpass.api.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    RBAC,
    ROLE_BINDINGS,
    ROLES,
    Object,
)
from podpass.apiserver.admission.chain import AdmissionRequest
from podpass.apiserver.admission.plugin import PassivePlugin
from podpass.apiserver.authorization import MASTERS, Attributes, Authorizer
from podpass.rbac.policy import read_rules
from podpass.rbac.rules import ANY, Rule, uncovered

_ALL = frozenset({ANY})
_EVERYTHING = (Rule(_ALL, _ALL, _ALL), Rule(_ALL, paths=_ALL))


class EscalationCheck(PassivePlugin):
    """Keeps users within their rights when they write roles and bindings."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def validate(self, request: AdmissionRequest) -> None:
        """Refuse by rules 1 to 3.

        Raises:
            StatusError: 403; 404, a binding names a role that does not exist.
        """
        if request.operation not in ("CREATE", "UPDATE") or request.object is None:
            return
        if MASTERS in request.user.groups:  # 4
            return
        if request.resource in (ROLES, CLUSTER_ROLES):
            self._check_role(request, request.object)
        elif request.resource in (ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS):
            self._check_binding(request, request.object)

    def _check_role(self, request: AdmissionRequest, role: Object) -> None:
        if _same(request, "rules", "aggregationRule") and _same_labels(request, role):  # 4
            return
        resource = request.resource
        name = name_of(role)
        if self._may(request, "escalate", resource.plural, name):  # 1
            return
        if role.get("aggregationRule") and self._missing(request, _EVERYTHING):  # 3
            raise request.forbidden("must have cluster-admin privileges to use the aggregationRule")
        self._refuse(request, self._missing(request, read_rules(role)))

    def _check_binding(self, request: AdmissionRequest, binding: Object) -> None:
        if _same(request, "roleRef", "subjects"):  # 4
            return
        reference = binding.get("roleRef") or {}
        kind, name = str(reference.get("kind")), str(reference.get("name"))
        plural = ROLES.plural if kind == ROLES.kind else CLUSTER_ROLES.plural
        if self._may(request, "bind", plural, name):  # 2
            return
        rules = self._authorizer.policy.role_rules(kind, request.namespace, name)
        if rules is None:
            raise errors.not_found(plural, name, RBAC)
        self._refuse(request, self._missing(request, rules))

    def _may(self, request: AdmissionRequest, verb: str, plural: str, name: str) -> bool:
        attributes = Attributes(
            request.user,
            verb,
            group=RBAC,
            version="v1",
            resource=plural,
            namespace=request.namespace,
            name=name,
        )
        return self._authorizer.authorize(attributes).allowed

    def _missing(self, request: AdmissionRequest, rules: Sequence[Rule]) -> list[Rule]:
        grants = self._authorizer.policy.grants(request.user, request.namespace)
        owned = [rule for grant in grants for rule in grant.rules or ()]
        return uncovered(owned, rules)

    def _refuse(self, request: AdmissionRequest, missing: Sequence[Rule]) -> None:
        if not missing:
            return
        shown = "\n".join(str(rule) for rule in missing)
        raise request.forbidden(
            f"{_shown(request.user)} is attempting to grant RBAC permissions not currently held:\n"
            f"{shown}"
        )


def _same(request: AdmissionRequest, *fields: str) -> bool:
    old, new = request.old_object, request.object or {}
    return old is not None and all(old.get(field) == new.get(field) for field in fields)


def _same_labels(request: AdmissionRequest, role: Object) -> bool:
    # A label can make the rules part of an aggregated role.
    return labels_of(role) == labels_of(request.old_object or {})


def _shown(user: UserInfo) -> str:
    groups = " ".join(orjson.dumps(group).decode() for group in user.groups)
    return f"user {orjson.dumps(user.name).decode()} (groups=[{groups}])"
