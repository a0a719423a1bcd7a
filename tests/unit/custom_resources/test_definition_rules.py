from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from custom_resources.definitions import cron_tab_definition

from podpass.api.custom_resources.definition import fill_in_names
from podpass.api.custom_resources.definition_rules import (
    definition_errors,
    definition_update_errors,
)

Change = Callable[[dict[str, Any]], Any]
VERSION = "spec.versions[0]"
SCHEMA = f"{VERSION}.schema.openAPIV3Schema"
SPEC = f"{SCHEMA}.properties[spec]"


def definition() -> dict[str, Any]:
    made = cron_tab_definition()
    fill_in_names(made)
    return made


def schema_of(made: dict[str, Any]) -> Any:
    return made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def in_spec(**extra: Any) -> Change:
    def change(made: dict[str, Any]) -> None:
        schema_of(made)["properties"]["spec"]["properties"]["x"] = extra

    return change


def at_root(**extra: Any) -> Change:
    return lambda made: schema_of(made).update(extra)


def names(**extra: Any) -> Change:
    return lambda made: made["spec"]["names"].update(extra)


def spec(**extra: Any) -> Change:
    return lambda made: made["spec"].update(extra)


def version(**extra: Any) -> Change:
    return lambda made: made["spec"]["versions"][0].update(extra)


