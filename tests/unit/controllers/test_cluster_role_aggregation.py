from __future__ import annotations

import asyncio
from typing import Any

import pytest

from podpass.api.resources import CLUSTER_ROLES, Object
from podpass.client.rest import RestClient
from podpass.controllers.cluster_role_aggregation import aggregated_rules

EDIT = "rbac.authorization.k8s.io/aggregate-to-edit"


def role(name: str, *resources: str, aggregate: bool = False, **labels: str) -> Object:
    rules = [{"apiGroups": [""], "resources": [one], "verbs": ["get"]} for one in resources]
    made: dict[str, Any] = {"metadata": {"name": name, "labels": labels}, "rules": rules}
    if aggregate:
        selectors = [{"matchLabels": {"to": "x"}}, {"matchLabels": {"to": "y"}}]
        made["aggregationRule"] = {"clusterRoleSelectors": selectors}
    return made


def test_rules_of_chosen_roles_stand_once_in_the_order_of_names() -> None:
    whole = role("whole", "old", aggregate=True, to="x")
    roles = [whole, role("b", "two", "one", to="y"), role("a", "one", to="x"), role("c", "no")]
    rules = aggregated_rules(whole, roles)
    assert rules is not None
    assert [one["resources"] for one in rules] == [["one"], ["two"]]


def test_other_roles_are_left_alone() -> None:
    assert aggregated_rules(role("a", "one"), []) is None


@pytest.mark.usefixtures("controllers")
async def test_a_labelled_role_reaches_edit_and_through_it_admin(admin: RestClient) -> None:
    rule = {"apiGroups": ["stable.example.com"], "resources": ["crontabs"], "verbs": ["*"]}
    metadata = {"name": "crontab-editor", "labels": {EDIT: "true"}}
    await admin.create(CLUSTER_ROLES, {"metadata": metadata, "rules": [rule]})
    async with asyncio.timeout(30):
        for name in ("edit", "admin"):
            while rule not in (await admin.get(CLUSTER_ROLES, None, name))["rules"]:
                pass
        await admin.delete(CLUSTER_ROLES, None, "crontab-editor")
        while rule in (await admin.get(CLUSTER_ROLES, None, "admin"))["rules"]:
            pass
