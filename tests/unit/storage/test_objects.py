from collections.abc import Awaitable, Callable

import pytest
from storage.sample_objects import config_map, node

from podpass.api.errors import StatusError
from podpass.api.resources import (
    CLUSTER_ROLES,
    CONFIG_MAPS,
    LEASES,
    NODES,
    Object,
    Resource,
)
from podpass.storage.interface import KeyValue, StoreRevision
from podpass.storage.objects import ObjectStore
from podpass.storage.stored_object import StoredObject
from podpass.testing.memory_store import MemoryStore


class RacingStore(MemoryStore):
    """Lets another writer in between our read and our write, once."""

    race: Callable[[], Awaitable[object]] | None = None

    async def update(self, key: str, value: bytes, expected_revision: StoreRevision) -> KeyValue:
        await self._run_race()
        return await super().update(key, value, expected_revision)

    async def delete(self, key: str, expected_revision: StoreRevision) -> StoreRevision:
        await self._run_race()
        return await super().delete(key, expected_revision)

    async def _run_race(self) -> None:
        race, self.race = self.race, None
        if race is not None:
            await race()


@pytest.fixture
def store() -> RacingStore:
    return RacingStore()


@pytest.fixture
def objects(store: MemoryStore) -> ObjectStore:
    return ObjectStore(store)


def with_data(text: str) -> Callable[[Object], Object]:
    return lambda obj: {**obj, "data": {"key": text}}


def names(items: list[StoredObject]) -> list[str]:
    return [item.object["metadata"]["name"] for item in items]


@pytest.mark.parametrize(
    ("resource", "namespace", "key"),
    [
        pytest.param(CONFIG_MAPS, "ns", "/registry/core/configmaps/ns/x", id="core, namespaced"),
        pytest.param(NODES, "", "/registry/core/nodes/x", id="core, cluster scope"),
        pytest.param(NODES, "ns", "/registry/core/nodes/x", id="namespace means nothing there"),
        pytest.param(LEASES, "ns", "/registry/coordination.k8s.io/leases/ns/x", id="group"),
        pytest.param(
            CLUSTER_ROLES,
            "",
            "/registry/rbac.authorization.k8s.io/clusterroles/x",
            id="group, cluster scope",
        ),
    ],
)
def test_key(objects: ObjectStore, resource: Resource, namespace: str, key: str) -> None:
    assert objects.key(resource, namespace, "x") == key


def test_keys_start_with_the_prefix(store: MemoryStore) -> None:
    assert ObjectStore(store, prefix="/mine").key(NODES, "", "x") == "/mine/core/nodes/x"


@pytest.mark.parametrize(
    ("namespace", "name"),
    [("ns", ""), ("", "x"), ("ns", "a/b"), ("n/s", "x")],
)
def test_names_that_would_leave_their_place_are_refused(
    objects: ObjectStore, namespace: str, name: str
) -> None:
    with pytest.raises(StatusError) as refused:
        objects.key(CONFIG_MAPS, namespace, name)
    assert refused.value.code == 400


async def test_created_object_is_read_back(objects: ObjectStore) -> None:
    made = await objects.create(CONFIG_MAPS, config_map("x", data="one"))
    found = await objects.get(CONFIG_MAPS, "ns", "x")
    assert found.raw == made.raw
    assert found.object["metadata"]["resourceVersion"] == str(made.revision)
    assert await objects.current_revision() == made.revision


async def test_errors_name_resource_and_object(objects: ObjectStore) -> None:
    await objects.create(NODES, node("n"))
    with pytest.raises(StatusError, match=r'^nodes "n" already exists$') as exists:
        await objects.create(NODES, node("n"))
    assert (exists.value.code, exists.value.reason) == (409, "AlreadyExists")
    with pytest.raises(StatusError, match=r'^leases.coordination.k8s.io "x" not found$') as missing:
        await objects.get(LEASES, "ns", "x")
    assert (missing.value.code, missing.value.reason) == (404, "NotFound")


