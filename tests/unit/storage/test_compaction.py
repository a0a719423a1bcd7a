import asyncio
import logging

import pytest

from podpass.storage.compaction import Compactor
from podpass.storage.interface import Compacted, StoreRevision
from podpass.testing.fake_clock import FakeClock, settle
from podpass.testing.memory_store import MemoryStore


async def test_history_is_kept_for_one_interval_and_no_more_than_two(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store, clock = MemoryStore(), FakeClock()
    task = asyncio.create_task(Compactor(store, clock=clock, interval=300).run())
    await settle()
    first = await store.create("/a/x", b"")
    await clock.advance(300)
    second = await store.create("/a/y", b"")
    await clock.advance(299)
    await store.list("/a/", revision=first.mod_revision)
    await clock.advance(1)
    await store.list("/a/", revision=first.mod_revision)
    with caplog.at_level(logging.WARNING):
        store.failure = "the disk is away"
        await clock.advance(300)
    assert "no compaction: the disk is away" in caplog.text
    store.failure = ""
    await clock.advance(300)
    with pytest.raises(Compacted):
        await store.list("/a/", revision=StoreRevision(first.mod_revision))
    await store.list("/a/", revision=second.mod_revision)
    task.cancel()
