"""Whatever a client writes into a definition or an instance is answered, not stumbled over."""

from __future__ import annotations

import copy
from typing import Any

from custom_resources.definitions import GROUP, cron_tab, cron_tab_definition, schema
from hypothesis import given, settings
from hypothesis import strategies as st

from podpass.api import codec, validation
from podpass.api.custom_resources.definition import served_resources
from podpass.api.custom_resources.naming import settled_status
from podpass.api.defaults import apply_defaults
from podpass.api.errors import StatusError
from podpass.api.meta import parse_time
from podpass.api.resources import CUSTOM_RESOURCE_DEFINITIONS, Object, Resource

NOW = parse_time("2026-01-02T03:04:05Z")
INTEGERS = st.integers(-(1 << 63), (1 << 64) - 1)  # wider ones are read as floats
SCALARS = st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False) | st.text()
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
KEYWORDS = st.sampled_from(
    ["type", "properties", "items", "additionalProperties", "anyOf", "not", "default", "enum",
     "required", "nullable", "minimum", "multipleOf", "pattern", "format", "maxItems",
     "x-kubernetes-int-or-string", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
     "x-kubernetes-embedded-resource", "x-kubernetes-preserve-unknown-fields"]
)  # fmt: skip
WORDS = st.sampled_from(["object", "array", "string", "integer", "map", "set", "name", "(", "date"])
SCHEMAS = st.recursive(
    SCALARS | WORDS,
    lambda inner: (
        st.dictionaries(KEYWORDS | WORDS, inner, max_size=4) | st.lists(inner, max_size=2)
    ),
    max_leaves=15,
)


def read_definition(value: Any) -> Object:
    decoded = codec.decode_value(
        value,
        field_validation="Warn",
        default_gvk=("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ).object
    decoded.setdefault("metadata", {})
    apply_defaults(CUSTOM_RESOURCE_DEFINITIONS, decoded)
    return decoded


def resource_with(spec: Any) -> Resource | None:
    """Return the kind with a schema of the spec, or None if it is refused."""
    made = cron_tab_definition()
    for version in made["spec"]["versions"]:
        version["schema"]["openAPIV3Schema"]["properties"]["spec"] = copy.deepcopy(spec)
    try:
        definition = read_definition(made)
    except StatusError:
        return None
    if validation.validate_create(CUSTOM_RESOURCE_DEFINITIONS, definition):
        return None
    definition["status"] = settled_status(definition, (), now=NOW)
    return served_resources(definition)[0]


@given(st.dictionaries(st.sampled_from(["spec", "metadata", "status", "kind", "x"]), JSON))
def test_any_definition_is_read_and_judged(value: Any) -> None:
    try:
        definition = read_definition(value)
    except StatusError:
        pass
    else:
        assert validation.validate_create(CUSTOM_RESOURCE_DEFINITIONS, definition)


@settings(max_examples=100)
@given(SCHEMAS, JSON)
def test_any_schema_is_refused_or_judges_any_value(spec: Any, value: Any) -> None:
    resource = resource_with(spec)
    if resource is not None:
        judge(resource, cron_tab() | {"spec": value})


@given(st.dictionaries(st.sampled_from([*schema()["properties"]["spec"]["properties"]]), JSON))
def test_any_instance_is_read_and_judged(spec: Any) -> None:
    resource = resource_with(schema()["properties"]["spec"])
    assert resource is not None
    judge(resource, cron_tab(**spec))
    judge(resource, {"apiVersion": f"{GROUP}/v1", "kind": "CronTab", "metadata": spec})


def judge(resource: Resource, value: Any) -> None:
    try:
        obj = codec.decode_value(
            value,
            field_validation="Warn",
            default_gvk=(resource.api_version, resource.kind),
            custom=resource,
        ).object
    except StatusError:
        return
    apply_defaults(resource, obj)
    validation.validate_create(resource, obj)
    validation.validate_update(resource, obj, obj)
