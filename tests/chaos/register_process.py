"""A client of the SQLite store in a process of its own: `... PATH NAME SEED STEPS KEY...`.

Prints each record as JSON when it is asked for and again, with the same number, when it has ended.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from podpass.storage.sqlite import SqliteStore
from tests.chaos.history import Record
from tests.chaos.linearizability import NEVER
from tests.chaos.register_client import RegisterClient


def say(record: Record) -> None:
    fields = dataclasses.asdict(record)
    fields["ended"] = None if record.ended == NEVER else record.ended
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def read_records(lines: Iterable[str]) -> list[Record]:
    """Return what a process has said; a line that was cut by its death is left out."""
    records: dict[float, Record] = {}
    for line in lines:
        try:
            fields = json.loads(line)
        except ValueError:
            continue
        fields["ended"] = NEVER if fields["ended"] is None else fields["ended"]
        record = Record(**fields)
        records[record.called] = record
    return list(records.values())


async def main(path: str, name: str, seed: str, steps: str, *keys: str) -> None:
    store = await SqliteStore.open(Path(path))
    client = RegisterClient(store, keys, name=name, seed=seed, keep=say)
    await client.run(pause=0.0, steps=int(steps))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
