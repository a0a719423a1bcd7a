"""`audit_policy`: which rule fits which request, and what a file is refused for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podpass.api.meta import UserInfo
from podpass.apiserver.audit_policy import AuditUnusable, Level, load_policy, read_policy
from podpass.apiserver.request_info import parse_request

USER = UserInfo("tim", groups=("humans", "system:authenticated"))
PODS = ("GET", "/api/v1/namespaces/default/pods")
LOG = ("GET", "/api/v1/namespaces/default/pods/p/log")
POD = ("GET", "/api/v1/namespaces/default/pods/p")
NODES = ("GET", "/api/v1/nodes")
ROLES = ("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles")
LOGS = ("GET", "/logs/kubelet.log")
METRICS = ("GET", "/metrics")


def policy(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": list(rules), **more}


def core(*resources: str, names: tuple[str, ...] = ()) -> dict[str, Any]:
    found: dict[str, Any] = {"group": "", "resources": list(resources)}
    return {"resources": [found | ({"resourceNames": list(names)} if names else {})]}


@pytest.mark.parametrize(
    ("rule", "request_line", "fits"),
    [
        pytest.param({}, PODS, True, id="an empty rule fits all"),
        pytest.param({}, METRICS, True, id="an empty rule fits paths"),
        pytest.param({"users": ["tim"]}, PODS, True, id="user"),
        pytest.param({"users": ["tom"]}, PODS, False, id="another user"),
        pytest.param({"userGroups": ["x", "humans"]}, PODS, True, id="one of the groups"),
        pytest.param({"userGroups": ["robots"]}, PODS, False, id="no group"),
        pytest.param({"verbs": ["list"]}, PODS, True, id="verb"),
        pytest.param({"verbs": ["get"]}, PODS, False, id="another verb"),
        pytest.param({"verbs": ["get"]}, METRICS, True, id="verb of a path"),
        pytest.param({"namespaces": ["default"]}, PODS, True, id="namespace"),
        pytest.param({"namespaces": ["kube-system"]}, PODS, False, id="another namespace"),
        pytest.param({"namespaces": [""]}, NODES, True, id="no namespace"),
        pytest.param({"namespaces": ["default"]}, METRICS, False, id="a path has no namespace"),
        pytest.param(core("pods"), PODS, True, id="resource"),
        pytest.param(core("pods"), LOG, False, id="a resource is not its subresources"),
        pytest.param(core("pods/log"), LOG, True, id="subresource"),
        pytest.param(core("pods/log"), POD, False, id="a subresource is not its resource"),
        pytest.param(core("pods/*"), LOG, True, id="all subresources"),
        pytest.param(core("pods/*"), POD, True, id="all subresources, and the resource"),
        pytest.param(core("*/log"), LOG, True, id="one subresource of all"),
        pytest.param(core("*/status"), LOG, False, id="another subresource of all"),
        pytest.param(core("*"), LOG, True, id="everything in the group"),
        pytest.param(core("*"), ROLES, False, id="everything in another group"),
        pytest.param({"resources": [{"group": ""}]}, PODS, True, id="a group without resources"),
        pytest.param({"resources": [{}]}, METRICS, False, id="a path is no resource"),
        pytest.param(core("pods", names=("p",)), POD, True, id="name"),
        pytest.param(core("pods", names=("q",)), POD, False, id="another name"),
        pytest.param({"nonResourceURLs": ["/metrics"]}, METRICS, True, id="path"),
        pytest.param({"nonResourceURLs": ["/metric"]}, METRICS, False, id="part of a path"),
        pytest.param({"nonResourceURLs": ["/logs/*"]}, LOGS, True, id="paths below"),
        pytest.param({"nonResourceURLs": ["/logs/*"]}, METRICS, False, id="paths elsewhere"),
        pytest.param({"nonResourceURLs": ["*"]}, METRICS, True, id="all paths"),
        pytest.param({"nonResourceURLs": ["*"]}, PODS, False, id="a resource is no path"),
        pytest.param({"users": ["tim"], "verbs": ["get"]}, PODS, False, id="all parts must fit"),
    ],
)
def test_rules(rule: dict[str, Any], request_line: tuple[str, str], fits: bool) -> None:
    decided = read_policy(policy({"level": "Request"} | rule)).decide(
        USER, parse_request(*request_line, {})
    )
    assert decided.level == (Level.REQUEST if fits else Level.NONE)


def test_the_first_rule_that_fits_decides() -> None:
    found = read_policy(
        policy(
            {"level": "None", "users": ["tom"]},
            {"level": "Metadata", "omitStages": ["RequestReceived"], "users": ["tim"]},
            {"level": "RequestResponse"},
            omitStages=["Panic"],
            omitManagedFields=True,
        )
    )
    info = parse_request(*PODS, {})
    decided = found.decide(USER, info)
    assert decided.level is Level.METADATA
    assert decided.omit_stages == {"RequestReceived", "Panic"}
    assert decided.omit_managed_fields
    assert found.decide(UserInfo("tom"), info).level is Level.NONE
    assert found.decide(UserInfo("x"), info).level is Level.REQUEST_RESPONSE


@pytest.mark.parametrize(
    ("of_rule", "of_policy", "omitted"),
    [
        pytest.param(None, True, True, id="of the policy"),
        pytest.param(False, True, False, id="the rule undoes it"),
        pytest.param(True, False, True, id="of the rule"),
        pytest.param(None, False, False, id="neither"),
    ],
)
def test_managed_fields(of_rule: bool | None, of_policy: bool, omitted: bool) -> None:
    rule = {"level": "Metadata"} | ({} if of_rule is None else {"omitManagedFields": of_rule})
    found = read_policy(policy(rule, omitManagedFields=of_policy))
    assert found.decide(USER, parse_request(*PODS, {})).omit_managed_fields is omitted


META = {"level": "Metadata"}


@pytest.mark.parametrize(
    ("document", "text"),
    [
        pytest.param([], "policy: must be a map", id="a list"),
        pytest.param({"kind": "Policy"}, "must be of apiVersion", id="no version"),
        pytest.param(policy(META) | {"kind": "Pod"}, "must be of apiVersion", id="another kind"),
        pytest.param(policy(), "rules: at least one is needed", id="no rules"),
        pytest.param(
            policy(META) | {"rule": []}, "policy: unknown field 'rule'", id="typing error"
        ),
        pytest.param(policy({}), r"rules\[0\].level: must be one of None, Metadata", id="no level"),
        pytest.param(policy(META, {"level": "metadata"}), r"rules\[1\].level", id="wrong case"),
        pytest.param(policy(META | {"user": []}), r"rules\[0\]: unknown field", id="unknown field"),
        pytest.param(policy(META | {"users": "tim"}), r"rules\[0\].users: must be", id="a text"),
        pytest.param(policy(META | {"users": [1]}), r"rules\[0\].users: must be", id="a number"),
        pytest.param(
            policy(META | {"nonResourceURLs": ["metrics"]}), "must begin with /", id="no slash"
        ),
        pytest.param(
            policy(META | {"nonResourceURLs": ["/a*/b"]}), "at its end only", id="a star inside"
        ),
        pytest.param(
            policy(META | {"nonResourceURLs": ["/a"]} | core("pods")),
            "cannot stand beside",
            id="paths and resources",
        ),
        pytest.param(
            policy(META | {"nonResourceURLs": ["/a"], "namespaces": ["x"]}),
            "cannot stand beside",
            id="paths and namespaces",
        ),
        pytest.param(
            policy(META | {"resources": [{"group": "apps/v1"}]}), "without a version", id="version"
        ),
        pytest.param(
            policy(META | {"resources": [{"resourceNames": ["x"]}]}),
            r"rules\[0\].resources\[0\].resourceNames: needs",
            id="names of nothing",
        ),
        pytest.param(policy(META | {"resources": {}, "verbs": 1}), "verbs: must be", id="verbs"),
        pytest.param(policy(META | {"resources": "pods"}), "resources: must be", id="resources"),
        pytest.param(policy(META | {"omitStages": ["Late"]}), "'Late' is none of", id="stage"),
        pytest.param(
            policy(META | {"omitManagedFields": "yes"}), "must be true or false", id="flag"
        ),
    ],
)
def test_mistakes_are_named_by_their_place(document: Any, text: str) -> None:
    with pytest.raises(AuditUnusable, match=text):
        read_policy(document)


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    with pytest.raises(AuditUnusable, match=r"cannot read the audit policy .*: No such file"):
        load_policy(file)
    file.write_text("rules: [")
    with pytest.raises(AuditUnusable, match=r"audit policy .*policy\.yaml: "):
        load_policy(file)
    file.write_text("kind: Pod")
    with pytest.raises(AuditUnusable, match=r"audit policy .*policy\.yaml: it must be"):
        load_policy(file)
    file.write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n")
    assert load_policy(file).rules[0].level is Level.METADATA
