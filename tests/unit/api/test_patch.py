"""JSON and merge patches: the examples of the RFCs, laws, and refusals."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podpass.api.errors import StatusError
from podpass.api.patch import MAX_OPERATIONS, apply_json_patch, apply_merge_patch


def op(op_: str, path: str, **fields: Any) -> dict[str, Any]:
    return {"op": op_, "path": path, **fields}


@pytest.mark.parametrize(
    ("obj", "operations", "result"),
    [
        pytest.param({"a": 1}, [], {"a": 1}, id="nothing to do"),
        pytest.param({"a": 1}, [op("add", "/b", value=2)], {"a": 1, "b": 2}, id="add a key"),
        pytest.param({"a": 1}, [op("add", "/a", value=2)], {"a": 2}, id="add replaces a key"),
        pytest.param({"a": [1, 3]}, [op("add", "/a/1", value=2)], {"a": [1, 2, 3]}, id="insert"),
        pytest.param({"a": [1]}, [op("add", "/a/1", value=2)], {"a": [1, 2]}, id="at the end"),
        pytest.param({"a": [1]}, [op("add", "/a/-", value=2)], {"a": [1, 2]}, id="dash appends"),
        pytest.param({"a": 1}, [op("add", "", value={"b": 2})], {"b": 2}, id="add the whole"),
        pytest.param({"a": 1}, [op("remove", "/a")], {}, id="remove a key"),
        pytest.param({"a": [1, 2]}, [op("remove", "/a/0")], {"a": [2]}, id="remove an item"),
        pytest.param({"a": 1}, [op("replace", "/a", value=2)], {"a": 2}, id="replace a key"),
        pytest.param({"a": [1]}, [op("replace", "/a/0", value=2)], {"a": [2]}, id="an item"),
        pytest.param({"a": 1}, [op("replace", "", value={})], {}, id="replace the whole"),
        pytest.param({"a": 1}, [op("move", "/b", **{"from": "/a"})], {"b": 1}, id="move"),
        pytest.param({"a": 1}, [op("move", "/a", **{"from": "/a"})], {"a": 1}, id="move nowhere"),
        pytest.param(
            {"a": [1]}, [op("copy", "/b", **{"from": "/a"})], {"a": [1], "b": [1]}, id="copy"
        ),
        pytest.param({"a~/b": 1}, [op("replace", "/a~0~1b", value=2)], {"a~/b": 2}, id="escapes"),
        pytest.param({"": 1}, [op("replace", "/", value=2)], {"": 2}, id="the empty key"),
        pytest.param(
            {"a": {"b": [1]}}, [op("test", "/a", value={"b": [1]})], {"a": {"b": [1]}}, id="test"
        ),
        pytest.param({}, [op("test", "/a", value=None)], {}, id="nothing there equals null"),
        pytest.param({"a": 1}, [op("test", "/a", value=1.0)], {"a": 1}, id="numbers by value"),
        pytest.param(
            {"a": {}},
            [op("add", "/a/b", value=[]), op("add", "/a/b/-", value=1)],
            {"a": {"b": [1]}},
            id="one after the other",
        ),
    ],
)
def test_json_patch(obj: Any, operations: Any, result: Any) -> None:
    before = copy.deepcopy(obj)
    assert apply_json_patch(obj, operations) == result
    assert obj == before


@pytest.mark.parametrize(
    ("operations", "detail"),
    [
        pytest.param([op("remove", "/x")], "there is no value at 'x'", id="remove what is not"),
        pytest.param([op("replace", "/x", value=1)], "there is no value at 'x'", id="replace"),
        pytest.param([op("replace", "/l/2", value=1)], "there is no value at '2'", id="beyond"),
        pytest.param([op("add", "/l/3", value=1)], "index 3 is beyond the end", id="insert beyond"),
        pytest.param([op("add", "/l/01", value=1)], "there is no value at '01'", id="leading zero"),
        pytest.param([op("add", "/l/x", value=1)], "there is no value at 'x'", id="no index"),
        pytest.param([op("replace", "/l/-", value=1)], "there is no value at '-'", id="dash"),
        pytest.param([op("add", "/x/y", value=1)], "there is no value at 'x'", id="no parent"),
        pytest.param([op("add", "/s/y", value=1)], "there is no value at 'y'", id="in a text"),
        pytest.param([op("remove", "")], "the whole document cannot be removed", id="remove all"),
        pytest.param([op("add", "/x")], "it has no value", id="no value"),
        pytest.param([op("add", "x", value=1)], "its path is no JSON pointer", id="no pointer"),
        pytest.param([{"op": "remove"}], "its path is no JSON pointer", id="no path"),
        pytest.param([op("copy", "/y")], "its from is no JSON pointer", id="no from"),
        pytest.param(
            [op("move", "/m/a/b", **{"from": "/m"})], "moved into itself", id="into itself"
        ),
        pytest.param([op("test", "/s", value="b")], "testing value /s failed", id="test"),
        pytest.param([op("test", "/t", value=1)], "testing value /t failed", id="true is not 1"),
        pytest.param([op("test", "/m", value={"a": {}, "b": 1})], "failed", id="more keys"),
        pytest.param([op("test", "/l", value=[1])], "failed", id="shorter list"),
        pytest.param([op("fly", "/s")], "unexpected kind: fly", id="unknown operation"),
    ],
)
def test_json_patch_that_does_not_fit_is_422(operations: Any, detail: str) -> None:
    obj = {"l": [1, 2], "s": "a", "t": True, "m": {"a": {}}}
    with pytest.raises(StatusError) as caught:
        apply_json_patch(obj, operations)
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert caught.value.message.startswith("the server rejected our request due to an error")
    assert detail in caught.value.message


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        pytest.param({}, 400, id="no list"),
        pytest.param([3], 400, id="no operation"),
        pytest.param([{"path": "/a"}], 400, id="no op"),
        pytest.param([op("replace", "", value=[])], 400, id="the result is a list"),
        pytest.param([op("test", "", value={})] * (MAX_OPERATIONS + 1), 413, id="too many"),
    ],
)
def test_json_patch_that_is_none(operations: Any, code: int) -> None:
    with pytest.raises(StatusError) as caught:
        apply_json_patch({}, operations)
    assert caught.value.code == code


def test_the_most_operations_there_may_be() -> None:
    assert apply_json_patch({}, [op("test", "", value={})] * MAX_OPERATIONS) == {}


@pytest.mark.parametrize(
    ("obj", "patch", "result"),
    [
        pytest.param({"a": "b"}, {"a": "c"}, {"a": "c"}, id="replace"),
        pytest.param({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}, id="add"),
        pytest.param({"a": "b"}, {"a": None}, {}, id="remove"),
        pytest.param({"a": ["b"]}, {"a": "c"}, {"a": "c"}, id="text for a list"),
        pytest.param({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}, id="list for a text"),
        pytest.param({"a": {"b": 1}}, {"a": {"b": None, "c": 2}}, {"a": {"c": 2}}, id="inside"),
        pytest.param({"a": [{"b": 1}]}, {"a": [1]}, {"a": [1]}, id="lists are replaced"),
        pytest.param({"a": "b"}, ["c"], ["c"], id="no map replaces everything"),
        pytest.param({}, {"a": {"b": {"c": None}}}, {"a": {"b": {}}}, id="nulls are never kept"),
        pytest.param({"a": [1]}, {"a": {"b": 1}}, {"a": {"b": 1}}, id="map for a list"),
    ],
)
def test_merge_patch(obj: Any, patch: Any, result: Any) -> None:
    before = copy.deepcopy(obj)
    assert apply_merge_patch(obj, patch) == result
    assert obj == before


def documents(*, nulls: bool) -> st.SearchStrategy[dict[str, Any]]:
    leaf: st.SearchStrategy[Any] = st.integers(0, 3) | st.text("ab", max_size=2) | st.booleans()
    if nulls:
        leaf = leaf | st.none()
    keys = st.sampled_from(["a", "b", "c/d", "e~"])
    return st.dictionaries(
        keys,
        st.recursive(
            leaf,
            lambda inner: st.lists(leaf, max_size=2) | st.dictionaries(keys, inner, max_size=3),
            max_leaves=8,
        ),
        max_size=3,
    )


@given(documents(nulls=False), documents(nulls=True))
def test_a_merge_patch_applied_twice_is_as_good_as_once(obj: Any, patch: Any) -> None:
    once = apply_merge_patch(obj, patch)
    assert apply_merge_patch(once, patch) == once


@given(documents(nulls=False))
def test_an_empty_patch_changes_nothing(obj: Any) -> None:
    assert apply_merge_patch(obj, {}) == obj
    assert apply_json_patch(obj, []) == obj


def merge_difference(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    patch: dict[str, Any] = dict.fromkeys(old.keys() - new.keys())
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            patch[key] = merge_difference(before, value)
        elif key not in old or value != before or type(value) is not type(before):
            patch[key] = value
    return patch


@given(documents(nulls=False), documents(nulls=False))
def test_the_difference_of_two_documents_leads_from_one_to_the_other(old: Any, new: Any) -> None:
    assert apply_merge_patch(old, merge_difference(old, new)) == new


@given(documents(nulls=False), documents(nulls=False))
def test_add_and_remove_undo_each_other(obj: Any, value: Any) -> None:
    added = apply_json_patch(obj, [op("add", "/new~1key", value=value)])
    assert added["new/key"] == value
    assert apply_json_patch(added, [op("remove", "/new~1key")]) == obj