async def test_update_changes_a_copy(objects: ObjectStore) -> None:
    made = await objects.create(CONFIG_MAPS, config_map("x"))
    seen: list[Object] = []

    def change(obj: Object) -> Object:
        seen.append(obj)
        obj["data"] = {"key": "two"}
        return obj

    updated = await objects.update(CONFIG_MAPS, "ns", "x", change, current=made)
    assert seen[0]["metadata"]["resourceVersion"] == str(made.revision)
    assert "data" not in made.object
    assert updated.object["data"] == {"key": "two"}
    assert updated.revision > made.revision


@pytest.mark.parametrize("guess", [False, True], ids=["read live", "with a guess"])
async def test_update_that_changes_nothing_writes_nothing(
    objects: ObjectStore, guess: bool
) -> None:
    made = await objects.create(CONFIG_MAPS, config_map("x", data="one"))

    def reorder(obj: Object) -> Object:
        obj["metadata"].pop("resourceVersion")
        return dict(reversed(obj.items()))

    current = made if guess else None
    same = await objects.update(CONFIG_MAPS, "ns", "x", reorder, current=current)
    assert same.revision == made.revision == await objects.current_revision()


async def test_update_on_a_stale_guess_runs_again_on_the_real_state(objects: ObjectStore) -> None:
    stale = await objects.create(CONFIG_MAPS, config_map("x"))
    await objects.update(CONFIG_MAPS, "ns", "x", with_data("theirs"))

    def label(obj: Object) -> Object:
        obj["metadata"]["labels"] = {"mine": "yes"}
        return obj

    updated = await objects.update(CONFIG_MAPS, "ns", "x", label, current=stale)
    assert updated.object["data"] == {"key": "theirs"}
    assert updated.object["metadata"]["labels"] == {"mine": "yes"}


async def test_stale_guess_that_looks_unchanged_is_not_believed(objects: ObjectStore) -> None:
    stale = await objects.create(CONFIG_MAPS, config_map("x", data="one"))
    await objects.update(CONFIG_MAPS, "ns", "x", with_data("two"))
    updated = await objects.update(CONFIG_MAPS, "ns", "x", with_data("one"), current=stale)
    assert updated.object["data"] == {"key": "one"}
    assert updated.revision == await objects.current_revision() > stale.revision


async def test_refusal_on_a_stale_guess_is_looked_at_again(objects: ObjectStore) -> None:
    stale = await objects.create(CONFIG_MAPS, config_map("x", data="bad"))
    await objects.update(CONFIG_MAPS, "ns", "x", with_data("good"))

    def refuse_bad(obj: Object) -> Object:
        if obj["data"]["key"] == "bad":
            raise StatusError(422, "Invalid", "bad")
        return with_data("better")(obj)

    updated = await objects.update(CONFIG_MAPS, "ns", "x", refuse_bad, current=stale)
    assert updated.object["data"] == {"key": "better"}


async def test_refusal_on_the_real_state_stands(objects: ObjectStore) -> None:
    await objects.create(CONFIG_MAPS, config_map("x"))

    def refuse(_: Object) -> Object:
        raise StatusError(422, "Invalid", "no")

    with pytest.raises(StatusError, match="no"):
        await objects.update(CONFIG_MAPS, "ns", "x", refuse)


async def test_guess_of_a_deleted_object_is_not_found(objects: ObjectStore) -> None:
    stale = await objects.create(CONFIG_MAPS, config_map("x"))
    await objects.delete(CONFIG_MAPS, "ns", "x")
    with pytest.raises(StatusError) as missing:
        await objects.update(CONFIG_MAPS, "ns", "x", with_data("two"), current=stale)
    assert missing.value.code == 404


async def test_lost_race_runs_again_without_an_expected_version(
    store: RacingStore, objects: ObjectStore
) -> None:
    await objects.create(CONFIG_MAPS, config_map("x", data="1"))

    def increment(obj: Object) -> Object:
        return with_data(str(int(obj["data"]["key"]) + 1))(obj)

    store.race = lambda: objects.update(CONFIG_MAPS, "ns", "x", with_data("10"))
    updated = await objects.update(CONFIG_MAPS, "ns", "x", increment)
    assert updated.object["data"] == {"key": "11"}


