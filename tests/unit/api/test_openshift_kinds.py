"""OpenShift's kinds: what is kept, what is refused, how they are shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from podpass.api import schema
from podpass.api.discovery import api_resource_list, group_versions
from podpass.api.resources import (
    AUTHENTICATIONS,
    CLUSTER_OPERATORS,
    KUBE_API_SERVERS,
    Object,
)
from podpass.api.strategy import prepare_for_create, prepare_for_update
from podpass.api.structure import conform
from podpass.api.tables import table
from podpass.api.validation import validate_create, validate_update

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OPERATOR_MESSAGE = schema.message_for("operator.openshift.io/v1", "KubeAPIServer") or ""


def named(name: str = "cluster", **fields: Any) -> Object:
    metadata = {"name": name, "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"metadata": metadata, **fields}


def test_free_objects_survive_as_they_are() -> None:
    free = {"a": {"b": [], "c": None, "d": ""}, "e": [1, "x", {}]}
    given = {"spec": {"observedConfig": free, "unsupportedConfigOverrides": free}}
    assert conform(given, OPERATOR_MESSAGE) == given


def test_zeros_that_a_user_wrote_stay() -> None:
    message = schema.message_for("config.openshift.io/v1", "Authentication") or ""
    given = {"spec": {"oauthMetadata": {"name": ""}, "serviceAccountIssuer": "", "type": ""}}
    assert conform(given, message) == given


def test_unknown_fields_are_reported() -> None:
    unknown: list[str] = []
    conform(
        {"spec": {"foo": 1}, "status": {"nodeStatuses": [{"bar": 1}]}}, OPERATOR_MESSAGE, unknown
    )
    assert unknown == ["spec.foo", "status.nodeStatuses[0].bar"]


def test_what_users_type_is_served() -> None:
    groups = [group for group, _ in group_versions()]
    assert groups.index("config.openshift.io") < groups.index("operator.openshift.io")
    listed = api_resource_list("operator.openshift.io", "v1") or {}
    assert [one["name"] for one in listed["resources"]] == [
        "kubeapiservers",
        "kubeapiservers/status",
    ]
    assert listed["resources"][0]["singularName"] == "kubeapiserver"
    listed = api_resource_list("config.openshift.io", "v1") or {}
    by_name = {one["name"]: one for one in listed["resources"]}
    assert by_name["clusteroperators"]["shortNames"] == ["co"]


def test_any_string_is_an_issuer_to_the_api() -> None:
    for issuer in ("", "x y", ":", "https://x:port"):
        assert validate_create(AUTHENTICATIONS, named(spec={"serviceAccountIssuer": issuer})) == []


@pytest.mark.parametrize(
    ("obj", "text"),
    [
        pytest.param(named("other", spec={}), 'metadata.name: Invalid value: "other"', id="a name"),
        pytest.param(named(), "spec: Required value", id="no spec"),
        pytest.param(
            named(spec={"type": "OIDC"}), 'spec.type: Unsupported value: "OIDC"', id="a type"
        ),
    ],
)
def test_an_authentication_that_is_refused(obj: Object, text: str) -> None:
    found = [str(one) for one in validate_create(AUTHENTICATIONS, obj)]
    assert len(found) == 1
    assert found[0].startswith(text)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        pytest.param({"managementState": "Managed"}, "", id="managed"),
        pytest.param({"managementState": "Force"}, "", id="forced"),
        pytest.param(
            {"managementState": "Unmanaged"},
            'spec.managementState: Invalid value: "Unmanaged": spec.managementState in body should '
            "match '^(Managed|Force)$'",
            id="unmanaged",
        ),
        pytest.param(
            {"managementState": ""},
            'spec.managementState: Invalid value: "": spec.managementState in body should '
            "match '^(Managed|Force)$'",
            id="an empty state",
        ),
        pytest.param(
            {"logLevel": "Loud"},
            'spec.logLevel: Unsupported value: "Loud": supported values: "", "Debug", "Normal", '
            '"Trace", "TraceAll"',
            id="a log level",
        ),
        pytest.param(
            {"observedConfig": []},
            "spec.observedConfig: Invalid value: []: spec.observedConfig in body must be of type "
            "object",
            id="a list for an object",
        ),
        pytest.param({"eventTTLMinutes": 5}, "", id="the shortest life of events"),
        pytest.param({"eventTTLMinutes": 180}, "", id="the longest life of events"),
        pytest.param(
            {"eventTTLMinutes": 4},
            "spec.eventTTLMinutes: Invalid value: 4: spec.eventTTLMinutes in body should be "
            "greater than or equal to 5",
            id="a life too short",
        ),
        pytest.param(
            {"eventTTLMinutes": 181},
            "spec.eventTTLMinutes: Invalid value: 181: spec.eventTTLMinutes in body should be "
            "less than or equal to 180",
            id="a life too long",
        ),
    ],
)
def test_the_spec_of_a_kube_api_server(spec: Object, text: str) -> None:
    found = [str(one) for one in validate_create(KUBE_API_SERVERS, named(spec=spec))]
    assert found == ([text] if text else [])
    updated = validate_update(KUBE_API_SERVERS, named(spec=spec), named(spec={}))
    assert [str(one) for one in updated] == found


def node(name: str, current: int = 1, target: int = 0) -> Object:
    return {"nodeName": name, "currentRevision": current, "targetRevision": target}


@pytest.mark.parametrize(
    ("status", "text"),
    [
        pytest.param({"latestAvailableRevision": 6}, "", id="more revisions"),
        pytest.param({"latestAvailableRevision": 4}, "must only increase", id="fewer revisions"),
        pytest.param({"nodeStatuses": [node("a", 3, 6), node("b")]}, "", id="one target"),
        pytest.param(
            {"nodeStatuses": [node("a", 3, 6), node("b", 1, 6)]},
            "no more than 1 node status may have a nonzero targetRevision",
            id="two targets",
        ),
        pytest.param({"nodeStatuses": [node("a", 2)]}, "must only increase", id="a step back"),
        pytest.param(
            {"nodeStatuses": [node("b"), node("b")]}, "nodeName must be unique", id="a node twice"
        ),
    ],
)
def test_the_status_of_a_kube_api_server(status: Object, text: str) -> None:
    before = {"latestAvailableRevision": 5, "nodeStatuses": [node("a", 3)]}
    new = named(spec={}, status=before | status)
    found = validate_update(
        KUBE_API_SERVERS, new, named(spec={}, status=before), subresource="status"
    )
    assert [text in str(one) for one in found] == ([True] if text else [])


def test_a_status_comes_through_its_subresource_only() -> None:
    obj: Object = {"metadata": {"name": "cluster"}, "spec": {}, "status": {"readyReplicas": 1}}
    prepare_for_create(KUBE_API_SERVERS, obj, now=NOW, uid="u", namespace="", suffix="x")
    assert "status" not in obj
    assert obj["metadata"]["generation"] == 1
    changed: Object = {
        "metadata": {},
        "spec": {"logLevel": "Debug"},
        "status": {"readyReplicas": 1},
    }
    prepare_for_update(KUBE_API_SERVERS, changed, obj)
    assert changed["metadata"]["generation"] == 2
    assert "status" not in changed


def conditions(available: str, progressing: str, degraded: str) -> list[Object]:
    since = "2025-12-31T23:59:00Z"
    wanted = {"Available": available, "Progressing": progressing, "Degraded": degraded}
    return [
        {"type": type_, "status": status, "lastTransitionTime": since, "message": f"{type_}\nmore"}
        for type_, status in wanted.items()
    ]


@pytest.mark.parametrize(
    ("found", "cells"),
    [
        pytest.param(
            conditions("True", "False", "False"), ["True", "False", "False", "60s", ""], id="well"
        ),
        pytest.param(
            conditions("True", "True", "False"),
            ["True", "True", "False", "60s", "Progressing"],
            id="rolling out",
        ),
        pytest.param(
            conditions("False", "True", "True"),
            ["False", "True", "True", "60s", "Degraded"],
            id="degraded",
        ),
        pytest.param([], ["", "", "", "<unknown>", ""], id="nothing known"),
    ],
)
def test_cluster_operators_in_a_table(found: list[Object], cells: list[str]) -> None:
    versions = [{"name": "raw-internal", "version": "0"}, {"name": "operator", "version": "4.8"}]
    obj = named("kube-apiserver", status={"conditions": found, "versions": versions})
    shown = table(CLUSTER_OPERATORS, [obj], now=NOW)
    assert [one["name"] for one in shown["columnDefinitions"]] == [
        "Name", "Version", "Available", "Progressing", "Degraded", "Since", "Message",
    ]  # fmt: skip
    assert shown["rows"][0]["cells"] == ["kube-apiserver", "4.8", *cells]


def test_a_kube_api_server_shows_its_name_and_age() -> None:
    shown = table(KUBE_API_SERVERS, [named()], now=NOW)
    assert shown["rows"][0]["cells"] == ["cluster", "0s"]


def test_a_cluster_operator_without_a_status_is_shown() -> None:
    shown = table(CLUSTER_OPERATORS, [named("x")], now=NOW)
    assert shown["rows"][0]["cells"][:2] == ["x", ""]