def test_the_definition_of_the_documentation_is_fine() -> None:
    assert definition_errors(definition()) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param(lambda made: made["metadata"].update(name="crontabs"),
            'metadata.name: Invalid value: "crontabs": must be spec.names.plural+"."+spec.group',
            id="the name is plural and group"),
        pytest.param(spec(group="example"),
            'spec.group: Invalid value: "example": should be a domain with at least one dot',
            id="a group has a dot"),
        pytest.param(spec(group="apps.k8s.io"),
            "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups "
            'must have approval annotation "api-approved.kubernetes.io", see '
            "https://github.com/kubernetes/enhancements/pull/1111",
            id="the project's own groups need an approval"),
        pytest.param(spec(scope="Global"),
            'spec.scope: Unsupported value: "Global": supported values: "Cluster", "Namespaced"',
            id="two scopes"),
        pytest.param(spec(scope=""), "spec.scope: Required value", id="a scope is needed"),
        pytest.param(names(kind=""), "spec.names.kind: Required value", id="a kind is needed"),
        pytest.param(names(listKind="CronTab"),
            'spec.names.listKind: Invalid value: "CronTab": kind and listKind may not be the same',
            id="kind and list kind differ"),
        pytest.param(names(shortNames=["CT"]),
            'spec.names.shortNames[0]: Invalid value: "CT": a DNS-1035 label must consist of lower '
            "case alphanumeric characters or '-', start with an alphabetic character, and end with "
            "an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation "
            "is '[a-z]([-a-z0-9]*[a-z0-9])?')",
            id="short names are labels"),
        pytest.param(version(storage=False),
            'spec.versions: Invalid value: ["v1","v1beta1"]: must have exactly one version marked '
            "as storage version",
            id="no storage version"),
        pytest.param(lambda made: made["spec"]["versions"][1].update(storage=True),
            'spec.versions: Invalid value: ["v1","v1beta1"]: must have exactly one version marked '
            "as storage version",
            id="two storage versions"),
        pytest.param(version(name="v1beta1"),
            'spec.versions: Invalid value: ["v1beta1","v1beta1"]: must contain unique version '
            "names",
            id="versions have different names"),
        pytest.param(version(schema={}), f"{SCHEMA}: Required value: schemas are required",
            id="a schema is needed"),
        pytest.param(spec(preserveUnknownFields=True),
            "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set "
            "x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
            id="unknown fields are kept by the schema only"),
        pytest.param(spec(conversion={"strategy": "Webhook"}),
            "spec.conversion.strategy: Forbidden: conversion webhooks are not served by podpass: "
            "versions must be convertible by None",
            id="no webhooks"),
        pytest.param(lambda made: schema_of(made).pop("type"),
            f"{SCHEMA}.type: Required value: must not be empty at the root",
            id="a root has a type"),
        pytest.param(at_root(type="array", items={"type": "string"}),
            f'{SCHEMA}.type: Invalid value: "array": must be object at the root',
            id="a root is an object"),
        pytest.param(at_root(properties={"metadata": {"type": "object", "properties": {
            "labels": {"type": "object"}}}}),
            f"{SCHEMA}.properties[metadata]: Forbidden: must not specify anything other than name "
            "and generateName, but metadata is implicitly specified",
            id="metadata is the system's"),
        pytest.param(in_spec(), f"{SPEC}.properties[x].type: Required value: must not be empty for "
            "specified object fields", id="a field has a type"),
        pytest.param(in_spec(type="array", items={"description": "x"}),
            f"{SPEC}.properties[x].items.type: Required value: must not be empty for specified "
            "array items", id="items have a type"),
        pytest.param(in_spec(type="text"),
            f'{SPEC}.properties[x].type: Unsupported value: "text": supported values: "array", '
            '"boolean", "integer", "number", "object", "string"', id="types are those of OpenAPI"),
        pytest.param(in_spec(type="string", **{"x-kubernetes-int-or-string": True}),
            f'{SPEC}.properties[x].type: Invalid value: "string": must be empty if '
            "x-kubernetes-int-or-string is true", id="int or string is no type"),
        pytest.param(in_spec(**{"$ref": "#/x", "type": "object"}),
            f"{SPEC}.properties[x].$ref: Forbidden: $ref is not supported", id="no references"),
        pytest.param(in_spec(type="array", items={"type": "string"}, uniqueItems=True),
            f"{SPEC}.properties[x].uniqueItems: Forbidden: uniqueItems cannot be set to true since "
            "the runtime complexity becomes quadratic", id="no unique items"),
        pytest.param(in_spec(type="object", additionalProperties=False),
            f"{SPEC}.properties[x].additionalProperties: Forbidden: additionalProperties cannot be "
            "set to false", id="maps are open or named"),
        pytest.param(in_spec(type="object", additionalProperties={"type": "string"},
            properties={"a": {"type": "string"}}),
            f"{SPEC}.properties[x].additionalProperties: Forbidden: additionalProperties and "
            "properties are mutual exclusive", id="a map is free or named"),
        pytest.param(in_spec(type="object", anyOf=[{"properties": {"a": {"minimum": 1}}}]),
            f"{SPEC}.properties[x].properties[a]: Required value: because it is defined in "
            f"{SPEC}.properties[x].anyOf[0].properties[a]", id="alternatives name nothing new"),
        pytest.param(in_spec(type="string", oneOf=[{"type": "string"}]),
            f"{SPEC}.properties[x].oneOf[0].type: Forbidden: must be empty to be structural",
            id="alternatives have no type"),
        pytest.param(in_spec(type="integer", default="one"),
            f'{SPEC}.properties[x].default: Invalid value: "string": default in body must be of '
            'type integer: "string"', id="a default fits"),
        pytest.param(in_spec(type="object", default={"a": 1}),
            f'{SPEC}.properties[x].default: Invalid value: {{"a":1}}: must not have unknown '
            "fields: default.a", id="a default is pruned"),
        pytest.param(in_spec(type="array", items={"type": "object", "properties": {"n": {
            "type": "string"}}}, **{"x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["n"]}),
            f"{SPEC}.properties[x].items.properties[n].default: Required value: this property is "
            "in x-kubernetes-list-map-keys, so it must have a default or be a required property",
            id="keys are there"),
        pytest.param(in_spec(type="array", items={"type": "object"},
            **{"x-kubernetes-list-type": "map"}),
            f"{SPEC}.properties[x].x-kubernetes-list-map-keys: Required value: must not be empty "
            "if x-kubernetes-list-type is map", id="a keyed list has keys"),
        pytest.param(version(additionalPrinterColumns=[{"name": "A", "type": "string",
            "jsonPath": "spec"}]),
            f'{VERSION}.additionalPrinterColumns[0].jsonPath: Invalid value: "spec": is an invalid '
            "JSON path: 'spec' does not start with a dot", id="columns have paths"),
        pytest.param(version(subresources={"scale": {"specReplicasPath": ".status.n",
            "statusReplicasPath": ".status.n"}}),
            f'{VERSION}.subresources.scale.specReplicasPath: Invalid value: ".status.n": should be '
            "a json path under .spec", id="replicas stand in the spec"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_as_kubernetes_says_it(change: Change, complaint: str) -> None:
    made = definition()
    change(made)
    found = [str(one) for one in definition_errors(made)]
    assert complaint in found, found


def test_a_bad_pattern_is_refused() -> None:
    made = definition()
    in_spec(type="string", pattern="(")(made)
    (found,) = definition_errors(made)
    assert (found.path, "must be a valid regular expression" in found.body) == (
        f"{SPEC}.properties[x].pattern", True,
    )  # fmt: skip


def test_an_established_definition_keeps_scope_and_kind() -> None:
    old = definition()
    old["status"] = {
        "conditions": [{"type": "Established", "status": "True"}],
        "storedVersions": ["v1", "v0"],
    }
    new = definition() | {"status": old["status"]}
    spec(scope="Cluster")(new)
    names(kind="Other")(new)
    found = {one.path: one.body for one in definition_update_errors(new, old)}
    assert found["spec.scope"] == 'Invalid value: "Cluster": field is immutable'
    assert found["spec.names.kind"] == 'Invalid value: "Other": field is immutable'
    assert "must remain in spec.versions" in found["status.storedVersions[1]"]


def test_before_it_is_established_all_but_its_name_may_change() -> None:
    new = definition()
    spec(scope="Cluster")(new)
    assert definition_update_errors(new, definition()) == []
