"""Objects from the cache that are as new as the store."""

from __future__ import annotations

import asyncio

import pytest

from podpass.api.errors import StatusError
from podpass.api.resources import PODS
from podpass.apiserver import fresh_reads
from podpass.apiserver.fresh_reads import FreshObjects, FreshReads
from podpass.storage.cached_objects import CachedObjects

from .conftest import World

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "ns1"}}


async def test_what_another_server_wrote_a_moment_ago_is_seen(world: World) -> None:
    await world.objects.create(PODS, POD)
    assert (await world.fresh.get(PODS, "ns1", "p"))["metadata"]["name"] == "p"
    changed = {**POD, "spec": {"nodeName": "n"}}
    await world.objects.update(PODS, "ns1", "p", lambda _: changed)
    assert (await world.fresh.get(PODS, "ns1", "p"))["spec"] == {"nodeName": "n"}
    await world.objects.delete(PODS, "ns1", "p")
    with pytest.raises(StatusError) as caught:
        await world.fresh.get(PODS, "ns1", "p")
    assert caught.value.code == 404


async def test_all_who_read_at_one_time_get_the_same_decoded_object(world: World) -> None:
    await world.put(PODS, {"metadata": {"name": "p", "namespace": "ns1"}})
    found = await asyncio.gather(*(world.fresh.get(PODS, "ns1", "p") for _ in range(10)))
    assert all(one is found[0] for one in found)


async def test_a_cache_that_lags_is_passed_by(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fresh_reads, "WAIT_SECONDS", 0.01)
    unfed = CachedObjects(world.objects, clock=world.clock)
    fresh = FreshObjects(FreshReads(world.objects), unfed)
    await world.objects.create(PODS, POD)
    assert (await fresh.get(PODS, "ns1", "p"))["metadata"]["name"] == "p"
    with pytest.raises(StatusError) as caught:
        await fresh.get(PODS, "ns1", "another")
    assert caught.value.code == 404


async def test_a_store_that_is_away_is_not_passed_by(world: World) -> None:
    await world.put(PODS, {"metadata": {"name": "p", "namespace": "ns1"}})
    world.store.failure = "disk I/O error"
    with pytest.raises(StatusError) as caught:
        await world.fresh.get(PODS, "ns1", "p")
    world.store.failure = ""
    assert caught.value.code == 503
