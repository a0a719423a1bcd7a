"""Which replica set gets how many pods next."""

from typing import Any

import pytest
from controllers.workload_samples import workload
from hypothesis import given
from hypothesis import strategies as st

from podpass.api.resources import DEPLOYMENTS, REPLICA_SETS, Object
from podpass.controllers.deployment_limits import limits_of, replicas_of
from podpass.controllers.deployment_revisions import DESIRED_REPLICAS, MAX_REPLICAS
from podpass.controllers.deployment_rollout import (
    Scaling,
    available,
    resized,
    rolled,
    size_of_new,
    was_scaled,
)

RECREATE = {"type": "Recreate"}


def deployment(replicas: int, surge: Any = "25%", unavailable: Any = "25%", **spec: Any) -> Object:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    given: Object = {"replicas": replicas, "strategy": strategy}
    return workload(DEPLOYMENTS, **given | spec)


def replica_set(
    name: str,
    replicas: int,
    serving: int | None = None,
    *,
    desired: int | None = None,
    most: int | None = None,
    created: str = "2026-01-01T00:00:00Z",
) -> Object:
    made = workload(REPLICA_SETS, name, replicas=replicas)
    annotations = {DESIRED_REPLICAS: desired, MAX_REPLICAS: most}
    made["metadata"] |= {
        "creationTimestamp": created,
        "annotations": {key: str(one) for key, one in annotations.items() if one is not None},
    }
    made["status"] = {"availableReplicas": replicas if serving is None else serving}
    return made


def shown(steps: list[Scaling]) -> dict[str, int]:
    return {one.replica_set["metadata"]["name"]: one.replicas for one in steps}


@pytest.mark.parametrize(
    ("one", "scaled"),
    [
        pytest.param(replica_set("a", 3, desired=3), False, id="sized for this"),
        pytest.param(replica_set("a", 3, desired=2), True, id="sized for another"),
        pytest.param(replica_set("a", 0, desired=2), False, id="an empty one does not count"),
        pytest.param(replica_set("a", 3), False, id="never sized, e.g. adopted"),
    ],
)
def test_was_scaled(one: Object, scaled: bool) -> None:
    assert was_scaled(deployment(3), [one]) is scaled


@pytest.mark.parametrize(
    ("new", "old", "steps"),
    [
        pytest.param(None, [], {}, id="nothing there"),
        pytest.param(replica_set("new", 2), [], {"new": 10}, id="the only one"),
        pytest.param(replica_set("new", 0), [], {"new": 10}, id="the new one, from zero"),
        pytest.param(None, [replica_set("old", 2)], {"old": 10}, id="the old one, in a pause"),
        pytest.param(
            None,
            [replica_set("a", 0), replica_set("b", 0, created="2026-01-02T00:00:00Z")],
            {"b": 10},
            id="the newest of the empty",
        ),
        pytest.param(
            replica_set("new", 10, desired=10), [replica_set("old", 2)], {"old": 0},
            id="the new one is complete",
        ),
        pytest.param(
            replica_set("new", 5, desired=5, most=10, created="2026-01-02T00:00:00Z"),
            [replica_set("old", 5, desired=5, most=10)],
            {"new": 7, "old": 6}, id="half each: the rest goes to one",
        ),
        pytest.param(
            replica_set("new", 2, most=10), [replica_set("old", 8, most=10)],
            {"old": 10, "new": 3}, id="in proportion",
        ),
        pytest.param(
            replica_set("new", 10, 9, desired=20, most=25), [replica_set("old", 15, most=25)],
            {"old": 8, "new": 5}, id="fewer, in proportion",
        ),
        pytest.param(
            replica_set("new", 6, 0), [replica_set("old", 7)], {"old": 7, "new": 6},
            id="as many as there may be: only noted",
        ),
    ],
)  # fmt: skip
def test_resized(new: Object | None, old: list[Object], steps: dict[str, int]) -> None:
    assert shown(resized(deployment(10), new, old)) == steps


def test_resized_to_nothing() -> None:
    sets = [replica_set("new", 2, most=4), replica_set("old", 1, most=4)]
    assert shown(resized(deployment(0), sets[0], sets[1:])) == {"new": 0, "old": 0}


def test_resized_while_recreating_lets_the_old_go() -> None:
    wanted = deployment(3, strategy=RECREATE)
    sets = [replica_set("new", 1), replica_set("old", 1)]
    assert shown(resized(wanted, sets[0], sets[1:])) == {"old": 0}


