"""Which objects belong to a workload."""

from typing import Any

import pytest
from controllers.workload_samples import owner_reference, pod, workload

from podpass.api.errors import conflict, internal, not_found
from podpass.api.meta import name_of
from podpass.api.resources import PODS, REPLICA_SETS, Object
from podpass.client.rest import RestClient
from podpass.controllers.claims import (
    Claim,
    Claims,
    controller_of,
    is_controlled_by,
    judge_claim,
    selector_of,
)
from podpass.testing.api_simulator import ApiSimulator

OURS = owner_reference(REPLICA_SETS, "web", "uid-of-web")
OTHER = owner_reference(REPLICA_SETS, "other", "uid-of-other")
GOING: dict[str, Any] = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
STRANGER = {"app": "stranger"}


def replica_set(**metadata: Any) -> Object:
    made = workload(REPLICA_SETS)
    made["metadata"] |= metadata
    return made


@pytest.mark.parametrize(
    ("owner", "obj", "claim"),
    [
        pytest.param({}, pod(owner=OURS), Claim.OURS, id="ours"),
        pytest.param(GOING, pod(owner=OURS), Claim.OURS, id="ours while we go"),
        pytest.param({}, pod(owner=OURS, labels=STRANGER), Claim.LOST, id="its labels changed"),
        pytest.param(
            GOING, pod(owner=OURS, labels=STRANGER), Claim.NOT_OURS, id="changed while we go"
        ),
        pytest.param({}, pod(owner=OTHER), Claim.NOT_OURS, id="of another"),
        pytest.param({}, pod(), Claim.ADOPTABLE, id="an orphan that matches"),
        pytest.param({}, pod(labels=STRANGER), Claim.NOT_OURS, id="an orphan that does not"),
        pytest.param(GOING, pod(), Claim.NOT_OURS, id="an orphan while we go"),
        pytest.param({}, pod(**GOING), Claim.NOT_OURS, id="an orphan that goes"),
        pytest.param(
            {},
            pod(annotations={"kubernetes.io/config.mirror": "hash"}),
            Claim.NOT_OURS,
            id="a mirror of a static pod",
        ),
    ],
)
def test_judge_claim(owner: Object, obj: Object, claim: Claim) -> None:
    workload_ = replica_set(**owner)
    assert judge_claim(workload_, selector_of(workload_), obj) is claim


def test_an_empty_selector_claims_nothing() -> None:
    everything = workload(REPLICA_SETS, selector={})
    assert judge_claim(everything, selector_of(everything), pod()) is Claim.NOT_OURS


def test_the_controller_is_one_of_the_owners() -> None:
    friend = OTHER | {"controller": False}
    obj = pod()
    obj["metadata"]["ownerReferences"] = [friend, OURS]
    assert controller_of(obj) == OURS
    assert is_controlled_by(obj, replica_set())
    assert controller_of(pod()) is None
    assert not is_controlled_by(pod(), replica_set())


@pytest.fixture
def claims(client: RestClient) -> Claims:
    return Claims(client, REPLICA_SETS, PODS)


def stored(simulator: ApiSimulator, name: str) -> Object:
    found = simulator.object(PODS, "ns", name)
    assert found is not None
    return found


async def test_orphans_are_adopted_and_the_lost_let_go(
    simulator: ApiSimulator, claims: Claims
) -> None:
    owner = simulator.put(REPLICA_SETS, replica_set())
    pods = [
        simulator.put(PODS, pod("ours", owner=OURS)),
        simulator.put(PODS, pod("orphan")),
        simulator.put(PODS, pod("lost", owner=OURS, labels=STRANGER)),
        simulator.put(PODS, pod("other", owner=OTHER)),
    ]
    claimed = await claims.claim(owner, pods)
    assert [name_of(one) for one in claimed] == ["ours", "orphan"]
    assert stored(simulator, "orphan")["metadata"]["ownerReferences"] == [OURS]
    assert stored(simulator, "lost")["metadata"]["ownerReferences"] == []
    assert controller_of(stored(simulator, "other")) == OTHER


@pytest.mark.parametrize(
    "truth",
    [
        pytest.param(None, id="it is gone"),
        pytest.param({"uid": "of another"}, id="it is another of that name"),
        pytest.param(GOING, id="it is being deleted"),
    ],
)
async def test_an_owner_that_goes_adopts_nothing(
    simulator: ApiSimulator, claims: Claims, truth: Object | None
) -> None:
    if truth is not None:
        simulator.put(REPLICA_SETS, replica_set(**truth))
    orphan = simulator.put(PODS, pod("orphan"))
    assert await claims.claim(replica_set(), [orphan]) == []
    assert controller_of(stored(simulator, "orphan")) is None


@pytest.mark.parametrize(
    "answer", [conflict("pods", "lost"), not_found("pods", "lost")], ids=["changed", "gone"]
)
async def test_what_changed_meanwhile_is_left_to_the_next_look(
    simulator: ApiSimulator, claims: Claims, answer: Any
) -> None:
    lost = simulator.put(PODS, pod("lost", owner=OURS, labels=STRANGER))
    simulator.answers = [answer]
    assert await claims.claim(replica_set(), [lost]) == []


@pytest.mark.parametrize("given", [pod("p", owner=OURS, labels=STRANGER), pod("p")])
async def test_other_refusals_are_raised(
    simulator: ApiSimulator, claims: Claims, given: Object
) -> None:
    obj = simulator.put(PODS, given)
    simulator.answers = [internal("not now")]
    with pytest.raises(type(internal(""))):
        await claims.claim(replica_set(), [obj])
