"""The next steps of a stateful set, and its status."""

from datetime import UTC, datetime
from typing import Any

import pytest
from controllers.workload_samples import names, pod, workload

from podpass.api.resources import STATEFUL_SETS, Object
from podpass.controllers.stateful_set_plan import (
    by_ordinal,
    next_steps,
    ordinal_of,
    stateful_set_status,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
EARLY, LATE = "2026-01-01T10:00:00Z", "2026-01-01T11:59:59Z"
OLD, NEW = "web-old", "web-new"
GOING: dict[str, Any] = {"deletionTimestamp": EARLY}
PARALLEL: dict[str, Any] = {"podManagementPolicy": "Parallel"}


def stateful_set(replicas: int = 3, **spec: Any) -> Object:
    return workload(STATEFUL_SETS, replicas=replicas, **spec)


def replica(
    ordinal: int, revision: str = NEW, *, ready: str | None = EARLY, **fields: Any
) -> Object:
    labels = {"app": "web", "controller-revision-hash": revision}
    return pod(f"web-{ordinal}", ready=ready, labels=labels, **fields)


@pytest.mark.parametrize(
    ("name", "ordinal"),
    [("web-0", 0), ("web-12", 12), ("web-x", None), ("web-", None), ("other-1", None)],
)
def test_ordinal_of(name: str, ordinal: int | None) -> None:
    assert ordinal_of(stateful_set(), pod(name)) == ordinal


def test_pods_stand_in_order() -> None:
    found = by_ordinal(stateful_set(), [pod("web-10"), pod("web-2"), pod("stranger")])
    assert list(found) == [2, 10]


@pytest.mark.parametrize(
    ("spec", "pods", "create", "delete"),
    [
        pytest.param({}, [], [(0, NEW)], [], id="the first"),
        pytest.param({}, [replica(0)], [(1, NEW)], [], id="the second, when the first is ready"),
        pytest.param({}, [replica(0, ready=None)], [], [], id="not before"),
        pytest.param(
            {"minReadySeconds": 5}, [replica(0, ready=LATE)], [], [],
            id="not before it is available"
        ),
        pytest.param({}, [replica(1), replica(2)], [(0, NEW)], [], id="a gap"),
        pytest.param({}, [replica(0), replica(1, **GOING), replica(2)], [], [], id="one is going"),
        pytest.param(
            {}, [replica(0, phase="Failed", ready=None)], [], ["web-0"], id="one that ended"
        ),
        pytest.param(
            {}, [replica(0, phase="Failed", ready=None, **GOING)], [], [], id="ended and going"
        ),
        pytest.param({}, [replica(0), replica(1), replica(2)], [], [], id="all there"),
        pytest.param(
            {}, [replica(n) for n in range(5)], [], ["web-4"], id="too many: the highest first"
        ),
        pytest.param(
            {}, [*(replica(n) for n in range(4)), replica(4, **GOING)], [], [],
            id="too many, and one is going already",
        ),
        pytest.param(
            {}, [*(replica(n) for n in range(4)), replica(4, ready=None)], [], ["web-4"],
            id="too many: it is the only sick one",
        ),
        pytest.param(
            {},
            [*(replica(n) for n in range(3)), replica(3, ready=None), replica(4, ready=None)],
            [], [], id="too many, and a lower one is sick",
        ),
        pytest.param(
            PARALLEL, [replica(1, ready=None)], [(0, NEW), (2, NEW)], [], id="all at once"
        ),
        pytest.param(
            PARALLEL,
            [*(replica(n) for n in range(3)), replica(3), replica(4), replica(5, **GOING)],
            [], ["web-4", "web-3"], id="too many, all at once",
        ),
        pytest.param(
            {"ordinals": {"start": 5}, "replicas": 1}, [], [(5, NEW)], [], id="counting from five"
        ),
    ],
)  # fmt: skip
def test_next_steps(
    spec: Object, pods: list[Object], create: list[tuple[int, str]], delete: list[str]
) -> None:
    given = stateful_set(**spec)
    steps = next_steps(given, by_ordinal(given, pods), current=NEW, update=NEW, now=NOW)
    assert steps.create == create
    assert names(steps.delete) == delete


def rolling(partition: int) -> Object:
    return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}}


