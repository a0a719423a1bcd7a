"""What one rule allows, and whether rules cover others."""

from __future__ import annotations

from typing import Any

import pytest

from podpass.api.meta import UserInfo
from podpass.rbac.attributes import Attributes
from podpass.rbac.rules import Rule, uncovered

ANN = UserInfo("ann")


def rule(
    verbs: str = "get",
    resources: str = "pods",
    groups: str = "core",
    names: str = "",
    paths: str = "",
) -> Rule:
    """Write a rule with blanks between values; `core` is the core group."""
    return Rule.from_json(
        {
            "verbs": verbs.split(),
            "resources": resources.split(),
            "apiGroups": ["" if one == "core" else one for one in groups.split()],
            "resourceNames": names.split() or None,
            "nonResourceURLs": paths.split(),
        }
    )


def asks(verb: str = "get", resource: str = "pods", **more: str) -> Attributes:
    return Attributes(ANN, verb, resource=resource, **more)


@pytest.mark.parametrize(
    ("has", "request_", "allowed"),
    [
        pytest.param(rule(), asks(), True, id="the very thing"),
        pytest.param(rule(), asks("list"), False, id="another verb"),
        pytest.param(rule("*"), asks("list"), True, id="every verb"),
        pytest.param(rule(), asks(resource="secrets"), False, id="another resource"),
        pytest.param(rule(resources="*"), asks(resource="secrets"), True, id="every resource"),
        pytest.param(rule(), asks(group="apps"), False, id="another group"),
        pytest.param(rule(groups="*"), asks(group="apps"), True, id="every group"),
        pytest.param(rule(), asks(subresource="log"), False, id="pods is not pods/log"),
        pytest.param(rule(resources="pods/log"), asks(), False, id="pods/log is not pods"),
        pytest.param(rule(resources="pods/log"), asks(subresource="log"), True, id="pods/log"),
        pytest.param(rule(resources="*/log"), asks(subresource="log"), True, id="*/log"),
        pytest.param(rule(resources="*/log"), asks(subresource="exec"), False, id="another one"),
        pytest.param(rule(resources="*"), asks(subresource="log"), True, id="* has subresources"),
        pytest.param(rule(names="a b"), asks(name="b"), True, id="a listed name"),
        pytest.param(rule(names="a"), asks(name="b"), False, id="another name"),
        pytest.param(rule(names="a"), asks(), False, id="no name where names are listed"),
        pytest.param(rule(resources="*"), asks(resource="", name="x"), True, id="audience ''"),
        pytest.param(rule(paths="/a"), asks(resource="", path="/a"), True, id="the path"),
        pytest.param(rule(paths="/a"), asks(resource="", path="/a/"), False, id="a longer path"),
        pytest.param(rule(paths="/a/*"), asks(resource="", path="/a/b/c"), True, id="below it"),
        pytest.param(rule(paths="/a/*"), asks(resource="", path="/a"), False, id="not itself"),
        pytest.param(rule(paths="*"), asks(resource="", path="/x"), True, id="every path"),
        pytest.param(rule(resources="*"), asks(resource="", path="/x"), False, id="no paths"),
        pytest.param(rule(paths="*"), asks(resource="secrets"), False, id="paths are no resources"),
    ],
)
def test_a_rule_allows(has: Rule, request_: Attributes, allowed: bool) -> None:
    assert has.allows(request_) is allowed


def test_absent_lists_are_empty() -> None:
    assert Rule.from_json({}) == Rule(frozenset())


@pytest.mark.parametrize(
    ("owned", "wanted", "missing"),
    [
        pytest.param(rule("get list"), rule("get"), 0, id="a part"),
        pytest.param(rule("get"), rule("get list"), 1, id="a verb more"),
        pytest.param(rule("*"), rule("*"), 0, id="every verb by every verb"),
        pytest.param(rule("get list watch"), rule("*"), 1, id="every verb not by a list"),
        pytest.param(rule(groups="*"), rule(groups="core apps"), 0, id="every group"),
        pytest.param(rule(), rule(groups="core apps"), 1, id="a group more"),
        pytest.param(rule(resources="*"), rule(resources="pods pods/log"), 0, id="every resource"),
        pytest.param(rule(resources="pods"), rule(resources="pods/log"), 1, id="a subresource"),
        pytest.param(rule(resources="*/log"), rule(resources="pods/log"), 0, id="by */log"),
        pytest.param(rule(resources="pods"), rule(resources="*"), 1, id="every resource by one"),
        pytest.param(rule(), rule(names="a"), 0, id="a name by all names"),
        pytest.param(rule(names="a"), rule(), 1, id="all names by one"),
        pytest.param(rule(names="a b"), rule(names="b"), 0, id="one name of two"),
        pytest.param(rule(names="a"), rule(names="a b"), 1, id="two names by one"),
        pytest.param(rule(paths="/a/*"), rule(resources="", paths="/a/b"), 0, id="a path"),
        pytest.param(rule(paths="/a"), rule(resources="", paths="/a /b"), 1, id="a path more"),
    ],
)
def test_what_is_not_covered(owned: Rule, wanted: Rule, missing: int) -> None:
    assert len(uncovered([owned], [wanted])) == missing


def test_several_rules_cover_together() -> None:
    assert uncovered([rule("get"), rule("list")], [rule("get list")]) == []


def test_what_is_missing_is_shown() -> None:
    shown = [str(one) for one in uncovered([], [rule("get", names="a", paths="/x")])]
    assert shown == [
        '{NonResourceURLs:["/x"], Verbs:["get"]}',
        '{APIGroups:[""], Resources:["pods"], ResourceNames:["a"], Verbs:["get"]}',
    ]


def test_a_full_resource_names_its_subresource() -> None:
    more: dict[str, Any] = {"subresource": "log"}
    assert asks().full_resource == "pods"
    assert asks(**more).full_resource == "pods/log"
