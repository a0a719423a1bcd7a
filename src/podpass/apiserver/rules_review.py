"""SelfSubjectRulesReview: all that I may do in a namespace, as far as rules tell.

1. The answer has the rules of every role that is bound to the caller, in the cluster and in the
   namespace, each as its role has it.
2. Where a bound role does not exist the answer says so and is called incomplete, as it is for a
   node, whose rights follow from its pods and stand in no rule.

Source: Kubernetes `pkg/registry/authorization/selfsubjectrulesreview`; the page "Authorization",
"Checking API access".
"""

from __future__ import annotations

from podpass.api import errors
from podpass.api.meta import UserInfo
from podpass.api.resources import AUTHORIZATION, Object
from podpass.apiserver.authorization import Authorizer
from podpass.apiserver.node_authorizer import node_name
from podpass.rbac.rules import Rule

_KIND = "SelfSubjectRulesReview"
_NODE = "node authorizer does not support user rule resolution"


class RulesReviews:
    """Answers SelfSubjectRulesReviews."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def create(self, body: Object, user: UserInfo) -> Object:
        """Return the review with the rules of the caller.

        Raises:
            StatusError: 400, it names no namespace.
        """
        namespace = (body.get("spec") or {}).get("namespace") or ""
        if not namespace:
            raise errors.bad_request("no namespace on request")
        resource_rules: list[Object] = []
        path_rules: list[Object] = []
        problems: list[str] = [_NODE] if node_name(user) else []
        for grant in self._authorizer.policy.grants(user, namespace):
            if grant.rules is None:
                kind = f"{grant.binding.role_kind.lower()}.rbac.authorization.k8s.io"
                problems.append(f'{kind} "{grant.binding.role_name}" not found')
                continue
            for rule in grant.rules:
                if rule.resources:
                    resource_rules.append(_resource_rule(rule))
                if rule.paths:
                    path_rules.append(_shown(rule, nonResourceURLs=rule.paths))
        status: Object = {
            "resourceRules": resource_rules,
            "nonResourceRules": path_rules,
            "incomplete": bool(problems),
        }
        if problems:
            texts = list(dict.fromkeys(problems))
            status["evaluationError"] = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        return {
            "kind": _KIND,
            "apiVersion": f"{AUTHORIZATION}/v1",
            "metadata": {"creationTimestamp": None},
            "spec": {},
            "status": status,
        }


def _resource_rule(rule: Rule) -> Object:
    return _shown(
        rule,
        apiGroups=rule.api_groups,
        resources=rule.resources,
        resourceNames=rule.resource_names,
    )


def _shown(rule: Rule, **parts: frozenset[str]) -> Object:
    lists = {"verbs": rule.verbs} | parts
    return {name: sorted(values) for name, values in lists.items() if values}
