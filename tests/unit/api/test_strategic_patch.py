"""Strategic merge patches: lists by key, directives, order, refusals."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podpass.api.errors import StatusError
from podpass.api.schema import CORE
from podpass.api.strategic_patch import apply_strategic_patch

POD = CORE + "Pod"


def pod(**spec: Any) -> dict[str, Any]:
    return {"spec": spec}


def containers(*names: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"name": name, **fields} for name in names]


def meta(**fields: Any) -> dict[str, Any]:
    return {"metadata": fields}


@pytest.mark.parametrize(
    ("obj", "patch", "result"),
    [
        pytest.param(pod(), {}, pod(), id="nothing"),
        pytest.param(meta(name="x"), meta(name=None), meta(), id="null removes"),
        pytest.param(
            meta(labels={"a": "1", "b": "2"}),
            meta(labels={"b": None, "c": "3"}),
            meta(labels={"a": "1", "c": "3"}),
            id="maps merge",
        ),
        pytest.param(
            pod(containers=containers("a", "b")),
            pod(containers=[{"name": "b", "image": "x"}]),
            pod(containers=[{"name": "a"}, {"name": "b", "image": "x"}]),
            id="the item with the same key",
        ),
        pytest.param(
            pod(containers=containers("a")),
            pod(containers=containers("b")),
            pod(containers=containers("a", "b")),
            id="a new item",
        ),
        pytest.param(
            pod(containers=containers("a")),
            pod(containers=[]),
            pod(containers=containers("a")),
            id="an empty list changes nothing",
        ),
        pytest.param(
            pod(containers=containers("a", "b")),
            pod(containers=[{"name": "a", "$patch": "delete"}]),
            pod(containers=containers("b")),
            id="delete an item",
        ),
        pytest.param(
            pod(containers=containers("a", "b")),
            pod(containers=[{"$patch": "replace"}, {"name": "c"}]),
            pod(containers=containers("c")),
            id="replace the list",
        ),
        pytest.param(
            pod(containers=[{"name": "a", "args": ["x", "y"]}]),
            pod(containers=[{"name": "a", "args": ["z"]}]),
            pod(containers=[{"name": "a", "args": ["z"]}]),
            id="other lists are replaced",
        ),
        pytest.param(
            pod(containers=containers("a", image="x")),
            pod(containers=[{"name": "a", "image": "y", "$patch": "replace"}]),
            pod(containers=containers("a", image="y")),
            id="replace with an item",
        ),
        pytest.param(
            pod(securityContext={"runAsUser": 1}),
            pod(securityContext={"$patch": "replace", "fsGroup": 2}),
            pod(securityContext={"fsGroup": 2}),
            id="replace a map",
        ),
        pytest.param(
            pod(securityContext={"runAsUser": 1}),
            pod(securityContext={"$patch": "delete"}),
            pod(securityContext={}),
            id="delete a map",
        ),
        pytest.param(
            pod(securityContext={"runAsUser": 1}),
            pod(securityContext={"$patch": "merge", "fsGroup": 2}),
            pod(securityContext={"runAsUser": 1, "fsGroup": 2}),
            id="merge is what happens anyway",
        ),
        pytest.param(
            pod(),
            pod(securityContext={"$patch": "replace", "fsGroup": 2, "runAsUser": None}),
            pod(securityContext={"fsGroup": 2}),
            id="a new map has no directives and no nulls",
        ),
        pytest.param(
            {},
            pod(containers=[{"name": "a", "$patch": "delete"}, {"name": "b", "env": []}]),
            pod(containers=[{"name": "b", "env": []}]),
            id="a new list has none either",
        ),
        pytest.param(
            pod(volumes=[{"name": "a", "emptyDir": {}}]),
            pod(volumes=[{"name": "a", "$retainKeys": ["name", "secret"], "secret": {"x": 1}}]),
            pod(volumes=[{"name": "a", "secret": {"x": 1}}]),
            id="one of a union takes over",
        ),
        pytest.param(
            meta(finalizers=["a", "b"]),
            meta(finalizers=["b", "c", "c"]),
            meta(finalizers=["a", "b", "c"]),
            id="scalars are united",
        ),
        pytest.param(
            meta(finalizers=["a", "b"]),
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a", "z"]}},
            meta(finalizers=["b"]),
            id="scalars are removed",
        ),
        pytest.param(
            meta(),
            {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}},
            meta(finalizers=[]),
            id="removed from nothing",
        ),
        pytest.param(
            pod(containers=containers("a", "b")),
            {
                "spec": {
                    "containers": [{"name": "c"}],
                    "$setElementOrder/containers": containers("c", "b", "a"),
                }
            },
            pod(containers=containers("c", "b", "a")),
            id="order of the patch",
        ),
        pytest.param(
            pod(containers=containers("a", "server", "b")),
            {"spec": {"$setElementOrder/containers": containers("b", "a")}},
            pod(containers=containers("server", "b", "a")),
            id="an item that the patch does not name comes before what was behind it",
        ),
        pytest.param(
            pod(containers=containers("a", "b", "server")),
            {"spec": {"$setElementOrder/containers": containers("a", "b")}},
            pod(containers=containers("a", "b", "server")),
            id="and keeps its place at the end",
        ),
        pytest.param(
            meta(finalizers=["a", "b"]),
            {"metadata": {"$setElementOrder/finalizers": ["b", "a"]}},
            meta(finalizers=["b", "a"]),
            id="order of scalars",
        ),
        pytest.param(
            pod(),
            {"spec": {"$setElementOrder/containers": containers("a")}},
            pod(),
            id="order of no list",
        ),
        pytest.param(
            {"x": {"list": [1], "map": {"a": 1}}},
            {"x": {"list": [{"$patch": "merge", "b": 1}, 2], "map": {"b": 2}}},
            {"x": {"list": [{"b": 1}, 2], "map": {"a": 1, "b": 2}}},
            id="fields without a schema merge like maps",
        ),
        pytest.param(
            pod(containers="x"),
            pod(containers=containers("a")),
            pod(containers=containers("a")),
            id="an original of another type is replaced",
        ),
        pytest.param(
            pod(containers=["x", {"name": "a"}]),
            pod(containers=[{"name": "a", "image": "y"}]),
            pod(containers=["x", {"name": "a", "image": "y"}]),
            id="odd items of the original stay",
        ),
        pytest.param(pod(hostname="a"), pod(hostname="b"), pod(hostname="b"), id="scalars"),
    ],
)
def test_strategic_patch(obj: Any, patch: Any, result: Any) -> None:
    before = copy.deepcopy((obj, patch))
    assert apply_strategic_patch(obj, patch, POD) == result
    assert (obj, patch) == before


def test_a_map_that_the_schema_replaces() -> None:
    budget = "k8s.io.api.policy.v1.PodDisruptionBudget"
    old = pod(selector={"matchLabels": {"a": "1"}})
    patch = pod(selector={"matchLabels": {"b": "2"}})
    assert apply_strategic_patch(old, patch, budget) == patch


@pytest.mark.parametrize("message", [None, "nowhere.Nothing"])
def test_without_a_schema_it_is_a_merge_patch(message: str | None) -> None:
    old, patch = pod(containers=containers("a")), pod(containers=containers("b"))
    assert apply_strategic_patch(old, patch, message) == patch
    order = {"x": [2, 1], "$setElementOrder/x": [2, 1]}
    assert apply_strategic_patch({"x": [1]}, order, message) == {"x": [2, 1]}


@pytest.mark.parametrize(
    ("patch", "code", "message"),
    [
        pytest.param([], 400, "a strategic merge patch is an object", id="a list"),
        pytest.param({"$patch": "x"}, 400, "unknown patch type: 'x'", id="unknown directive"),
        pytest.param(
            pod(containers=[{"image": "x"}]),
            422,
            "an item of the patch of containers does not contain declared merge key: name",
            id="no merge key",
        ),
        pytest.param(pod(containers=["x"]), 422, "declared merge key: name", id="a scalar item"),
        pytest.param(
            {"spec": {"$setElementOrder/containers": {}}},
            400,
            "$setElementOrder/containers must be a list",
            id="order that is none",
        ),
        pytest.param(
            {"metadata": {"$setElementOrder/finalizers": [["a"]]}},
            400,
            "must name items by one value each",
            id="order of lists",
        ),
        pytest.param(
            {"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}},
            400,
            "$deleteFromPrimitiveList/finalizers must be a list",
            id="removal that is no list",
        ),
        pytest.param(
            {"spec": {"$retainKeys": ["a"], "b": 1}},
            400,
            "$retainKeys must list all keys of its patch",
            id="keys that would not be retained",
        ),
        pytest.param(
            {"spec": {"$retainKeys": 3}}, 400, "$retainKeys must list", id="retained keys no list"
        ),
    ],
)
def test_what_is_refused(patch: Any, code: int, message: str) -> None:
    obj = {"metadata": {"finalizers": ["a"]}, "spec": {"containers": containers("a")}}
    with pytest.raises(StatusError) as caught:
        apply_strategic_patch(obj, patch, POD)
    assert caught.value.code == code
    assert message in caught.value.message


NAMES = st.lists(st.sampled_from("abcdef"), unique=True, max_size=5)


@given(NAMES, NAMES)
def test_a_patch_applied_twice_is_as_good_as_once(old: list[str], new: list[str]) -> None:
    patch = pod(containers=containers(*new, image="x"))
    once = apply_strategic_patch(pod(containers=containers(*old)), patch, POD)
    assert apply_strategic_patch(once, patch, POD) == once


@given(NAMES, NAMES, st.randoms(use_true_random=False))
def test_an_order_never_loses_or_invents_an_item(
    old: list[str], new: list[str], random: Any
) -> None:
    order = list(dict.fromkeys([*new, *old[: len(old) // 2]]))
    random.shuffle(order)
    patch = {
        "spec": {
            "containers": containers(*new),
            "$setElementOrder/containers": containers(*order),
        }
    }
    result = apply_strategic_patch(pod(containers=containers(*old)), patch, POD)
    names = [one["name"] for one in result["spec"]["containers"]]
    assert sorted(names) == sorted(set(old) | set(new))
    assert [name for name in names if name in order] == [name for name in order if name in names]
