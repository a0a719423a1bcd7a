from collections.abc import AsyncIterator

import pytest
from hypothesis import settings
from storage.contract import StoreContract
from storage.model import StoreMachine

from podpass.storage.interface import Store, StoreRevision, StoreUnavailable
from podpass.testing.memory_store import MemoryStore


@pytest.fixture
async def store() -> AsyncIterator[MemoryStore]:
    store = MemoryStore()
    yield store
    await store.close()


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def peer(self, store: Store) -> Store:
        return store


async def open_in_memory() -> list[Store]:
    return [MemoryStore()]


class MemoryMachine(StoreMachine):
    open_handles = staticmethod(open_in_memory)


TestMemoryModel = MemoryMachine.TestCase
TestMemoryModel.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


async def test_failure_makes_every_call_fail(store: MemoryStore) -> None:
    store.failure = "the disk is full"
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await store.get("/a/x")
    with pytest.raises(StoreUnavailable, match="disk is full"):
        await anext(store.watch("/a/", StoreRevision(0)))
    store.failure = ""
    await store.create("/a/x", b"")
