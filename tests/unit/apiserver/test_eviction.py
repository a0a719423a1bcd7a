"""Evictions: what may go for nothing, what is charged, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from apiserver.api_calls import PODS, call, pod

from podpass.api.errors import StatusError
from podpass.api.resources import Object
from podpass.apiserver.eviction import (
    MAXIMUM_DISRUPTED_PODS,
    charged,
    marked,
    matching_budgets,
    permission,
)
from podpass.testing.api_server import RunningApiServer

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
MERGE = "application/merge-patch+json"
REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."


def running(ready: str = "True", phase: str = "Running", **metadata: Any) -> Object:
    return {
        "metadata": {"name": "p", "labels": {"app": "web"}} | metadata,
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]},
    }


def budget(policy: str = "", **status: Any) -> Object:
    spec: Object = {"selector": {"matchLabels": {"app": "web"}}}
    if policy:
        spec["unhealthyPodEvictionPolicy"] = policy
    return {
        "metadata": {"name": "b", "generation": 2},
        "spec": spec,
        "status": {"observedGeneration": 2} | status,
    }


def test_matching_budgets() -> None:
    other = budget() | {"spec": {"selector": {"matchLabels": {"app": "other"}}}}
    everything = budget() | {"spec": {"selector": {}}}
    nothing = budget() | {"spec": {}}
    found = matching_budgets(running(), [budget(), other, everything, nothing])
    assert found == [budget(), everything]


MET: dict[str, Any] = {"currentHealthy": 2, "desiredHealthy": 2}
MISSED: dict[str, Any] = {"currentHealthy": 1, "desiredHealthy": 2}


@pytest.mark.parametrize(
    ("one", "budgets", "expected"),
    [
        pytest.param(running(), [], "free", id="no budget"),
        pytest.param(running(), [budget()], "charge", id="a pod that serves"),
        pytest.param(running(phase="Succeeded"), [budget()], "free", id="succeeded"),
        pytest.param(running(phase="Failed"), [budget()], "free", id="failed"),
        pytest.param(running(phase="Pending"), [budget()], "free", id="not started"),
        pytest.param(
            running(deletionTimestamp="t"), [budget(), budget()], "free", id="going anyway"
        ),
        pytest.param(running("False"), [budget(**MET)], "free", id="sick, the budget is met"),
        pytest.param(running("False"), [budget(**MISSED)], "charge", id="sick, it is not met"),
        pytest.param(running("False"), [budget()], "charge", id="sick, nothing is asked for"),
        pytest.param(
            running("False"), [budget("AlwaysAllow", **MISSED)], "free", id="sick, never mind"
        ),
        pytest.param(
            running("False"), [budget("IfHealthyBudget", **MISSED)], "charge", id="sick, but mind"
        ),
    ],
)
def test_permission(one: Object, budgets: list[Object], expected: str) -> None:
    assert permission(one, budgets) == expected


def test_two_budgets_over_a_pod_are_an_error() -> None:
    with pytest.raises(StatusError, match="more than one PodDisruptionBudget") as refused:
        permission(running(), [budget(), budget()])
    assert refused.value.code == 500


def test_a_charge_leaves_a_smaller_budget() -> None:
    before = budget(disruptionsAllowed=2, disruptedPods={"other": "2026-01-01T00:00:00Z"})
    after = charged(before, "p", now=NOW)["status"]
    assert after["disruptionsAllowed"] == 1
    assert set(after["disruptedPods"]) == {"other", "p"}
    assert "conditions" not in after
    assert before["status"]["disruptionsAllowed"] == 2
    last = charged({**before, "status": after}, "q", now=NOW)["status"]
    assert last["disruptionsAllowed"] == 0
    (condition,) = last["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "InsufficientPods")


@pytest.mark.parametrize(
    ("given", "code", "cause", "seconds"),
    [
        pytest.param(
            budget(disruptionsAllowed=0, currentHealthy=2, desiredHealthy=2), 429,
            "The disruption budget b needs 2 healthy pods and has 2 currently", None,
            id="nothing left",
        ),
        pytest.param(
            budget(observedGeneration=1, disruptionsAllowed=1), 429,
            "The disruption budget b is still being processed by the server.", 10,
            id="not counted yet",
        ),
        pytest.param(budget(disruptionsAllowed=-1), 403, "", None, id="damaged"),
        pytest.param(
            budget(
                disruptionsAllowed=1,
                disruptedPods={str(n): "" for n in range(MAXIMUM_DISRUPTED_PODS + 1)},
            ),
            403, "", None, id="too many unconfirmed",
        ),
    ],
)  # fmt: skip
def test_a_charge_is_refused(given: Object, code: int, cause: str, seconds: int | None) -> None:
    with pytest.raises(StatusError) as refused:
        charged(given, "p", now=NOW)
    error = refused.value
    assert error.code == code
    if code == 429:
        assert error.message == REFUSED
        assert error.details is not None
        assert error.details["causes"] == [{"reason": "DisruptionBudget", "message": cause}]
        assert error.details.get("retryAfterSeconds") == seconds


def test_an_evicted_pod_says_why_it_goes() -> None:
    conditions = marked(running(), now=NOW)["status"]["conditions"]
    assert conditions[-1] == {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


def eviction(name: str = "p", **options: Any) -> Object:
    body: Object = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    return body | ({"deleteOptions": options} if options else {})


async def ready_pod(admin: aiohttp.ClientSession) -> None:
    account = "/api/v1/namespaces/default/serviceaccounts"
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    await call(admin, "POST", account, body, expect=201)
    made = pod("p", nodeName="n")
    made["metadata"]["labels"] = {"app": "web"}
    await call(admin, "POST", PODS, made, expect=201)
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    await call(admin, "PATCH", f"{PODS}/p/status", {"status": status}, content_type=MERGE)


async def allow(admin: aiohttp.ClientSession, number: int) -> None:
    status = {"observedGeneration": 1, "disruptionsAllowed": number}
    await call(admin, "PATCH", f"{BUDGETS}/b/status", {"status": status}, content_type=MERGE)


async def test_over_https(api: RunningApiServer) -> None:
    async with api.admin() as admin:
        await ready_pod(admin)
        made = {"metadata": {"name": "b"}, "spec": budget()["spec"] | {"minAvailable": 1}}
        await call(admin, "POST", BUDGETS, made, expect=201)
        path = f"{PODS}/p/eviction"

        still = await call(admin, "POST", path, eviction(), expect=429)
        assert still["details"]["retryAfterSeconds"] == 10
        await allow(admin, 0)
        refused = await call(admin, "POST", path, eviction(), expect=429)
        assert (refused["reason"], refused["message"]) == ("TooManyRequests", REFUSED)
        await allow(admin, 1)
        await call(admin, "POST", path, eviction("other"), expect=400)
        await call(admin, "POST", path, eviction(dryRun=["All"]), expect=201)
        await call(admin, "POST", f"{path}?dryRun=All", eviction(), expect=201)
        found = await call(admin, "GET", f"{PODS}/p")
        assert "deletionTimestamp" not in found["metadata"]

        done = await call(admin, "POST", path, eviction(gracePeriodSeconds=7), expect=201)
        assert done["status"] == "Success"
        going = await call(admin, "GET", f"{PODS}/p")
        assert going["metadata"]["deletionGracePeriodSeconds"] == 7
        assert going["status"]["conditions"][-1]["type"] == "DisruptionTarget"
        left = await call(admin, "GET", f"{BUDGETS}/b")
        assert left["status"]["disruptionsAllowed"] == 0
        assert list(left["status"]["disruptedPods"]) == ["p"]

        await call(admin, "POST", path, eviction(gracePeriodSeconds=0), expect=201)
        await call(admin, "POST", path, eviction(), expect=404)
