from __future__ import annotations

from typing import Any

import pytest

from podpass.api.custom_resources.defaulting import fill_in, has_defaults
from podpass.api.custom_resources.pruning import prune

STRING = {"type": "string"}
KEEP = {"x-kubernetes-preserve-unknown-fields": True}


@pytest.mark.parametrize(
    ("schema", "value", "kept", "unknown"),
    [
        pytest.param({"properties": {"a": STRING}}, {"a": "x", "b": 1}, {"a": "x"}, ["spec.b"],
                     id="what is not named goes"),
        pytest.param({**KEEP, "properties": {"a": {"properties": {}}}}, {"a": {"b": 1}, "c": 2},
                     {"a": {}, "c": 2}, ["spec.a.b"],
                     id="preserving holds at its own level only"),
        pytest.param({"additionalProperties": {"properties": {"a": STRING}}},
                     {"any": {"a": "x", "b": 1}}, {"any": {"a": "x"}}, ["spec.any.b"],
                     id="every key of a free map is known"),
        pytest.param({"additionalProperties": True}, {"any": {"b": 1}}, {"any": {"b": 1}}, [],
                     id="a map of anything"),
        pytest.param({"properties": {"a": {"items": {"properties": {"b": STRING}}}}},
                     {"a": [{"b": "x"}, {"c": 1}]}, {"a": [{"b": "x"}, {}]}, ["spec.a[1].c"],
                     id="items are looked at"),
        pytest.param({"x-kubernetes-embedded-resource": True, "properties": {"spec": KEEP}},
                     {"apiVersion": "v1", "kind": "Pod", "metadata": {"x": 1}, "spec": {"y": 2},
                      "z": 3},
                     {"apiVersion": "v1", "kind": "Pod", "metadata": {"x": 1}, "spec": {"y": 2}},
                     ["spec.z"], id="an embedded object has its own head"),
    ],
)  # fmt: skip
def test_unknown_fields_are_dropped_and_named(
    schema: dict[str, Any], value: Any, kept: Any, unknown: list[str]
) -> None:
    found: list[str] = []
    assert prune({"spec": value}, {"properties": {"spec": schema}}, found) == {"spec": kept}
    assert found == unknown


def test_the_root_keeps_its_head() -> None:
    body = {"apiVersion": "a/v1", "kind": "A", "metadata": {"name": "n"}, "status": 1}
    unknown: list[str] = []
    assert prune(body, {}, unknown) == {
        key: body[key] for key in ("apiVersion", "kind", "metadata")
    }
    assert unknown == ["status"]


@pytest.mark.parametrize(
    ("schema", "value", "filled"),
    [
        pytest.param({"a": {"default": 1}}, {}, {"a": 1}, id="an absent field"),
        pytest.param({"a": {"default": 1}}, {"a": 0}, {"a": 0}, id="a zero stays"),
        pytest.param({"a": {"default": 1}}, {"a": None}, {"a": 1}, id="a null that may not be"),
        pytest.param({"a": {"default": 1, "nullable": True}}, {"a": None}, {"a": None},
                     id="a null that may be"),
        pytest.param({"a": {"default": {}, "properties": {"b": {"default": 2}}}}, {},
                     {"a": {"b": 2}}, id="below a default"),
        pytest.param({"a": {"properties": {"b": {"default": 2}}}}, {}, {},
                     id="not below what is absent"),
        pytest.param({"a": {"items": {"properties": {"b": {"default": 2}}}}}, {"a": [{}, {"b": 3}]},
                     {"a": [{"b": 2}, {"b": 3}]}, id="in each item"),
        pytest.param({"a": {"additionalProperties": {"properties": {"b": {"default": 2}}}}},
                     {"a": {"x": {}}}, {"a": {"x": {"b": 2}}}, id="in each value of a map"),
    ],
)  # fmt: skip
def test_defaults_are_filled_in(schema: dict[str, Any], value: Any, filled: Any) -> None:
    fill_in(value, {"properties": schema})
    assert value == filled
    assert has_defaults({"properties": schema})


def test_a_default_is_not_shared_between_objects() -> None:
    schema: dict[str, Any] = {"properties": {"a": {"default": []}}}
    one: dict[str, Any] = {}
    fill_in(one, schema)
    one["a"].append(1)
    other: dict[str, Any] = {}
    fill_in(other, schema)
    assert other == {"a": []}
