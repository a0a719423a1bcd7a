"""Who may do what, and which binding says so."""

from __future__ import annotations

from typing import Any

import pytest

from podpass.api.meta import UserInfo
from podpass.api.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    Object,
)
from podpass.rbac.attributes import Attributes
from podpass.rbac.policy import Policy

ANN = UserInfo("ann", groups=("dev", "system:authenticated"))
APP = UserInfo("system:serviceaccount:ns1:app", groups=("system:serviceaccounts",))
READ_PODS: Object = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
READ_SECRETS: Object = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}


def role(name: str, *rules: Object, namespace: str = "", **more: Any) -> Object:
    metadata = {"name": name, "namespace": namespace, "labels": more.pop("labels", {})}
    return {"metadata": metadata, "rules": list(rules), **more}


def binding(
    name: str,
    role_name: str,
    *subjects: Object,
    namespace: str = "",
    kind: str = "ClusterRole",
) -> Object:
    return {
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"kind": kind, "name": role_name},
        "subjects": list(subjects) or None,
    }


def user(name: str) -> Object:
    return {"kind": "User", "name": name}


def group(name: str) -> Object:
    return {"kind": "Group", "name": name}


def account(name: str, namespace: str = "") -> Object:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def get(
    who: UserInfo = ANN, resource: str = "pods", namespace: str = "", path: str = ""
) -> Attributes:
    return Attributes(who, "get", resource=resource, namespace=namespace, path=path)


@pytest.fixture
def policy() -> Policy:
    made = Policy()
    made.put(CLUSTER_ROLES, role("reader", READ_PODS))
    return made


def allowed(policy: Policy, request: Attributes) -> bool:
    return policy.decide(request).allowed


def test_without_binding_nobody_may_anything(policy: Policy) -> None:
    decision = policy.decide(get())
    assert not decision.allowed
    assert decision.reason == ""


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        pytest.param(user("ann"), 'User "ann"', id="the user"),
        pytest.param(group("dev"), 'Group "dev"', id="one of the groups"),
    ],
)
def test_a_cluster_binding_allows_everywhere(policy: Policy, subject: Object, shown: str) -> None:
    policy.put(CLUSTER_ROLE_BINDINGS, binding("b", "reader", user("bob"), subject))
    for namespace in ("", "ns1"):
        decision = policy.decide(get(namespace=namespace))
        assert decision.allowed
        assert decision.reason == (
            f'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "reader" to {shown}'
        )
    assert not allowed(policy, get(resource="secrets"))
    assert not allowed(policy, get(UserInfo("eve")))


def test_a_group_is_no_user_of_that_name(policy: Policy) -> None:
    policy.put(CLUSTER_ROLE_BINDINGS, binding("b", "reader", user("dev"), group("ann")))
    assert not allowed(policy, get())


def test_a_role_binding_allows_in_its_namespace_alone(policy: Policy) -> None:
    policy.put(ROLE_BINDINGS, binding("b", "reader", user("ann"), namespace="ns1"))
    decision = policy.decide(get(namespace="ns1"))
    assert decision.reason == (
        'RBAC: allowed by RoleBinding "b/ns1" of ClusterRole "reader" to User "ann"'
    )
    assert not allowed(policy, get(namespace="ns2"))
    assert not allowed(policy, get())


def test_a_role_counts_in_its_namespace_alone(policy: Policy) -> None:
    policy.put(ROLES, role("r", READ_SECRETS, namespace="ns1"))
    for namespace in ("ns1", "ns2"):
        policy.put(ROLE_BINDINGS, binding("b", "r", user("ann"), namespace=namespace, kind="Role"))
    assert allowed(policy, get(resource="secrets", namespace="ns1"))
    decision = policy.decide(get(resource="secrets", namespace="ns2"))
    assert decision.reason == 'RBAC: role.rbac.authorization.k8s.io "r" not found'


def test_several_missing_roles_are_named_once_each(policy: Policy) -> None:
    for name, role_name in (("a", "x"), ("b", "x"), ("c", "y")):
        policy.put(CLUSTER_ROLE_BINDINGS, binding(name, role_name, user("ann")))
    assert policy.decide(get()).reason == (
        'RBAC: [clusterrole.rbac.authorization.k8s.io "x" not found, '
        'clusterrole.rbac.authorization.k8s.io "y" not found]'
    )


@pytest.mark.rule("user.name-parsing")
@pytest.mark.parametrize(
    ("subject", "may"),
    [
        pytest.param(account("app", "ns1"), True, id="of its namespace"),
        pytest.param(account("app"), True, id="of the binding's namespace if it names none"),
        pytest.param(account("app", "ns2"), False, id="of another namespace"),
        pytest.param(account("other", "ns1"), False, id="of another name"),
        pytest.param(user("system:serviceaccount:ns1:app"), True, id="as a user"),
    ],
)
def test_service_accounts_are_subjects(policy: Policy, subject: Object, may: bool) -> None:
    policy.put(ROLE_BINDINGS, binding("b", "reader", subject, namespace="ns1"))
    decision = policy.decide(get(APP, namespace="ns1"))
    assert decision.allowed is may
    if may and subject["kind"] == "ServiceAccount":
        assert decision.reason.endswith('to ServiceAccount "app/ns1"')


