"""What follows for an object from the state of its owners."""

from typing import Any

import pytest

from podpass.api.resources import Object
from podpass.controllers.ownership import (
    Delete,
    Dependents,
    DropOwners,
    Keep,
    OwnerState,
    Verdict,
    judge,
    orphans_dependents,
    waits_for_dependents,
    worth_a_look,
)

SOLID, WAITING, DANGLING = OwnerState.SOLID, OwnerState.WAITING, OwnerState.DANGLING


def reference(uid: str, **fields: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": uid, "uid": uid} | fields


def owned(*uids: str, finalizers: tuple[str, ...] = (), **metadata: Any) -> Object:
    owners = [reference(uid) for uid in uids]
    return {
        "metadata": {"uid": "me", "ownerReferences": owners, "finalizers": [*finalizers]} | metadata
    }


@pytest.mark.parametrize(
    ("states", "finalizers", "has_dependents", "verdict"),
    [
        pytest.param([], (), False, Keep(), id="no owner"),
        pytest.param([SOLID], (), False, Keep(), id="a living owner"),
        pytest.param([SOLID, SOLID], (), False, Keep(), id="two living owners"),
        pytest.param(
            [SOLID, DANGLING], (), False, DropOwners((reference("0"),)), id="one of two is gone"
        ),
        pytest.param(
            [WAITING, SOLID], (), False, DropOwners((reference("1"),)), id="one of two is going"
        ),
        pytest.param([DANGLING], (), False, Delete("Background"), id="the owner is gone"),
        pytest.param([DANGLING, DANGLING], (), True, Delete("Background"), id="all are gone"),
        pytest.param([WAITING], (), False, Delete("Background"), id="owner waits for a leaf"),
        pytest.param(
            [WAITING], (), True, Delete("Foreground"), id="owner waits for one that owns others"
        ),
        pytest.param(
            [DANGLING, WAITING], (), True, Delete("Foreground"), id="one gone, one waiting"
        ),
        pytest.param(
            [DANGLING], ("foregroundDeletion",), False, Delete("Foreground"),
            id="own finalizer asks for foreground",
        ),
        pytest.param(
            [DANGLING], ("orphan",), False, Delete("Orphan"), id="own finalizer asks to orphan"
        ),
    ],
)  # fmt: skip
def test_judge(
    states: list[OwnerState], finalizers: tuple[str, ...], has_dependents: bool, verdict: Verdict
) -> None:
    obj = owned(*(str(number) for number in range(len(states))), finalizers=finalizers)
    assert judge(obj, states, has_dependents=has_dependents) == verdict


@pytest.mark.parametrize(
    ("finalizer", "terminating", "waits", "orphans"),
    [
        pytest.param("foregroundDeletion", True, True, False, id="foreground"),
        pytest.param("orphan", True, False, True, id="orphan"),
        pytest.param("foregroundDeletion", False, False, False, id="foreground, not deleted"),
        pytest.param("orphan", False, False, False, id="orphan, not deleted"),
        pytest.param("example.com/mine", True, False, False, id="another finalizer"),
    ],
)
def test_finalizers(finalizer: str, terminating: bool, waits: bool, orphans: bool) -> None:
    obj = owned(finalizers=(finalizer,))
    if terminating:
        obj["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert waits_for_dependents(obj) is waits
    assert orphans_dependents(obj) is orphans


def test_dependents_follow_changes() -> None:
    dependents = Dependents()
    first = owned("a", "b")
    first["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] = True
    dependents.update("x", None, first)
    dependents.update("y", None, owned("a"))
    assert dependents.of("a") == {"x": True, "y": False}
    assert dependents.of("b") == {"x": False}
    dependents.update("x", first, owned("b"))
    assert dependents.of("a") == {"y": False}
    dependents.update("x", owned("b"), None)
    dependents.update("y", owned("a"), None)
    assert dependents.of("a") == dependents.of("b") == {}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(None, owned(), False, id="new, without owner"),
        pytest.param(None, owned("a"), True, id="new, with owner"),
        pytest.param(None, owned(deletionTimestamp="t"), True, id="first seen when deleted"),
        pytest.param(owned("a"), owned("a", labels={"x": "y"}), False, id="labels changed"),
        pytest.param(owned("a"), owned("b"), True, id="owners changed"),
        pytest.param(owned("a"), owned("a", deletionTimestamp="t"), True, id="deleted"),
        pytest.param(owned("a"), owned("a", finalizers=("f",)), True, id="finalizers changed"),
        pytest.param(owned("a", uid="other"), owned("a"), True, id="another of the same name"),
    ],
)
def test_worth_a_look(old: Object | None, new: Object, expected: bool) -> None:
    assert worth_a_look(old, new) is expected
