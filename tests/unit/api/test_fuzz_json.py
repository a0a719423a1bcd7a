"""Any JSON is read, or refused as a bad request: bodies, defaults, validation and patches."""

from __future__ import annotations

import contextlib
import copy
from typing import Any

import orjson
from api.hostile_values import POD, SPOILED_PODS, VALUES, refusable
from hypothesis import example, given, settings
from hypothesis import strategies as st

from podpass.api import codec, patch, validation
from podpass.api.defaults import apply_defaults
from podpass.api.errors import StatusError
from podpass.api.json_codec import MalformedBody, duplicate_keys, parse_json
from podpass.api.resources import PODS, Object
from podpass.api.schema import CORE
from podpass.api.strategy import prepare_for_update
from tests.examples import examples

READ_AS_POD = ("v1", "Pod")
OPERATIONS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "none"]),
            "path": st.sampled_from(
                ["", "/", "/spec", "/spec/containers/0", "/spec/containers/-", "/metadata/name/a",
                 "/spec/containers/0/env/5", "/~2", "spec", "/spec/volumes/00", "/spec/volumes/-1"]
            ),
            "from": st.sampled_from(["", "/spec", "/spec/containers/0", "/none"]),
            "value": VALUES,
        },
    ),
    max_size=4,
)  # fmt: skip


def accept(value: Any) -> Object:
    """Do with a decoded body what a creation does."""
    decoded = codec.decode_value(value, field_validation="Warn", default_gvk=READ_AS_POD)
    obj = decoded.object
    obj.setdefault("metadata", {})
    apply_defaults(PODS, obj)
    validation.validate_create(PODS, obj)
    return obj


@given(st.binary(max_size=60))
@settings(max_examples=examples(150))
@example(b'"\\ud800"')
@example(b"1" * 5000)
def test_any_bytes_are_json_or_malformed(body: bytes) -> None:
    with contextlib.suppress(MalformedBody):
        value = parse_json(body)
        orjson.dumps(value)
        duplicate_keys(body, value)


@given(VALUES)
@settings(max_examples=examples(100))
def test_any_value_is_a_pod_or_a_bad_request(value: Any) -> None:
    try:
        accept(value)
    except StatusError as error:
        refusable(error)


@given(SPOILED_PODS)
@settings(max_examples=examples(300))
def test_a_pod_with_a_wrong_value_is_refused_or_stored(value: Object) -> None:
    try:
        obj = accept(copy.deepcopy(value))
    except StatusError as error:
        refusable(error)
    else:
        prepare_for_update(PODS, obj, POD)
        validation.validate_update(PODS, obj, POD)
        orjson.dumps(obj)


def patched(value: Any) -> None:
    try:
        orjson.dumps(accept(value))
    except StatusError as error:
        refusable(error)


@given(OPERATIONS | VALUES)
@settings(max_examples=examples(150))
def test_any_json_patch_applies_or_is_refused(operations: Any) -> None:
    try:
        value = patch.apply_json_patch(POD, operations)
    except StatusError as error:
        refusable(error)
    else:
        patched(value)


@given(st.dictionaries(st.sampled_from(["spec", "metadata", "status"]), VALUES) | SPOILED_PODS)
@settings(max_examples=examples(200))
def test_any_merge_patch_applies_or_is_refused(document: Any) -> None:
    patched(patch.apply_merge_patch(POD, document))
    try:
        value = patch.apply_strategic_patch(POD, document, CORE + "Pod")
    except StatusError as error:
        refusable(error)
    else:
        patched(value)
