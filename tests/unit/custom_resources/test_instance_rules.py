from __future__ import annotations

from typing import Any

import pytest

from podpass.api.custom_resources.instance_rules import violations

BODY = "spec.x in body"


def wrap(schema: dict[str, Any]) -> dict[str, Any]:
    spec = {"type": "object", "properties": {"x": schema}}
    return {"type": "object", "properties": {"spec": spec}}


def said(schema: dict[str, Any], value: Any) -> list[str]:
    return [str(one) for one in violations({"spec": {"x": value}}, wrap(schema))]


@pytest.mark.parametrize(
    ("schema", "fine", "wrong", "complaint"),
    [
        pytest.param({"type": "string"}, "a", 1,
            f'spec.x: Invalid value: "integer": {BODY} must be of type string: "integer"',
            id="a number is no string"),
        pytest.param({"type": "string"}, "", None,
            f'spec.x: Invalid value: "null": {BODY} must be of type string: "null"',
            id="null is no string"),
        pytest.param({"type": "string", "nullable": True}, None, 1.5,
            f'spec.x: Invalid value: "number": {BODY} must be of type string: "number"',
            id="a nullable string may be null"),
        pytest.param({"type": "integer"}, 2.0, 2.5,
            f'spec.x: Invalid value: "number": {BODY} must be of type integer: "number"',
            id="a whole float is an integer"),
        pytest.param({"type": "number"}, 2, "2",
            f'spec.x: Invalid value: "string": {BODY} must be of type number: "string"',
            id="an integer is a number"),
        pytest.param({"type": "boolean"}, True, 1,
            f'spec.x: Invalid value: "integer": {BODY} must be of type boolean: "integer"',
            id="one is not true"),
        pytest.param({"type": "array", "items": {"type": "string"}}, [], {},
            f'spec.x: Invalid value: "object": {BODY} must be of type array: "object"',
            id="a map is no list"),
        pytest.param({"type": "array", "items": {"type": "string"}}, ["a"], ["a", 1],
            'spec.x[1]: Invalid value: "integer": spec.x[1] in body must be of type string: '
            '"integer"',
            id="items are looked at"),
        pytest.param({"type": "integer", "maximum": 10}, 10, 11,
            f"spec.x: Invalid value: 11: {BODY} should be less than or equal to 10",
            id="the maximum is allowed"),
        pytest.param({"type": "integer", "maximum": 10, "exclusiveMaximum": True}, 9, 10,
            f"spec.x: Invalid value: 10: {BODY} should be less than 10",
            id="the exclusive maximum is not"),
        pytest.param({"type": "integer", "minimum": 1}, 1, 0,
            f"spec.x: Invalid value: 0: {BODY} should be greater than or equal to 1",
            id="the minimum is allowed"),
        pytest.param({"type": "integer", "minimum": 1, "exclusiveMinimum": True}, 2, 1,
            f"spec.x: Invalid value: 1: {BODY} should be greater than 1",
            id="the exclusive minimum is not"),
        pytest.param({"type": "integer", "multipleOf": 5}, 10, 11,
            f"spec.x: Invalid value: 11: {BODY} should be a multiple of 5", id="multiples"),
        pytest.param({"type": "string", "maxLength": 2}, "äö", "abc",
            "spec.x: Too long: may not be more than 2 bytes", id="the longest text"),
        pytest.param({"type": "string", "minLength": 2}, "ab", "a",
            f'spec.x: Invalid value: "a": {BODY} should be at least 2 chars long',
            id="the shortest text"),
        pytest.param({"type": "string", "pattern": "^a+$"}, "aa", "ab",
            f"spec.x: Invalid value: \"ab\": {BODY} should match '^a+$'", id="a pattern"),
        pytest.param({"type": "string", "pattern": "(a+)+$"}, "a", "a" * 5000 + "b",
            f'spec.x: Invalid value: "{"a" * 5000}b": {BODY} should match \'(a+)+$\'',
            id="a pattern that would take others forever"),
        pytest.param({"type": "string", "format": "date-time"}, "2026-01-02T03:04:05Z", "monday",
            f'spec.x: Invalid value: "monday": {BODY} must be of type date-time: "monday"',
            id="a format"),
        pytest.param({"type": "string", "enum": ["a", "b"]}, "b", "c",
            'spec.x: Unsupported value: "c": supported values: "a", "b"', id="an enumeration"),
        pytest.param({"type": "integer", "enum": [1, 2]}, 2, 3,
            'spec.x: Unsupported value: 3: supported values: "1", "2"', id="numbers enumerated"),
        pytest.param({"type": "array", "items": {"type": "integer"}, "maxItems": 1}, [1], [1, 2],
            "spec.x: Too many: 2: must have at most 1 item", id="the longest list"),
        pytest.param({"type": "array", "items": {"type": "integer"}, "minItems": 1}, [1], [],
            f"spec.x: Invalid value: 0: {BODY} should have at least 1 items",
            id="the shortest list"),
        pytest.param({"type": "object", "maxProperties": 1}, {"a": 1}, {"a": 1, "b": 2},
            "spec.x: Too many: 2: must have at most 1 item", id="the largest map"),
        pytest.param({"type": "object", "minProperties": 1}, {"a": 1}, {},
            f"spec.x: Invalid value: 0: {BODY} should have at least 1 properties",
            id="the smallest map"),
        pytest.param({"type": "object", "required": ["a"]}, {"a": None}, {},
            "spec.x.a: Required value", id="a required field"),
        pytest.param({"type": "object", "additionalProperties": {"type": "string"}}, {"a": "b"},
            {"a": 1},
            'spec.x.a: Invalid value: "integer": spec.x.a in body must be of type string: '
            '"integer"',
            id="values of a free map"),
        pytest.param({"not": {"enum": [1]}}, 2, 1,
            'spec.x: Invalid value: "": "spec.x" must not validate the schema (not)', id="not"),
        pytest.param({"oneOf": [{"minimum": 5}, {"multipleOf": 2}]}, 4, 6,
            'spec.x: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). '
            "Found 2 valid alternatives",
            id="one of, not both"),
        pytest.param({"type": "array", "items": {"type": "string"},
            "x-kubernetes-list-type": "set"}, ["a", "b"], ["a", "b", "a"],
            'spec.x[2]: Duplicate value: "a"', id="a set"),
        pytest.param({"type": "array", "items": {"type": "object"},
            "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"]},
            [{"n": 1, "v": 1}, {"n": 2, "v": 1}], [{"n": 1, "v": 1}, {"n": 1, "v": 2}],
            'spec.x[1]: Duplicate value: {"n":1}', id="a list with keys"),
    ],
)  # fmt: skip
def test_both_sides_of_each_rule(
    schema: dict[str, Any], fine: Any, wrong: Any, complaint: str
) -> None:
    assert said(schema, fine) == []
    assert said(schema, wrong) == [complaint]


