"""How many pods of a budget may go."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from controllers.workload_samples import pod, workload

from podpass.api.meta import format_time
from podpass.api.resources import POD_DISRUPTION_BUDGETS, Object
from podpass.controllers.disruption_budget import (
    Expectation,
    budget_status,
    expectation,
    needs_scale,
    promised,
    seconds_to_void,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
EARLY = "2026-01-01T10:00:00Z"
GOING: dict[str, Any] = {"deletionTimestamp": EARLY}


def budget(status: Object | None = None, **spec: Any) -> Object:
    made = workload(POD_DISRUPTION_BUDGETS, status=status)
    made["spec"] = {"selector": {"matchLabels": {"app": "web"}}} | spec
    return made


def healthy(*pod_names: str) -> list[Object]:
    return [pod(name, ready=EARLY) for name in pod_names]


@pytest.mark.parametrize(
    ("spec", "scaled", "expected"),
    [
        pytest.param({"minAvailable": 2}, False, Expectation(3, 2), id="a number"),
        pytest.param({"minAvailable": "50%"}, True, Expectation(5, 3), id="a share, rounded up"),
        pytest.param({"maxUnavailable": 2}, True, Expectation(5, 3), id="the others"),
        pytest.param({"maxUnavailable": "30%"}, True, Expectation(5, 3), id="a share of others"),
        pytest.param({"maxUnavailable": 9}, True, Expectation(5, 0), id="more than there are"),
        pytest.param({}, False, Expectation(0, 0), id="nothing asked for"),
    ],
)
def test_expectation(spec: Object, scaled: bool, expected: Expectation) -> None:
    given = budget(**spec)
    assert needs_scale(given) is scaled
    assert expectation(given, healthy("a", "b", "c"), 5) == expected


def at(seconds: float) -> str:
    return format_time(NOW - timedelta(seconds=seconds))


def test_promises_are_kept_for_two_minutes_or_until_the_pod_goes() -> None:
    disrupted = {"a": at(120), "b": at(121), "gone": at(1), "going": at(1)}
    given = budget({"disruptedPods": disrupted})
    kept = promised(given, [*healthy("a", "b"), pod("going", ready=EARLY, **GOING)], NOW)
    assert kept == {"a": at(120)}
    assert seconds_to_void({"a": at(100), "b": at(60)}, NOW) == pytest.approx(20.1)
    assert seconds_to_void({"a": at(500)}, NOW) == pytest.approx(0.1)
    assert seconds_to_void({}, NOW) is None


@pytest.mark.parametrize(
    ("given", "pods", "scale", "allowed", "reason"),
    [
        pytest.param(
            budget(maxUnavailable=1), healthy("a", "b", "c"), 3, 1, "SufficientPods", id="one"
        ),
        pytest.param(
            budget(maxUnavailable=1), [*healthy("a", "b"), pod("c")], 3, 0, "InsufficientPods",
            id="one is not ready",
        ),
        pytest.param(
            budget(maxUnavailable=1), [*healthy("a", "b"), pod("c", ready=EARLY, **GOING)], 3, 0,
            "InsufficientPods", id="one is going",
        ),
        pytest.param(
            budget({"disruptedPods": {"c": at(1)}}, maxUnavailable=1), healthy("a", "b", "c"), 3, 0,
            "InsufficientPods", id="one is promised",
        ),
        pytest.param(
            budget(minAvailable=1), healthy("a", "b", "c"), 0, 2, "SufficientPods", id="two"
        ),
        pytest.param(
            budget(minAvailable=1), [pod("a", "Succeeded", ready=EARLY)], 0, 0, "InsufficientPods",
            id="finished pods do not count",
        ),
        pytest.param(budget(), healthy("a"), 0, 0, "InsufficientPods", id="nothing asked for"),
        pytest.param(
            budget(maxUnavailable=1), healthy("a", "b"), None, 0, "SyncFailed", id="no size known"
        ),
    ],
)  # fmt: skip
def test_allowed(
    given: Object, pods: list[Object], scale: int | None, allowed: int, reason: str
) -> None:
    status = budget_status(given, pods, scale, now=NOW)
    assert status["disruptionsAllowed"] == allowed
    (condition,) = status["conditions"]
    assert (condition["type"], condition["reason"]) == ("DisruptionAllowed", reason)
    assert condition["status"] == ("True" if allowed else "False")


def test_status() -> None:
    status = budget_status(budget(maxUnavailable=1), healthy("a", "b"), 3, now=NOW)
    status.pop("conditions")
    assert status == {
        "observedGeneration": 1,
        "disruptedPods": {},
        "disruptionsAllowed": 0,
        "currentHealthy": 2,
        "desiredHealthy": 2,
        "expectedPods": 3,
    }
