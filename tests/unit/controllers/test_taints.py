"""Tolerations against taints, and how long a pod may stay."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from podpass.api.resources import Object
from podpass.controllers.taints import eviction_time, first_untolerated, tolerates

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULT = timedelta(seconds=300)


def taint(key: str = "k", value: str = "", effect: str = "NoSchedule", **fields: Any) -> Object:
    return {"key": key, "value": value, "effect": effect} | fields


def pod(*tolerations: Object) -> Object:
    return {"spec": {"tolerations": list(tolerations)}}


@pytest.mark.parametrize(
    ("toleration", "given", "expected"),
    [
        pytest.param({"key": "k", "value": "v"}, taint(value="v"), True, id="same key and value"),
        pytest.param({"key": "k", "value": "w"}, taint(value="v"), False, id="another value"),
        pytest.param({"key": "k"}, taint(), True, id="no value on either side"),
        pytest.param({"key": "k"}, taint(value="v"), False, id="only the taint has a value"),
        pytest.param({"key": "x", "operator": "Exists"}, taint(), False, id="another key"),
        pytest.param(
            {"key": "k", "operator": "Exists"}, taint(value="v"), True, id="Exists ignores values"
        ),
        pytest.param({"operator": "Exists"}, taint(value="v"), True, id="Exists without a key"),
        pytest.param({}, taint(), False, id="an empty toleration tolerates nothing"),
        pytest.param(
            {"key": "k", "operator": "Equal", "effect": "NoExecute"}, taint(), False,
            id="another effect",
        ),
        pytest.param(
            {"operator": "Exists", "effect": "NoSchedule"}, taint(), True, id="same effect"
        ),
        pytest.param({"operator": "Exists", "effect": ""}, taint(), True, id="empty effect is all"),
    ],
)  # fmt: skip
def test_tolerates(toleration: Object, given: Object, expected: bool) -> None:
    assert tolerates(toleration, given) is expected


def test_first_untolerated_looks_only_at_the_effects_asked_for() -> None:
    taints = [taint("a", effect="PreferNoSchedule"), taint("b"), taint("c")]
    tolerant = pod({"key": "b", "operator": "Exists"})
    assert first_untolerated(tolerant, taints, ("NoSchedule",)) == taints[2]
    assert first_untolerated(tolerant, taints, ("NoExecute",)) is None
    assert first_untolerated({"spec": {}}, taints[:1], ("PreferNoSchedule",)) == taints[0]


NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
ADDED = "2025-12-31T23:59:00Z"
MINUTE_AGO = NOW - timedelta(seconds=60)


def seconds(count: float) -> datetime:
    return MINUTE_AGO + timedelta(seconds=count)


@pytest.mark.parametrize(
    ("tolerations", "taints", "expected"),
    [
        pytest.param([], [], None, id="no taint"),
        pytest.param([], [taint()], None, id="NoSchedule drives nobody off"),
        pytest.param(
            [], [taint(effect="NoExecute", timeAdded=ADDED)], seconds(0), id="not tolerated"
        ),
        pytest.param(
            [],
            [taint(NOT_READY, effect="NoExecute", timeAdded=ADDED)],
            seconds(300),
            id="not-ready has a default",
        ),
        pytest.param(
            [],
            [taint(UNREACHABLE, effect="NoExecute", timeAdded=ADDED)],
            seconds(300),
            id="unreachable has a default",
        ),
        pytest.param(
            [{"key": "k", "operator": "Exists"}],
            [taint(effect="NoExecute", timeAdded=ADDED)],
            None,
            id="tolerated for ever",
        ),
        pytest.param(
            [{"key": "k", "operator": "Exists", "tolerationSeconds": 20}],
            [taint(effect="NoExecute", timeAdded=ADDED)],
            seconds(20),
            id="tolerated for a while",
        ),
        pytest.param(
            [{"key": "k", "operator": "Exists", "tolerationSeconds": 0}],
            [taint(effect="NoExecute", timeAdded=ADDED)],
            seconds(0),
            id="tolerated for no time",
        ),
        pytest.param(
            [{"key": "k", "operator": "Exists", "tolerationSeconds": -5}],
            [taint(effect="NoExecute", timeAdded=ADDED)],
            seconds(0),
            id="a negative time is no time",
        ),
        pytest.param(
            [
                {"key": "k", "operator": "Exists", "tolerationSeconds": 50},
                {"operator": "Exists", "tolerationSeconds": 30},
                {"operator": "Exists"},
            ],
            [taint(effect="NoExecute", timeAdded=ADDED)],
            seconds(30),
            id="of several tolerations the shortest",
        ),
        pytest.param(
            [{"key": "k", "operator": "Exists"}],
            [
                taint(effect="NoExecute", timeAdded=ADDED),
                taint(NOT_READY, effect="NoExecute", timeAdded=ADDED),
            ],
            seconds(300),
            id="of several taints the earliest",
        ),
        pytest.param(
            [{"key": "k", "operator": "Exists", "tolerationSeconds": 20}],
            [taint(effect="NoExecute")],
            NOW + timedelta(seconds=20),
            id="a taint without time counts from now",
        ),
    ],
)
def test_eviction_time(
    tolerations: list[Object], taints: list[Object], expected: datetime | None
) -> None:
    assert eviction_time(pod(*tolerations), taints, default=DEFAULT, now=NOW) == expected