@pytest.mark.parametrize(
    ("spec", "pods", "create", "delete"),
    [
        pytest.param(
            {}, [replica(0, OLD), replica(1, OLD), replica(2, OLD)], [], ["web-2"],
            id="the highest first",
        ),
        pytest.param(
            {}, [replica(0, OLD), replica(1, OLD), replica(2)], [], ["web-1"], id="the next"
        ),
        pytest.param(
            PARALLEL, [replica(0, OLD), replica(1, OLD), replica(2, ready=None)], [], [],
            id="not before that is ready, in parallel neither",
        ),
        pytest.param(
            PARALLEL, [replica(0, OLD), replica(1, OLD), replica(2, OLD, **GOING)], [], [],
            id="not while it goes",
        ),
        pytest.param(
            PARALLEL, [replica(0, OLD), replica(1, OLD), replica(2, OLD, ready=None)], [],
            ["web-2"], id="a sick one of the old",
        ),
        pytest.param(
            rolling(2), [replica(0, OLD), replica(1, OLD), replica(2)], [], [],
            id="not below the partition",
        ),
        pytest.param(
            rolling(2), [replica(1, OLD), replica(2)], [(0, OLD)], [],
            id="below the partition in the current revision",
        ),
        pytest.param(
            {"updateStrategy": {"type": "OnDelete"}},
            [replica(0, OLD), replica(1, OLD), replica(2, OLD)], [], [],
            id="not unless somebody deletes them",
        ),
        pytest.param(
            {"updateStrategy": {"type": "OnDelete"}}, [replica(1, OLD), replica(2, OLD)],
            [(0, NEW)], [], id="somebody did",
        ),
    ],
)  # fmt: skip
def test_a_rolling_update(
    spec: Object, pods: list[Object], create: list[tuple[int, str]], delete: list[str]
) -> None:
    given = stateful_set(**spec)
    steps = next_steps(given, by_ordinal(given, pods), current=OLD, update=NEW, now=NOW)
    assert steps.create == create
    assert names(steps.delete) == delete


def status(given: Object, pods: list[Object]) -> Object:
    ordered = by_ordinal(given, pods)
    return stateful_set_status(given, ordered, current=OLD, update=NEW, now=NOW)


def test_status_in_the_middle() -> None:
    pods = [replica(0, OLD), replica(1, OLD, **GOING), replica(2, ready=LATE)]
    assert status(stateful_set(minReadySeconds=5), pods) == {
        "observedGeneration": 1,
        "replicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 2,
        "currentReplicas": 1,
        "updatedReplicas": 1,
        "currentRevision": OLD,
        "updateRevision": NEW,
        "collisionCount": None,
    }


@pytest.mark.parametrize(
    ("spec", "pods", "current"),
    [
        pytest.param({}, [replica(n) for n in range(3)], NEW, id="through"),
        pytest.param({}, [replica(0, ready=None), replica(1), replica(2)], OLD, id="one not ready"),
        pytest.param({}, [replica(n) for n in range(4)], OLD, id="one too many"),
        pytest.param({}, [replica(0, OLD), replica(1), replica(2)], OLD, id="one of the old"),
        pytest.param(
            {"updateStrategy": {"type": "OnDelete"}}, [replica(n) for n in range(3)], OLD,
            id="nobody rolls",
        ),
    ],
)  # fmt: skip
def test_an_update_that_is_through_is_the_current_revision(
    spec: Object, pods: list[Object], current: str
) -> None:
    found = status(stateful_set(**spec), pods)
    assert found["currentRevision"] == current
