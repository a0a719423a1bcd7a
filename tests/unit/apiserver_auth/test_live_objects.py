"""When the cache is believed, and when the store is asked."""

from __future__ import annotations

import pytest

from podpass.api.errors import StatusError
from podpass.api.resources import PODS
from podpass.apiserver.live_objects import LiveObjects
from podpass.serviceaccount.claims import ObjectRef
from podpass.storage.cached_objects import CachedObjects

from .conftest import World


@pytest.fixture
async def behind(world: World) -> LiveObjects:
    """Live objects over a cache that has seen nothing yet."""
    await world.put(PODS, {"metadata": {"name": "p", "namespace": "ns1"}})
    return LiveObjects(CachedObjects(world.objects, clock=world.clock))


@pytest.mark.rule("ha.cache-then-live", "ha.identity")
async def test_what_the_cache_does_not_have_is_read_live(behind: LiveObjects) -> None:
    assert (await behind.get(PODS, "ns1", "p"))["metadata"]["uid"] == "uid-p"


@pytest.mark.rule("ha.cache-then-live", "ha.stale-uid")
async def test_what_the_cache_has_is_not_read_again(world: World) -> None:
    await world.put(PODS, {"metadata": {"name": "p", "namespace": "ns1"}})
    world.store.failure = "disk I/O error"
    for uid in ("", "uid-p"):
        assert (await world.live.get(PODS, "ns1", "p", uid))["metadata"]["uid"] == "uid-p"
    with pytest.raises(StatusError):
        await world.live.get(PODS, "ns1", "p", "another")
    world.store.failure = ""
    assert (await world.live.get(PODS, "ns1", "p", "another"))["metadata"]["uid"] == "uid-p"


@pytest.mark.rule("ha.cache-then-live")
async def test_what_is_nowhere_is_not_found(world: World) -> None:
    with pytest.raises(StatusError) as caught:
        await world.live.get(PODS, "ns1", "p")
    assert caught.value.code == 404
    assert await world.live.find(PODS, "ns1", ObjectRef("p", "u")) is None


async def test_a_store_that_is_away_does_not_mean_gone(world: World) -> None:
    world.store.failure = "disk I/O error"
    with pytest.raises(StatusError) as caught:
        await world.live.find(PODS, "ns1", ObjectRef("p", "u"))
    world.store.failure = ""
    assert caught.value.code == 503
