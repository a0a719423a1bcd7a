"""Versions of a template are kept, found again and dropped."""

import pytest
from controllers.workload_samples import names, owner_reference, workload

from podpass.api.errors import StatusError, internal
from podpass.api.resources import CONTROLLER_REVISIONS, DAEMON_SETS, Object
from podpass.client.informer import Informer
from podpass.client.rest import RestClient
from podpass.controllers.revision_history import (
    Collision,
    RevisionHistory,
    hash_of,
    in_order,
    new_revision,
    revisions_to_drop,
    template_in,
)
from podpass.controllers.shared_informers import SharedInformers
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.fake_clock import FakeClock, until

OWNER = workload(DAEMON_SETS, revisionHistoryLimit=1)


def revision(number: int, image: str = "nginx", **metadata: object) -> Object:
    owner = workload(DAEMON_SETS)
    owner["spec"]["template"]["spec"]["containers"][0]["image"] = image
    made = new_revision(DAEMON_SETS, owner, number)
    made["metadata"] |= metadata
    return made


def test_a_revision_keeps_the_template_as_a_patch() -> None:
    made = new_revision(DAEMON_SETS, OWNER, 3)
    digest = hash_of(made)
    assert made["revision"] == 3
    assert made["metadata"] == {
        "name": f"web-{digest}",
        "namespace": "ns",
        "labels": {"app": "web", "controller.kubernetes.io/hash": digest},
        "ownerReferences": [owner_reference(DAEMON_SETS, "web", "uid-of-web")],
    }
    assert made["data"]["spec"]["template"]["$patch"] == "replace"
    assert template_in(made) == OWNER["spec"]["template"]
    collided = OWNER | {"status": {"collisionCount": 1}}
    assert hash_of(new_revision(DAEMON_SETS, collided, 3)) != digest


@pytest.mark.parametrize(
    ("limit", "dropped"),
    [
        pytest.param(None, [], id="no limit"),
        pytest.param(2, [], id="as many as allowed"),
        pytest.param(1, ["b"], id="the lowest"),
        pytest.param(0, ["b", "c"], id="all that nobody has"),
    ],
)
def test_revisions_to_drop(limit: int | None, dropped: list[str]) -> None:
    given = [
        revision(3, name="c"),
        revision(1, name="live"),
        revision(2, name="b"),
        revision(0, name="going", deletionTimestamp="t"),
    ]
    owner = workload(DAEMON_SETS, revisionHistoryLimit=limit)
    assert names(revisions_to_drop(owner, given, {"live"})) == dropped


@pytest.fixture
def history(client: RestClient, informers: SharedInformers) -> RevisionHistory:
    return RevisionHistory(client, DAEMON_SETS, informers[CONTROLLER_REVISIONS])


async def test_a_missing_revision_is_created_with_the_next_number(
    simulator: ApiSimulator, history: RevisionHistory
) -> None:
    made = await history.update_revision(OWNER, [revision(4, "nginx:1")])
    assert isinstance(made, dict)
    assert made["revision"] == 5
    assert simulator.objects(CONTROLLER_REVISIONS) == [made]


async def test_the_newest_with_the_template_is_taken_as_it_is(
    simulator: ApiSimulator, history: RevisionHistory
) -> None:
    revisions = in_order([revision(2), revision(1, "nginx:1")])
    assert await history.update_revision(OWNER, revisions) is revisions[1]
    assert simulator.objects(CONTROLLER_REVISIONS) == []


async def test_an_old_one_with_the_template_gets_the_highest_number(
    simulator: ApiSimulator, history: RevisionHistory
) -> None:
    old = simulator.put(CONTROLLER_REVISIONS, revision(1))
    found = await history.update_revision(OWNER, [old, revision(2, "nginx:1")])
    assert isinstance(found, dict)
    assert (found["metadata"]["name"], found["revision"]) == (old["metadata"]["name"], 3)


async def test_one_that_was_created_a_moment_ago_is_found(
    simulator: ApiSimulator, history: RevisionHistory
) -> None:
    stored = simulator.put(CONTROLLER_REVISIONS, revision(1))
    assert await history.update_revision(OWNER, []) == stored


async def test_another_template_under_the_name_is_a_collision(
    simulator: ApiSimulator, history: RevisionHistory
) -> None:
    name = revision(1)["metadata"]["name"]
    simulator.put(CONTROLLER_REVISIONS, revision(1, "nginx:1", name=name))
    assert await history.update_revision(OWNER, []) == Collision()


async def test_refusals_are_raised(simulator: ApiSimulator, client: RestClient) -> None:
    clock = FakeClock()
    informer = Informer(client, CONTROLLER_REVISIONS, clock=clock)  # not started
    history = RevisionHistory(client, DAEMON_SETS, informer)
    simulator.answers = [internal("not now")]
    with pytest.raises(StatusError, match="not now"):
        await history.update_revision(OWNER, [])
    simulator.answers = [internal("not now")]
    with pytest.raises(StatusError, match="not now"):
        await history.drop(OWNER, [revision(1), revision(2, "x")], set())


async def test_dropping_what_is_gone_is_fine(
    simulator: ApiSimulator, informers: SharedInformers, history: RevisionHistory
) -> None:
    kept = simulator.put(CONTROLLER_REVISIONS, revision(3))
    old = simulator.put(CONTROLLER_REVISIONS, revision(2, "nginx:1"))
    await until(lambda: len(informers[CONTROLLER_REVISIONS].list()) == 2)
    assert await history.of(OWNER) == [old, kept]
    await history.drop(OWNER, [revision(1, "gone"), old, kept], set())
    assert simulator.objects(CONTROLLER_REVISIONS) == [kept]
