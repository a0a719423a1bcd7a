"""Another process at the store, for the tests: `python store_process.py PATH JOB ...`.

It speaks in lines: `ready`, then what the job tells. Jobs: `create NAME COUNT` (0: for ever)
prints each revision once it is acknowledged, `increment KEY COUNT`, `echo` creates a key for
each line it reads, `fill LIMIT` writes until the file may not grow.
"""

from __future__ import annotations

import asyncio
import itertools
import resource
import sys
from pathlib import Path

from podpass.storage.interface import RevisionConflict, StoreUnavailable
from podpass.storage.sqlite import SqliteStore


def say(*words: object) -> None:
    sys.stdout.write(" ".join(str(word) for word in words) + "\n")
    sys.stdout.flush()


async def create(store: SqliteStore, name: str, count: int) -> None:
    for i in itertools.count():
        if count and i >= count:
            break
        made = await store.create(f"/a/{name}-{i}", b"x" * 500)
        say(f"/a/{name}-{i}", made.mod_revision)


async def increment(store: SqliteStore, key: str, count: int) -> None:
    for _ in range(count):
        current = await store.get(key)
        while current is not None:
            try:
                value = b"%d" % (int(current.value) + 1)
                await store.update(key, value, current.mod_revision)
                break
            except RevisionConflict as conflict:
                current = conflict.current


async def echo(store: SqliteStore) -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        made = await store.create(line.strip(), b"")
        say(made.mod_revision)


async def fill(store: SqliteStore, limit: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    written = 0
    try:
        for written in range(1000):
            await store.create(f"/a/{written:04}", b"x" * 20_000)
    except StoreUnavailable as error:
        say("refused", error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await store.create("/a/after", b"")
    say("kept", written == len((await store.list("/a/")).items) - 1)


async def main(path: str, job: str, *arguments: str) -> None:
    store = await SqliteStore.open(Path(path))
    say("ready")
    if job == "create":
        await create(store, arguments[0], int(arguments[1]))
    elif job == "increment":
        await increment(store, arguments[0], int(arguments[1]))
    elif job == "echo":
        await echo(store)
    else:
        await fill(store, int(arguments[0]))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