def test_of_alternatives_that_fail_the_first_is_explained() -> None:
    port = {"x-kubernetes-int-or-string": True}
    assert (said(port, 1), said(port, "1")) == ([], [])
    assert said(port, True) == [
        'spec.x: Invalid value: "": "spec.x" must validate at least one schema (anyOf)',
        f'spec.x: Invalid value: "boolean": {BODY} must be of type integer: "boolean"',
    ]
    assert said({"oneOf": [{"minimum": 5}, {"maximum": 1}]}, 3) == [
        (
            'spec.x: Invalid value: "": "spec.x" must validate one and only one schema (oneOf). '
            "Found none valid"
        ),
        f"spec.x: Invalid value: 3: {BODY} should be greater than or equal to 5",
    ]
    assert said({"allOf": [{"minimum": 5}, {"maximum": 9}]}, 3)[0] == (
        'spec.x: Invalid value: "": "spec.x" must validate all the schemas (allOf)'
    )


def test_an_embedded_object_says_what_it_is() -> None:
    embedded = {"type": "object", "x-kubernetes-embedded-resource": True}
    assert said(embedded, {"apiVersion": "v1", "kind": "Pod"}) == []
    assert said(embedded, {"kind": "Pod"}) == [
        "spec.x.apiVersion: Required value: must not be empty"
    ]


def test_the_whole_object_is_named_nil() -> None:
    schema = {"type": "object", "oneOf": [{"required": ["spec"]}, {"required": ["other"]}]}
    assert str(violations({}, schema)[0]) == (
        '<nil>: Invalid value: "": "" must validate one and only one schema (oneOf). '
        "Found none valid"
    )
