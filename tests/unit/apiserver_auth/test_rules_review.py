"""SelfSubjectRulesReview: what roles give, told as rules."""

from __future__ import annotations

from typing import Any

import pytest

from podpass.api.errors import StatusError
from podpass.api.meta import UserInfo
from podpass.api.resources import CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, RBAC, ROLE_BINDINGS, ROLES
from podpass.apiserver.rules_review import RulesReviews

from .conftest import World

ANN = UserInfo("ann", groups=("dev",))
PODS_RULE = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
NAMED_RULE = {
    "apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["a"], "verbs": ["*"],
}  # fmt: skip
PATH_RULE = {"nonResourceURLs": ["/metrics"], "verbs": ["get"]}


def binding(name: str, role_kind: str, role: str, namespace: str = "") -> dict[str, Any]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    reference = {"apiGroup": RBAC, "kind": role_kind, "name": role}
    subject = {"apiGroup": RBAC, "kind": "Group", "name": "dev"}
    return {"metadata": metadata, "roleRef": reference, "subjects": [subject]}


async def ask(world: World, user: UserInfo, namespace: str = "ns1") -> Any:
    review = await RulesReviews(world.authorizer).create({"spec": {"namespace": namespace}}, user)
    assert review["kind"] == "SelfSubjectRulesReview"
    return review["status"]


async def test_rules_of_the_cluster_and_of_the_namespace_add_up(world: World) -> None:
    await world.put(CLUSTER_ROLES, {"metadata": {"name": "wide"}, "rules": [NAMED_RULE, PATH_RULE]})
    await world.put(ROLES, {"metadata": {"name": "near", "namespace": "ns1"}, "rules": [PODS_RULE]})
    await world.put(CLUSTER_ROLE_BINDINGS, binding("b", "ClusterRole", "wide"))
    await world.put(ROLE_BINDINGS, binding("b", "Role", "near", "ns1"))
    assert await ask(world, ANN) == {
        "resourceRules": [NAMED_RULE, PODS_RULE],
        "nonResourceRules": [PATH_RULE],
        "incomplete": False,
    }
    assert (await ask(world, ANN, "ns2"))["resourceRules"] == [NAMED_RULE]
    assert (await ask(world, UserInfo("bob")))["resourceRules"] == []


async def test_a_missing_role_makes_the_answer_incomplete(world: World) -> None:
    await world.put(CLUSTER_ROLE_BINDINGS, binding("b", "ClusterRole", "ghost"))
    assert await ask(world, ANN) == {
        "resourceRules": [],
        "nonResourceRules": [],
        "incomplete": True,
        "evaluationError": 'clusterrole.rbac.authorization.k8s.io "ghost" not found',
    }


async def test_what_a_node_may_stands_in_no_rule(world: World) -> None:
    status = await ask(world, UserInfo("system:node:n1", groups=("system:nodes",)))
    assert status["incomplete"] is True
    assert "node authorizer does not support user rule resolution" in status["evaluationError"]


async def test_a_review_must_name_a_namespace(world: World) -> None:
    with pytest.raises(StatusError, match="no namespace on request") as caught:
        await ask(world, ANN, "")
    assert caught.value.code == 400
