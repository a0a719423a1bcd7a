"""`kubelet.mirror_pods` and `kubelet.object_source` at an API that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from podpass.api.errors import StatusError, conflict, forbidden
from podpass.api.meta import uid_of
from podpass.api.resources import CONFIG_MAPS, PODS, SECRETS, Object
from podpass.client.config import ClientConfig
from podpass.client.rest import RestClient
from podpass.kubelet.mirror_pods import MirrorPods, is_mirror_of, mirror_pod
from podpass.kubelet.object_source import TIME_TO_LIVE, ApiObjectSource, SourceFailed
from podpass.kubelet.pod_spec import CONFIG_MIRROR
from podpass.kubelet.token_manager import TokenKey, TokenManager
from podpass.testing.api_simulator import ApiSimulator
from podpass.testing.fake_clock import FakeClock, until

STATIC: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p-n", "namespace": "ns", "uid": "hash", "annotations": {"a": "b"}},
    "spec": {"containers": []},
}
NODE = {"metadata": {"name": "n", "uid": "node-uid"}}


def test_a_mirror_names_its_pod_and_its_node() -> None:
    mirror = mirror_pod(STATIC, NODE)
    assert mirror["metadata"] == {
        "name": "p-n",
        "namespace": "ns",
        "annotations": {"a": "b", CONFIG_MIRROR: "hash"},
        "ownerReferences": [
            {
                "apiVersion": "v1",
                "kind": "Node",
                "name": "n",
                "uid": "node-uid",
                "controller": True,
            }
        ],
    }
    assert is_mirror_of(mirror, STATIC)
    assert not is_mirror_of(mirror, {"metadata": {"uid": "other"}})


class Mirrors:
    """Mirrors and the API they are in."""

    def __init__(self, api: ApiSimulator, client: RestClient) -> None:
        self.api = api
        self.clock = FakeClock()
        self.node: Object | None = NODE
        self.mirrors = MirrorPods(
            client,
            self.clock,
            find=lambda namespace, name: api.object(PODS, namespace, name),
            node=lambda: self.node,
        )

    def mirror(self) -> Object | None:
        return self.api.object(PODS, "ns", "p-n")

    async def settle(self, condition: object) -> None:
        assert callable(condition)
        for _ in range(100):
            if condition():
                return
            await self.clock.advance(0.5)
            await asyncio.sleep(0.005)
        raise AssertionError("the condition did not come true")


@pytest.fixture
async def world() -> AsyncIterator[Mirrors]:
    async with ApiSimulator() as api, RestClient(ClientConfig(api.url)) as client:
        one = Mirrors(api, client)
        task = asyncio.create_task(one.mirrors.run())
        yield one
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_mirror_is_made_once_the_node_is_known(world: Mirrors) -> None:
    world.node = None
    world.mirrors.set_static_pods([STATIC])
    await world.clock.advance(2)
    assert world.mirror() is None
    world.node = NODE
    await world.settle(world.mirror)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(forbidden("pods", "p-n", "no namespace yet"), id="refused"),
        pytest.param(StatusError(503, "", "not now"), id="not now"),
    ],
)
async def test_a_refusal_is_tried_again(world: Mirrors, answer: StatusError) -> None:
    world.api.answers = [answer]
    world.mirrors.set_static_pods([STATIC])
    await world.settle(world.mirror)


async def test_a_broken_connection_is_tried_again(world: Mirrors) -> None:
    world.api.breaks = 1
    world.mirrors.set_static_pods([STATIC])
    await world.settle(world.mirror)


async def test_a_mirror_of_a_former_manifest_is_replaced(world: Mirrors) -> None:
    former = mirror_pod(STATIC | {"metadata": STATIC["metadata"] | {"uid": "former"}}, NODE)
    world.api.put(PODS, former)
    world.mirrors.set_static_pods([STATIC])

    def replaced() -> bool:
        mirror = world.mirror()
        return mirror is not None and is_mirror_of(mirror, STATIC)

    await world.settle(replaced)


async def test_a_mirror_without_a_pod_is_deleted_even_at_the_second_attempt(
    world: Mirrors,
) -> None:
    world.mirrors.set_static_pods([STATIC])
    await world.settle(world.mirror)
    world.api.answers = [conflict("pods", "p-n")]
    world.mirrors.set_static_pods([])
    await until(lambda: not world.api.answers)
    mirror = world.mirror()
    assert mirror is not None
    world.mirrors.api_pod_changed(mirror)
    await world.settle(lambda: world.mirror() is None)


async def test_a_deletion_that_is_refused_is_tried_again(world: Mirrors) -> None:
    world.mirrors.set_static_pods([STATIC])
    await world.settle(world.mirror)
    world.api.answers = [StatusError(500, "InternalError", "oh")]
    world.mirrors.set_static_pods([])
    await world.settle(lambda: world.mirror() is None)


async def test_a_pod_of_that_name_that_is_no_mirror_is_left_alone(world: Mirrors) -> None:
    world.api.put(PODS, {"metadata": {"name": "p-n", "namespace": "ns"}})
    before = world.mirror()
    world.mirrors.set_static_pods([STATIC])
    await until(lambda: any(method == "POST" for method, _, _ in world.api.requests))
    await world.clock.advance(2)
    assert world.mirror() == before


async def test_pods_that_have_nothing_to_do_with_it_are_ignored(world: Mirrors) -> None:
    world.mirrors.api_pod_changed({"metadata": {"name": "x", "namespace": "ns"}})
    await world.clock.advance(1)
    assert world.api.requests == []


# kubelet.object_source


class Sources:
    """A source of objects on a clock that stands still."""

    def __init__(self, api: ApiSimulator, client: RestClient) -> None:
        self.api = api
        self.clock = FakeClock()
        self.source = ApiObjectSource(client, TokenManager(self.issue, self.clock), self.clock)

    async def issue(self, key: TokenKey) -> Object:
        return {"spec": {}, "status": {"token": f"token of {key.pod_name}"}}


@pytest.fixture
async def sources() -> AsyncIterator[Sources]:
    async with ApiSimulator() as api, RestClient(ClientConfig(api.url)) as client:
        yield Sources(api, client)


async def test_pods_of_a_burst_share_one_read(sources: Sources) -> None:
    sources.api.put(CONFIG_MAPS, {"metadata": {"name": "c", "namespace": "ns"}, "data": {"a": "1"}})
    found = await asyncio.gather(*(sources.source.config_map("ns", "c") for _ in range(5)))
    assert [(one or {})["data"] for one in found] == [{"a": "1"}] * 5
    assert len(sources.api.requests) == 1


async def test_a_change_is_seen_after_a_few_seconds(sources: Sources) -> None:
    secret = {"metadata": {"name": "s", "namespace": "ns"}, "data": {"a": "MQ=="}}
    sources.api.put(SECRETS, secret)
    await sources.source.secret("ns", "s")
    sources.api.put(SECRETS, secret | {"data": {"a": "Mg=="}})
    await sources.clock.advance(TIME_TO_LIVE - 0.1)
    assert ((await sources.source.secret("ns", "s")) or {})["data"] == {"a": "MQ=="}
    await sources.clock.advance(0.1)
    assert ((await sources.source.secret("ns", "s")) or {})["data"] == {"a": "Mg=="}


async def test_that_something_is_missing_is_not_remembered(sources: Sources) -> None:
    assert await sources.source.secret("ns", "s") is None
    sources.api.put(SECRETS, {"metadata": {"name": "s", "namespace": "ns"}})
    found = await sources.source.secret("ns", "s")
    assert found is not None
    assert uid_of(found)


async def test_what_is_refused_or_away_is_a_failure(sources: Sources) -> None:
    sources.api.answers = [forbidden("secrets", "s", "not yours")]
    with pytest.raises(SourceFailed, match="not yours"):
        await sources.source.secret("ns", "s")
    await sources.api.stop()
    with pytest.raises(SourceFailed, match="refused"):
        await sources.source.secret("ns", "s")


async def test_tokens_come_from_the_token_manager(sources: Sources) -> None:
    key = TokenKey("ns", "robot", (), 3600, "p", "u")
    assert await sources.source.token(key) == "token of p"
