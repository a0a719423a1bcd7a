"""Metadata, time and conditions."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from podpass.api import meta
from podpass.api.resources import Object

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def test_users_on_the_wire() -> None:
    assert meta.UserInfo("u").to_json() == {"username": "u"}
    full = meta.UserInfo("u", "1", ("g",), {"k": ("v",)})
    assert full.to_json() == {
        "username": "u", "uid": "1", "groups": ["g"], "extra": {"k": ["v"]},
    }  # fmt: skip


def test_times_on_the_wire() -> None:
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    assert meta.format_time(east) == "2026-01-02T03:04:05Z"
    assert meta.format_micro_time(east) == "2026-01-02T03:04:05.678901Z"
    assert meta.parse_time("2026-01-02T12:04:05.678901+09:00") == NOW


@pytest.mark.parametrize("text", ["2026-01-02T03:04:05", "soon", ""])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"no offset|Invalid isoformat"):
        meta.parse_time(text)


def test_what_metadata_says() -> None:
    obj: Object = {
        "metadata": {
            "name": "n",
            "namespace": "ns",
            "uid": "u",
            "resourceVersion": "7",
            "labels": {"a": "b"},
            "annotations": {"c": "d"},
            "deletionTimestamp": "2026-01-01T00:00:00Z",
        }
    }
    assert meta.name_of(obj) == "n"
    assert meta.namespace_of(obj) == "ns"
    assert meta.uid_of(obj) == "u"
    assert meta.resource_version_of(obj) == "7"
    assert meta.labels_of(obj) == {"a": "b"}
    assert meta.annotations_of(obj) == {"c": "d"}
    assert meta.is_terminating(obj)


@pytest.mark.parametrize(
    "obj", [{}, {"metadata": {}}, {"metadata": {"labels": None, "annotations": None}}]
)
def test_what_empty_metadata_says(obj: Object) -> None:
    texts = (meta.name_of, meta.namespace_of, meta.uid_of, meta.resource_version_of)
    assert {read(obj) for read in texts} == {""}
    assert meta.labels_of(obj) == meta.annotations_of(obj) == {}
    assert not meta.is_terminating(obj)


def test_a_condition_moves_its_time_only_with_its_status() -> None:
    conditions: list[Object] = [{"type": "Other", "status": "True"}]
    assert meta.set_condition(conditions, "Ready", "False", now=NOW, reason="New")
    ready = meta.find_condition(conditions, "Ready")
    assert ready == {
        "type": "Ready",
        "status": "False",
        "reason": "New",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
    }
    assert not meta.set_condition(conditions, "Ready", "False", now=LATER, reason="New")
    assert meta.set_condition(conditions, "Ready", "False", now=LATER, reason="Old")
    assert ready["lastTransitionTime"] == "2026-01-02T03:04:05Z"
    assert meta.set_condition(conditions, "Ready", "True", now=LATER, reason=None)
    assert ready == {
        "type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T04:04:05Z",
    }  # fmt: skip
    assert not meta.set_condition(conditions, "Ready", "True", now=NOW, reason=None)
    assert meta.find_condition(conditions, "None") is None
