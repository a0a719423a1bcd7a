"""Stores under several clients: the history that they see is that of one store."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from podpass.storage.interface import KeyValue, StoreRevision
from podpass.storage.sqlite import SqliteStore
from podpass.testing.memory_store import MemoryStore
from tests.chaos.history import Record, problems
from tests.chaos.register_client import RegisterClient, Registers
from tests.chaos.register_process import read_records

REPOSITORY = Path(__file__).parents[3]
KEYS = ("/r/a", "/r/b", "/r/c")


async def history_of(stores: Sequence[Registers], *, steps: int) -> list[Record]:
    records: dict[int, Record] = {}

    def keep(record: Record) -> None:
        records[id(record)] = record

    await asyncio.gather(
        *(
            RegisterClient(store, KEYS, name=f"c{number}", seed=1, keep=keep).run(
                pause=0.0, steps=steps
            )
            for number, store in enumerate(stores)
        )
    )
    return list(records.values())


async def test_a_good_store_has_a_good_history() -> None:
    store = MemoryStore()
    records = await history_of([store] * 3, steps=200)
    assert problems(records) == []
    assert {one.outcome for one in records} == {"done", "found", "missing", "conflict"}


class ForgetfulStore(MemoryStore):
    """Answers that a write was done, and now and then it was not."""

    async def update(self, key: str, value: bytes, expected_revision: StoreRevision) -> KeyValue:
        found = await super().get(key)
        if found is not None and found.mod_revision % 20 == 0:
            revision = StoreRevision(await self.current_revision() + 1)
            return KeyValue(key, value, found.create_revision, revision)
        return await super().update(key, value, expected_revision)


class StaleStore(MemoryStore):
    """Reads what was there some time ago."""

    def __init__(self) -> None:
        super().__init__()
        self._old: dict[str, KeyValue | None] = {}
        self._reads = 0

    async def get(self, key: str) -> KeyValue | None:
        self._reads += 1
        if self._reads % 10 == 0 and key in self._old:
            return self._old[key]
        self._old[key] = await super().get(key)
        return self._old[key]


async def test_a_store_that_loses_writes_is_found_out() -> None:
    store = ForgetfulStore()
    assert problems(await history_of([store] * 2, steps=200))


async def test_a_store_with_stale_reads_is_found_out() -> None:
    store = StaleStore()
    assert any(
        "not linearizable" in one for one in problems(await history_of([store] * 2, steps=200))
    )


def test_processes_at_one_file_have_one_history_though_one_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "podpass.db"
    asyncio.run(make(path))
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.register_process", path, f"p{number}", "1",
             "0" if number == 0 else "400", *KEYS],
            stdout=subprocess.PIPE, text=True, cwd=REPOSITORY,
        )
        for number in range(3)
    ]  # fmt: skip
    doomed = processes[0]
    assert doomed.stdout is not None
    lines = [doomed.stdout.readline() for _ in range(400)]
    doomed.kill()
    with doomed:  # not by communicate(), which does not see what was read ahead
        lines += doomed.stdout.read().splitlines()
    records = read_records(lines)
    for process in processes[1:]:
        records += read_records(process.communicate(timeout=60)[0].splitlines())
        assert process.returncode == 0
    assert problems(records) == []
    assert len([one for one in records if one.acknowledged]) > 100


async def make(path: Path) -> None:
    store = await SqliteStore.open(path)
    await store.close()