@given(
    wanted=st.integers(0, 30),
    sizes=st.lists(st.integers(1, 20), min_size=2, max_size=4),
    spare=st.integers(0, 20),
    surge=st.integers(0, 10),
)
def test_a_proportional_step_reaches_the_total_exactly(
    wanted: int, sizes: list[int], spare: int, surge: int
) -> None:
    before = sum(sizes) + spare
    sets = [replica_set(f"s{n}", size, 0, most=before) for n, size in enumerate(sizes)]
    scaled = deployment(wanted, surge=surge)
    steps = shown(resized(scaled, sets[0], sets[1:]))
    assert sum(steps.values()) == (wanted + limits_of(scaled).surge if wanted else 0)
    assert min(steps.values()) >= 0


@pytest.mark.parametrize(
    ("old", "current", "size"),
    [
        pytest.param([], 0, 10, id="the first rollout"),
        pytest.param([10], 0, 3, id="as far as the surge"),
        pytest.param([8], 5, 5, id="no room"),
        pytest.param([20], 2, 2, id="too many pods"),
        pytest.param([1], 8, 10, id="no more than wanted"),
    ],
)
def test_size_of_new(old: list[int], current: int, size: int) -> None:
    others = [replica_set(f"o{n}", count) for n, count in enumerate(old)]
    assert size_of_new(deployment(10), others, current) == size


def test_recreate_starts_at_full_size() -> None:
    assert size_of_new(deployment(4, strategy=RECREATE), [], 0) == 4


@pytest.mark.parametrize(
    ("new", "old", "steps"),
    [
        pytest.param(replica_set("new", 12), [], {"new": 10}, id="too many new ones"),
        pytest.param(
            replica_set("new", 2, 0), [replica_set("old", 10)], {"new": 3}, id="up, by the surge"
        ),
        pytest.param(
            replica_set("new", 3, 0), [replica_set("old", 10)], {"old": 8},
            id="down, as far as may be missing",
        ),
        pytest.param(replica_set("new", 5, 0), [replica_set("old", 8)], {}, id="wait for new ones"),
        pytest.param(
            replica_set("new", 5, 2), [replica_set("old", 8)], {"old": 6}, id="as new ones serve"
        ),
        pytest.param(
            replica_set("new", 10, 10), [replica_set("old", 3)], {"old": 0}, id="the last ones"
        ),
        pytest.param(replica_set("new", 10, 10), [replica_set("old", 0)], {}, id="done"),
        pytest.param(
            replica_set("new", 3, 0), [replica_set("old", 10, 7)], {"old": 8},
            id="sick ones first: they cost nothing",
        ),
        pytest.param(
            replica_set("new", 3, 3),
            [
                replica_set("oldest", 4, 4, created="2025-01-01T00:00:00Z"),
                replica_set("sick", 6, 1),
            ],
            {"sick": 1}, id="the sick of all, before the healthy of any",
        ),
        pytest.param(
            replica_set("new", 0, 0), [replica_set("old", 13, 0)], {"old": 8},
            id="too many of the old",
        ),
    ],
)  # fmt: skip
def test_rolled(new: Object, old: list[Object], steps: dict[str, int]) -> None:
    assert shown(rolled(deployment(10), new, old)) == steps


@given(
    wanted=st.integers(1, 12),
    surge=st.integers(0, 4),
    unavailable=st.integers(0, 4),
    sick=st.booleans(),
)
def test_a_rollout_ends_and_never_strays_from_its_limits(
    wanted: int, surge: int, unavailable: int, sick: bool
) -> None:
    changing = deployment(wanted, surge, unavailable)
    limits = limits_of(changing)
    new, old = replica_set("new", 0), replica_set("old", wanted, wanted - sick)
    for _ in range(100):
        steps = rolled(changing, new, [old])
        for step in steps:
            step.replica_set["spec"]["replicas"] = step.replicas
            if step.replica_set is new:  # one pod at a time becomes available
                break
            serving = min(step.replicas, available(old))
            step.replica_set["status"]["availableReplicas"] = serving
        assert replicas_of(new) + replicas_of(old) <= wanted + limits.surge
        assert available(new) + available(old) >= wanted - max(limits.unavailable, sick)
        if not steps and available(new) == replicas_of(new):
            break
        new["status"]["availableReplicas"] = min(replicas_of(new), available(new) + 1)
    assert (replicas_of(new), replicas_of(old)) == (wanted, 0)
