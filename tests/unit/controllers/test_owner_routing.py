"""From a changed pod to its workload."""

from typing import Any

import pytest
from controllers.workload_samples import owner_reference, pod, workload

from podpass.api.resources import DEPLOYMENTS, PODS, REPLICA_SETS, Object
from podpass.controllers.expectations import Expectations
from podpass.controllers.owner_routing import OwnerRouting
from podpass.controllers.shared_informers import SharedInformers
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.fake_clock import FakeClock, until

OURS = owner_reference(REPLICA_SETS, "web", "uid-of-web")
GOING: dict[str, Any] = {"deletionTimestamp": "2026-01-01T00:00:00Z"}


@pytest.fixture
async def queued(simulator: ApiSimulator, informers: SharedInformers) -> list[str]:
    simulator.put(REPLICA_SETS, workload(REPLICA_SETS))
    await until(informers[REPLICA_SETS].list)
    return []


@pytest.fixture
def expectations(clock: FakeClock) -> Expectations:
    return Expectations(clock)


@pytest.fixture
def routing(
    informers: SharedInformers, queued: list[str], expectations: Expectations
) -> OwnerRouting:
    return OwnerRouting(informers[REPLICA_SETS], queued.append, expectations)


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        pytest.param(None, pod(owner=OURS), {"ns/web"}, id="a new pod"),
        pytest.param(pod(owner=OURS), None, {"ns/web"}, id="a pod that is gone"),
        pytest.param(pod(owner=OURS), pod(), {"ns/web"}, id="a pod that was let go"),
        pytest.param(None, pod(), {"ns/web"}, id="a new orphan that matches"),
        pytest.param(None, pod(labels={"app": "x"}), set(), id="a new orphan that does not"),
        pytest.param(
            pod(labels={"app": "x"}), pod(), {"ns/web"}, id="an orphan that matches from now on"
        ),
        pytest.param(pod(), pod(phase="Failed"), set(), id="an orphan that was looked at before"),
        pytest.param(None, pod(owner=OURS | {"uid": "former"}), set(), id="of a former one"),
        pytest.param(
            None, pod(owner=owner_reference(DEPLOYMENTS, "web", "uid-of-web")), set(),
            id="of another kind",
        ),
        pytest.param(
            None, pod(owner=OURS | {"name": "nobody"}), set(), id="of one that is not there"
        ),
    ],
)  # fmt: skip
async def test_who_must_look(
    routing: OwnerRouting,
    queued: list[str],
    old: Object | None,
    new: Object | None,
    keys: set[str],
) -> None:
    routing.changed(old, new)
    assert set(queued) == keys


async def test_creations_are_seen(routing: OwnerRouting, expectations: Expectations) -> None:
    expectations.expect_creation("ns/web", "p")
    routing.changed(None, pod(owner=OURS))
    assert expectations.remaining_seconds("ns/web") == 0


@pytest.mark.parametrize(
    ("old", "new", "seen"),
    [
        pytest.param(pod(owner=OURS), None, True, id="it is gone"),
        pytest.param(pod(owner=OURS), pod(owner=OURS, **GOING), True, id="it is going"),
        pytest.param(pod(owner=OURS), pod(owner=OURS, uid="u"), True, id="another has its name"),
        pytest.param(pod(owner=OURS), pod(owner=OURS, phase="Failed"), False, id="it changed"),
    ],
)
async def test_deletions_are_seen(
    routing: OwnerRouting,
    expectations: Expectations,
    old: Object,
    new: Object | None,
    seen: bool,
) -> None:
    expectations.expect_deletion("ns/web", "uid-of-p")
    routing.changed(old, new)
    assert (expectations.remaining_seconds("ns/web") == 0) is seen


async def test_without_expectations_there_is_nothing_to_note(
    informers: SharedInformers, queued: list[str]
) -> None:
    OwnerRouting(informers[REPLICA_SETS], queued.append).changed(None, pod(owner=OURS))
    assert queued == ["ns/web"]
    assert PODS in informers
