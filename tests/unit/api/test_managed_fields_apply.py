"""Server-side apply as a function: objects and owners before and after."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from podpass.api.errors import StatusError
from podpass.api.managed_fields.apply import Application, apply
from podpass.api.managed_fields.leaves import has_repeated_items, merged
from podpass.api.managed_fields.owners import APPLY, UPDATE, Owned, Owner, Owners
from podpass.api.managed_fields.paths import FieldSet, from_fields, shown
from podpass.api.managed_fields.shapes import message_shape, resource_shape
from podpass.api.resources import CONFIG_MAPS, PODS, SERVICE_ACCOUNTS, Object, Resource
from podpass.api.schema import CORE

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANN = Owner("ann", APPLY, "v1")
BOB = Owner("bob", APPLY, "v1")
EDITOR = Owner("kubectl-edit", UPDATE, "v1")


def run(
    config: Object,
    live: Object,
    owners: Owners,
    *,
    owner: Owner = ANN,
    force: bool = False,
    resource: Resource = CONFIG_MAPS,
) -> tuple[Object, Owners]:
    request = Application(config, owner, resource_shape(resource), force, (), NOW)
    return apply(request, live, owners)


def owned(fields: Any) -> Owned:
    return Owned(from_fields(fields), "2025-01-01T00:00:00Z")


def fields_of(owners: Owners, owner: Owner) -> FieldSet:
    return owners[owner].fields


DATA_A: Object = {"f:data": {"f:a": {}}}
DATA_B: Object = {"f:data": {"f:b": {}}}


def test_what_is_applied_first_is_owned() -> None:
    obj, owners = run({"data": {"a": "1"}}, {}, {})
    assert obj == {"data": {"a": "1"}}
    assert owners == {ANN: Owned(from_fields(DATA_A), "2026-01-01T00:00:00Z")}


def test_the_same_again_leaves_the_time() -> None:
    before = {ANN: owned(DATA_A)}
    assert run({"data": {"a": "1"}}, {"data": {"a": "1"}}, before) == (
        {"data": {"a": "1"}},
        before,
    )


def test_another_value_of_another_owner_is_a_conflict() -> None:
    with pytest.raises(StatusError) as caught:
        run({"data": {"a": "2"}}, {"data": {"a": "1"}}, {EDITOR: owned(DATA_A)})
    error = caught.value
    assert (error.code, error.reason) == (409, "Conflict")
    assert error.message == (
        'Apply failed with 1 conflict: conflict with "kubectl-edit" using v1: .data.a'
    )
    assert error.details == {
        "causes": [
            {
                "reason": "FieldManagerConflict",
                "message": 'conflict with "kubectl-edit" using v1',
                "field": ".data.a",
            }
        ]
    }


def test_many_conflicts_are_told_by_owner() -> None:
    status = Owner("s", UPDATE, "v1", "status")
    live = {"data": {"a": "1", "b": "1", "c": "1"}}
    owners: Owners = {
        BOB: owned(DATA_A | {"f:data": {"f:a": {}, "f:c": {}}}),
        status: owned(DATA_B),
    }
    with pytest.raises(StatusError) as caught:
        run({"data": {"a": "2", "b": "2", "c": "2"}}, live, owners)
    assert caught.value.message == (
        'Apply failed with 3 conflicts: conflicts with "bob":\n- .data.a\n- .data.c\n'
        'conflicts with "s" with subresource "status" using v1:\n- .data.b'
    )


def test_force_takes_the_field_over() -> None:
    obj, owners = run(
        {"data": {"a": "2"}}, {"data": {"a": "1"}}, {EDITOR: owned(DATA_A)}, force=True
    )
    assert obj == {"data": {"a": "2"}}
    assert owners.keys() == {ANN}


def test_the_same_value_is_owned_together() -> None:
    obj, owners = run({"data": {"a": "1"}}, {"data": {"a": "1"}}, {BOB: owned(DATA_A)})
    assert obj == {"data": {"a": "1"}}
    assert fields_of(owners, ANN) == fields_of(owners, BOB) == from_fields(DATA_A)


@pytest.mark.parametrize(
    ("others", "left"),
    [
        pytest.param({}, {"data": {"b": "1"}}, id="nobody else owns it"),
        pytest.param({BOB: owned(DATA_A)}, {"data": {"a": "1", "b": "1"}}, id="bob owns it too"),
    ],
)
def test_what_is_no_longer_applied_goes_unless_others_own_it(others: Owners, left: Object) -> None:
    mine = {ANN: owned({"f:data": {"f:a": {}, "f:b": {}}})}
    obj, owners = run({"data": {"b": "1"}}, {"data": {"a": "1", "b": "1"}}, mine | others)
    assert obj == left
    assert fields_of(owners, ANN) == from_fields(DATA_B)


def test_the_last_key_takes_its_map_along() -> None:
    obj, owners = run({"kind": "ConfigMap"}, {"data": {"a": "1"}}, {ANN: owned(DATA_A)})
    assert obj == {"kind": "ConfigMap"}
    assert owners == {}


def test_what_never_had_owners_was_there_before() -> None:
    live = {"data": {"a": "1", "b": "1"}}
    with pytest.raises(StatusError, match=r'"before-first-apply" using v1: \.data\.a'):
        run({"data": {"a": "2"}}, live, {})
    obj, owners = run({"data": {"a": "1"}}, live, {})
    assert obj == live
    assert {owner.manager for owner in owners} == {"ann", "before-first-apply"}


CONTAINERS: Object = {
    "spec": {
        "containers": [
            {"name": "a", "image": "x", "imagePullPolicy": "Always"},
            {"name": "b", "image": "y", "imagePullPolicy": "Always"},
        ]
    }
}


def pod(*containers: Object) -> Object:
    return {"spec": {"containers": list(containers)}}


def test_items_with_keys_are_merged_and_removed_by_key() -> None:
    first = pod({"name": "a", "image": "x"}, {"name": "b", "image": "y"})
    _, owners = run(first, {}, {}, resource=PODS)
    second = pod({"name": "b", "image": "z"}, {"name": "c", "image": "w"})
    obj, owners = run(second, CONTAINERS, owners, resource=PODS)
    assert obj == pod(
        {"name": "b", "image": "z", "imagePullPolicy": "Always"}, {"name": "c", "image": "w"}
    )
    assert {shown(path) for path in fields_of(owners, ANN)} == {
        '.spec.containers[name="b"]',
        '.spec.containers[name="b"].image',
        '.spec.containers[name="b"].name',
        '.spec.containers[name="c"]',
        '.spec.containers[name="c"].image',
        '.spec.containers[name="c"].name',
    }


def test_a_struct_goes_with_all_its_defaults() -> None:
    probe = {"httpGet": {"port": 80}, "periodSeconds": 3}
    _, owners = run(pod({"name": "a", "livenessProbe": probe}), {}, {}, resource=PODS)
    live = pod({"name": "a", "livenessProbe": probe | {"timeoutSeconds": 1}})
    obj, _ = run(pod({"name": "a"}), live, owners, resource=PODS)
    assert obj == pod({"name": "a"})


def test_an_item_of_somebody_else_stays() -> None:
    _, owners = run(pod({"name": "a", "image": "x"}), {}, {}, resource=PODS)
    live = pod({"name": "a", "image": "x"}, {"name": "side", "image": "s"})
    owners[EDITOR] = Owned(from_fields({"f:spec": {"f:containers": {'k:{"name":"side"}': {}}}}))
    obj, _ = run(pod({"name": "a", "image": "y"}), live, owners, resource=PODS)
    assert obj == pod({"name": "a", "image": "y"}, {"name": "side", "image": "s"})


def test_sets_are_united_and_atomic_lists_replaced() -> None:
    live = {"metadata": {"finalizers": ["a/x"]}, "imagePullSecrets": [{"name": "s"}]}
    config = {"metadata": {"finalizers": ["a/y"]}, "imagePullSecrets": [{"name": "t"}]}
    obj, owners = run(config, live, {}, resource=SERVICE_ACCOUNTS, force=True)
    assert obj["metadata"]["finalizers"] == ["a/x", "a/y"]
    assert '.metadata.finalizers[="a/y"]' in {shown(path) for path in fields_of(owners, ANN)}
    tolerations = {"spec": {"tolerations": [{"key": "a"}]}}
    obj, owners = run(
        tolerations,
        {"spec": {"tolerations": [{"key": "b"}]}},
        {ANN: owned({"f:spec": {"f:tolerations": {}}})},
        resource=PODS,
    )
    assert obj == tolerations


PORTS = message_shape(CORE + "Container")


@pytest.mark.parametrize(
    ("live", "applied", "names"),
    [
        pytest.param("ab", "ab", "ab", id="the same"),
        pytest.param("ab", "ba", "ba", id="the applied order counts"),
        pytest.param("axb", "ab", "axb", id="others keep their place"),
        pytest.param("axb", "ba", "xba", id="others go ahead where the order turns"),
        pytest.param("ab", "acb", "acb", id="a new one in between"),
        pytest.param("", "ab", "ab", id="nothing there"),
        pytest.param("xyz", "ab", "xyzab", id="nothing in common"),
        pytest.param("abc", "cab", "cab", id="the last comes first"),
    ],
)
def test_lists_are_merged_in_order(live: str, applied: str, names: str) -> None:
    def env(letters: str) -> Object:
        return {"env": [{"name": one} for one in letters]}

    found = merged(env(live), env(applied), PORTS)
    assert "".join(one["name"] for one in found["env"]) == names


def test_a_default_key_is_the_same_key() -> None:
    live = {"ports": [{"containerPort": 80, "protocol": "TCP"}]}
    config = {"ports": [{"containerPort": 80, "name": "http"}]}
    assert merged(live, config, PORTS) == {
        "ports": [{"containerPort": 80, "protocol": "TCP", "name": "http"}]
    }


def test_items_with_equal_keys_are_found() -> None:
    twice = pod({"name": "a", "env": [{"name": "E"}, {"name": "E"}]})
    repeated = has_repeated_items(twice, resource_shape(PODS))
    assert repeated is not None
    assert shown(repeated) == '.spec.containers[name="a"].env[name="E"]'
    assert has_repeated_items(CONTAINERS, resource_shape(PODS)) is None