async def test_lost_race_is_a_conflict_with_an_expected_version(
    store: RacingStore, objects: ObjectStore
) -> None:
    made = await objects.create(CONFIG_MAPS, config_map("x", data="1"))
    store.race = lambda: objects.update(CONFIG_MAPS, "ns", "x", with_data("10"))
    with pytest.raises(StatusError, match="the object has been modified"):
        await objects.update(
            CONFIG_MAPS,
            "ns",
            "x",
            with_data("2"),
            expected_resource_version=str(made.revision),
        )


async def test_delete_after_a_lost_race_looks_again(
    store: RacingStore, objects: ObjectStore
) -> None:
    await objects.create(CONFIG_MAPS, config_map("x", data="1"))
    store.race = lambda: objects.update(CONFIG_MAPS, "ns", "x", with_data("2"))
    gone = await objects.delete(CONFIG_MAPS, "ns", "x")
    assert gone.object["data"] == {"key": "2"}
    made = await objects.create(CONFIG_MAPS, config_map("x"))
    store.race = lambda: objects.update(CONFIG_MAPS, "ns", "x", with_data("2"))
    with pytest.raises(StatusError, match="ResourceVersion in the precondition"):
        await objects.delete(CONFIG_MAPS, "ns", "x", expected_resource_version=str(made.revision))
    store.race = lambda: objects.delete(CONFIG_MAPS, "ns", "x")
    with pytest.raises(StatusError) as missing:
        await objects.delete(CONFIG_MAPS, "ns", "x")
    assert missing.value.code == 404


async def test_update_with_expectations(objects: ObjectStore) -> None:
    made = await objects.create(CONFIG_MAPS, config_map("x", uid="u1"))
    version = str(made.revision)
    updated = await objects.update(
        CONFIG_MAPS,
        "ns",
        "x",
        with_data("two"),
        expected_resource_version=version,
        expected_uid="u1",
    )
    with pytest.raises(StatusError, match="the object has been modified; please apply") as stale:
        await objects.update(
            CONFIG_MAPS, "ns", "x", with_data("three"), expected_resource_version=version
        )
    assert (stale.value.code, stale.value.reason) == (409, "Conflict")
    with pytest.raises(
        StatusError, match="UID in precondition: u2, UID in object meta: u1"
    ) as other:
        await objects.update(CONFIG_MAPS, "ns", "x", with_data("three"), expected_uid="u2")
    assert other.value.code == 409
    assert (await objects.get(CONFIG_MAPS, "ns", "x")).revision == updated.revision


async def test_delete_returns_the_last_state_at_the_revision_of_the_deletion(
    objects: ObjectStore,
) -> None:
    made = await objects.create(CONFIG_MAPS, config_map("x", data="one"))
    gone = await objects.delete(CONFIG_MAPS, "ns", "x")
    assert gone.revision == await objects.current_revision() > made.revision
    assert gone.object["data"] == {"key": "one"}
    assert gone.object["metadata"]["resourceVersion"] == str(gone.revision)
    with pytest.raises(StatusError) as missing:
        await objects.delete(CONFIG_MAPS, "ns", "x")
    assert missing.value.code == 404


async def test_delete_with_expectations(objects: ObjectStore) -> None:
    made = await objects.create(CONFIG_MAPS, config_map("x", uid="u1"))
    with pytest.raises(StatusError, match=r"UID in the precondition \(u2\).*record \(u1\)"):
        await objects.delete(CONFIG_MAPS, "ns", "x", expected_uid="u2")
    with pytest.raises(StatusError, match=r"ResourceVersion in the precondition \(0\)") as stale:
        await objects.delete(CONFIG_MAPS, "ns", "x", expected_resource_version="0")
    assert (stale.value.code, stale.value.reason) == (409, "Conflict")
    await objects.delete(
        CONFIG_MAPS, "ns", "x", expected_uid="u1", expected_resource_version=str(made.revision)
    )


