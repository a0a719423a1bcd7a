"""Owners: the wire form, ordinary writes, and the limit."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podpass.api.managed_fields.owners import (
    APPLY,
    MAX_UPDATERS,
    Owned,
    Owner,
    Owners,
    after_update,
    ownable,
    read_owners,
    write_owners,
)
from podpass.api.managed_fields.paths import from_fields, shown, to_fields
from podpass.api.managed_fields.shapes import resource_shape, structural_shape
from podpass.api.resources import CONFIG_MAPS, PODS, Object

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANN, BOB = Owner("ann", api_version="v1"), Owner("bob", api_version="v1")
STEPS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"'])
FIELDS: Object = {
    "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
    "f:spec": {"f:containers": {'k:{"name":"a"}': {".": {}, "f:image": {}}}},
}


def test_fields_are_written_as_they_were_read() -> None:
    assert to_fields(from_fields(FIELDS)) == FIELDS
    assert {shown(path) for path in from_fields(FIELDS)} == {
        ".metadata.labels",
        ".metadata.labels.app",
        '.spec.containers[name="a"]',
        '.spec.containers[name="a"].image',
    }


@given(st.frozensets(st.lists(STEPS, min_size=1, max_size=4).map(tuple), max_size=8))
@settings(max_examples=60)
def test_any_set_of_paths_is_read_as_it_was_written(paths: frozenset[tuple[str, ...]]) -> None:
    assert from_fields(to_fields(paths)) == paths


def entry(**fields: Any) -> Object:
    return {
        "manager": "ann",
        "operation": "Update",
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": {"f:a": {}}},
    } | fields


@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([entry(operation="Delete")], id="an unknown operation"),
        pytest.param([entry(fieldsType="FieldsV2")], id="an unknown form"),
        pytest.param([entry(fieldsV1={"data": {}})], id="a step without its kind"),
        pytest.param([entry(fieldsV1={"f:data": []})], id="a list for fields"),
        pytest.param([{}], id="an empty entry"),
        pytest.param(["x"], id="a text"),
    ],
)
def test_a_list_that_is_malformed_is_not_read(entries: list[Any]) -> None:
    assert read_owners(entries) is None


def test_the_wire_form_is_read_as_it_was_written() -> None:
    entries = [
        entry(operation="Apply", time="2026-01-01T00:00:00Z"),
        entry(subresource="status"),
    ]
    owners = read_owners(entries)
    assert owners is not None
    assert write_owners(owners) == entries


def leaves_of(**data: str) -> Any:
    return ownable(
        {"metadata": {"name": "x", "uid": "u"}, "data": data}, resource_shape(CONFIG_MAPS)
    )


def names(owners: Owners) -> dict[str, set[str]]:
    return {
        owner.manager: {shown(path) for path in owned.fields} for owner, owned in owners.items()
    }


def test_who_changes_a_field_owns_it_alone() -> None:
    made = after_update({}, {}, leaves_of(a="1", b="1"), ANN, now=NOW)
    assert names(made) == {"ann": {".data.a", ".data.b"}}
    changed = after_update(made, leaves_of(a="1", b="1"), leaves_of(a="2", b="1"), BOB, now=NOW)
    assert names(changed) == {"ann": {".data.b"}, "bob": {".data.a"}}
    gone = after_update(changed, leaves_of(a="2", b="1"), leaves_of(a="2"), BOB, now=NOW)
    assert names(gone) == {"bob": {".data.a"}}


def test_a_writer_who_is_not_recorded_only_takes() -> None:
    made = after_update({}, {}, leaves_of(a="1", b="1"), ANN, now=NOW)
    taken = after_update(made, leaves_of(a="1", b="1"), leaves_of(a="2", b="1"), None, now=NOW)
    assert names(taken) == {"ann": {".data.b"}}


def test_a_write_that_changes_nothing_leaves_the_owners() -> None:
    made = {ANN: Owned(frozenset(leaves_of(a="1")), "2020-01-01T00:00:00Z")}
    assert after_update(made, leaves_of(a="1"), leaves_of(a="1"), BOB, now=NOW) == made


def test_ordinary_writers_beyond_the_limit_become_one() -> None:
    owners: Owners = {
        Owner(f"m{at:02}", api_version="v1"): Owned(
            frozenset({("f:data", f"f:{at:02}")}), f"2026-01-01T00:00:{at:02}Z"
        )
        for at in range(MAX_UPDATERS + 3)
    } | {Owner("a", APPLY, "v1"): Owned(frozenset({("f:data", "f:x")}))}
    entries = write_owners(owners)
    assert [one["manager"] for one in entries[:3]] == ["a", "ancient-changes", "m04"]
    assert len(entries) == MAX_UPDATERS + 1
    assert set(entries[1]["fieldsV1"]["f:data"]) == {"f:00", "f:01", "f:02", "f:03"}


def test_selectors_and_references_have_one_owner() -> None:
    spec = {
        "nodeSelector": {"a": "b"},
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"x": []}}},
        "securityContext": {"runAsUser": 1},
    }
    found = {shown(path) for path in ownable({"spec": spec}, resource_shape(PODS))}
    assert found == {
        ".spec.nodeSelector",
        ".spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution",
        ".spec.securityContext.runAsUser",
    }


def test_custom_kinds_are_owned_as_their_schema_says() -> None:
    shape = structural_shape(
        {
            "type": "object",
            "properties": {
                "rules": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {"type": "object", "properties": {"name": {"type": "string"}}},
                },
                "tags": {"type": "array", "x-kubernetes-list-type": "set"},
                "steps": {"type": "array", "items": {"type": "string"}},
                "target": {"type": "object", "x-kubernetes-map-type": "atomic"},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "free": {"x-kubernetes-preserve-unknown-fields": True},
            },
        }
    )
    obj = {
        "rules": [{"name": "r"}],
        "tags": ["t"],
        "steps": ["s"],
        "target": {"a": 1},
        "labels": {"a": "b"},
        "free": {"x": {"y": [1]}},
    }
    assert {shown(path) for path in ownable(obj, shape)} == {
        '.rules[name="r"]', '.rules[name="r"].name', '.tags[="t"]', ".steps", ".target",
        ".labels.a", ".free.x.y",
    }  # fmt: skip