def test_paths_are_allowed_by_cluster_bindings(policy: Policy) -> None:
    policy.put(CLUSTER_ROLES, role("health", {"nonResourceURLs": ["/livez"], "verbs": ["get"]}))
    policy.put(CLUSTER_ROLE_BINDINGS, binding("b", "health", group("dev")))
    assert allowed(policy, get(resource="", path="/livez"))
    assert not allowed(policy, get(resource="", path="/metrics"))


def test_what_is_removed_allows_no_more(policy: Policy) -> None:
    policy.put(ROLES, role("r", READ_SECRETS, namespace="ns1"))
    policy.put(
        ROLE_BINDINGS,
        binding("b", "r", user("ann"), user("ann"), user("bob"), namespace="ns1", kind="Role"),
    )
    policy.put(ROLE_BINDINGS, binding("c", "r", user("ann"), namespace="ns1", kind="Role"))
    request = get(resource="secrets", namespace="ns1")
    policy.remove(ROLE_BINDINGS, "ns1", "b")
    assert allowed(policy, request)
    policy.remove(ROLE_BINDINGS, "ns1", "c")
    assert not allowed(policy, request)
    policy.remove(ROLE_BINDINGS, "ns1", "c")
    policy.put(CLUSTER_ROLE_BINDINGS, binding("b", "reader", user("ann")))
    assert allowed(policy, get())
    policy.remove(CLUSTER_ROLES, "", "reader")
    assert not allowed(policy, get())
    policy.remove(ROLES, "ns1", "r")
    policy.put(ROLE_BINDINGS, binding("b", "r", user("ann"), namespace="ns1", kind="Role"))
    assert not allowed(policy, request)


def test_a_changed_binding_has_its_new_subjects_alone(policy: Policy) -> None:
    policy.put(CLUSTER_ROLE_BINDINGS, binding("b", "reader", user("ann")))
    policy.put(CLUSTER_ROLE_BINDINGS, binding("b", "reader", user("bob")))
    assert not allowed(policy, get())
    assert allowed(policy, get(UserInfo("bob")))


def aggregated(name: str, *rules: Object, **labels: str) -> Object:
    selectors = [{"matchLabels": {f"to-{name}": "true"}}]
    return role(name, *rules, labels=labels, aggregationRule={"clusterRoleSelectors": selectors})


def test_an_aggregated_role_follows_its_parts(policy: Policy) -> None:
    policy.put(CLUSTER_ROLES, aggregated("admin"))
    policy.put(CLUSTER_ROLE_BINDINGS, binding("b", "admin", user("ann")))
    assert not allowed(policy, get())
    policy.put(CLUSTER_ROLES, role("part", READ_PODS, labels={"to-admin": "true"}))
    assert allowed(policy, get())
    policy.put(CLUSTER_ROLES, role("part", READ_PODS, labels={"to-admin": "false"}))
    assert not allowed(policy, get())


def test_aggregation_is_followed_through_and_never_in_a_circle(policy: Policy) -> None:
    policy.put(CLUSTER_ROLES, aggregated("admin", **{"to-edit": "true"}))
    policy.put(CLUSTER_ROLES, aggregated("edit", READ_PODS, **{"to-admin": "true"}))
    policy.put(CLUSTER_ROLE_BINDINGS, binding("b", "admin", user("ann")))
    assert allowed(policy, get())
    rules = policy.role_rules("ClusterRole", "", "admin")
    assert rules is not None
    assert len(rules) == 1


def test_what_was_decided_counts_for_exactly_that_request(policy: Policy) -> None:
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"], "resourceNames": ["a"]}
    policy.put(CLUSTER_ROLES, role("one", rule))
    policy.put(ROLE_BINDINGS, binding("b", "one", user("ann"), namespace="ns1"))
    allowed = Attributes(ANN, "get", resource="pods", namespace="ns1", name="a")
    others = [
        Attributes(APP, "get", resource="pods", namespace="ns1", name="a"),
        Attributes(ANN, "list", resource="pods", namespace="ns1", name="a"),
        Attributes(ANN, "get", group="apps", resource="pods", namespace="ns1", name="a"),
        Attributes(ANN, "get", resource="secrets", namespace="ns1", name="a"),
        Attributes(ANN, "get", resource="pods", subresource="log", namespace="ns1", name="a"),
        Attributes(ANN, "get", resource="pods", namespace="ns2", name="a"),
        Attributes(ANN, "get", resource="pods", namespace="ns1", name="b"),
        Attributes(ANN, "get", path="/pods"),
    ]
    for _ in range(2):
        assert policy.decide(allowed).allowed
        assert not any(policy.decide(other).allowed for other in others)


def test_many_different_requests_leave_no_more_than_a_bounded_memory(policy: Policy) -> None:
    policy.put(CLUSTER_ROLES, role("one", READ_PODS))
    policy.put(CLUSTER_ROLE_BINDINGS, binding("b", "one", user("ann")))
    for index in range(10_000):
        assert policy.decide(get(namespace=f"ns{index}")).allowed
    assert len(policy._decided) < 10_000