async def test_list_of_all_namespaces_and_of_one(objects: ObjectStore) -> None:
    for name, namespace in (("b", "one"), ("a", "two"), ("a", "one"), ("c", "one-more")):
        await objects.create(CONFIG_MAPS, config_map(name, namespace))
    everything = await objects.list(CONFIG_MAPS, None)
    # One store, one order of keys: `one-more/` sorts before `one/`.
    assert names(everything.items) == ["c", "a", "b", "a"]
    assert names((await objects.list(CONFIG_MAPS, "one")).items) == ["a", "b"]
    assert (await objects.list(CONFIG_MAPS, "none")).items == []
    assert everything.revision == await objects.current_revision()


async def test_pages_show_the_state_of_the_first(objects: ObjectStore) -> None:
    for name in "abcde":
        await objects.create(CONFIG_MAPS, config_map(name))
    first = await objects.list(CONFIG_MAPS, "ns", limit=2)
    assert (names(first.items), first.remaining) == (["a", "b"], 3)
    await objects.delete(CONFIG_MAPS, "ns", "c")
    await objects.create(CONFIG_MAPS, config_map("bb"))
    second = await objects.list(CONFIG_MAPS, "ns", limit=2, continue_token=first.continue_token)
    assert (names(second.items), second.remaining) == (["c", "d"], 1)
    last = await objects.list(CONFIG_MAPS, "ns", limit=2, continue_token=second.continue_token)
    assert (names(last.items), last.remaining, last.continue_token) == (["e"], 0, "")
    assert first.revision == second.revision == last.revision


async def test_expired_continue_token_offers_an_inconsistent_one(objects: ObjectStore) -> None:
    for name in "abc":
        await objects.create(CONFIG_MAPS, config_map(name))
    first = await objects.list(CONFIG_MAPS, "ns", limit=1)
    newest = await objects.create(CONFIG_MAPS, config_map("bb"))
    await objects.store.compact(newest.revision)
    with pytest.raises(StatusError, match="The provided continue parameter is too old") as expired:
        await objects.list(CONFIG_MAPS, "ns", limit=1, continue_token=first.continue_token)
    assert (expired.value.code, expired.value.reason) == (410, "Expired")
    token = expired.value.to_status()["metadata"]["continue"]
    rest = await objects.list(CONFIG_MAPS, "ns", continue_token=token)
    assert names(rest.items) == ["b", "bb", "c"]


async def test_list_at_a_revision(objects: ObjectStore) -> None:
    made = await objects.create(CONFIG_MAPS, config_map("a"))
    newest = await objects.create(CONFIG_MAPS, config_map("b"))
    assert names((await objects.list(CONFIG_MAPS, "ns", revision=made.revision)).items) == ["a"]
    with pytest.raises(StatusError, match="Too large resource version: 3, current: 2") as future:
        await objects.list(CONFIG_MAPS, "ns", revision=newest.revision + 1)
    assert (future.value.code, future.value.reason) == (504, "Timeout")
    assert future.value.details is not None
    assert future.value.details["causes"][0]["reason"] == "ResourceVersionTooLarge"
    await objects.store.compact(newest.revision)
    with pytest.raises(StatusError, match="for the provided list is too old") as old:
        await objects.list(CONFIG_MAPS, "ns", revision=made.revision)
    assert old.value.to_status()["metadata"] == {}


async def test_store_that_is_away_is_503(store: MemoryStore, objects: ObjectStore) -> None:
    made = await objects.create(CONFIG_MAPS, config_map("x"))
    store.failure = "store /x: the disk is full"
    for call in (
        objects.get(CONFIG_MAPS, "ns", "x"),
        objects.create(CONFIG_MAPS, config_map("y")),
        objects.update(CONFIG_MAPS, "ns", "x", with_data("two")),
        objects.update(CONFIG_MAPS, "ns", "x", with_data("two"), current=made),
        objects.delete(CONFIG_MAPS, "ns", "x"),
        objects.list(CONFIG_MAPS, None),
        objects.current_revision(),
    ):
        with pytest.raises(StatusError, match="the disk is full") as away:
            await call
        assert (away.value.code, away.value.reason) == (503, "ServiceUnavailable")
