"""A client that reads and writes a few keys at random and keeps book of it."""

from __future__ import annotations

import asyncio
import random  # noqa: TID251 - decisions come from a seed
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from podpass.storage.interface import (
    KeyExists,
    KeyMissing,
    KeyValue,
    RevisionConflict,
    StoreRevision,
    StoreUnavailable,
)
from tests.chaos.history import Kind, Record


class Registers(Protocol):
    """What the client needs; every store is that, and the API server over HTTP."""

    async def get(self, key: str) -> KeyValue | None: ...

    async def create(self, key: str, value: bytes) -> KeyValue: ...

    async def update(
        self, key: str, value: bytes, expected_revision: StoreRevision
    ) -> KeyValue: ...

    async def delete(self, key: str, expected_revision: StoreRevision) -> StoreRevision: ...

    async def current_revision(self) -> StoreRevision: ...


class RegisterClient:
    """One client; several may share keys, and must for the history to tell anything.

    Args:
        registers: Whom it asks.
        keys: Which keys it uses.
        name: Unique; part of what it writes.
        seed: Decides what it does.
        keep: Called with each record, when it is asked for and again when it has ended.
    """

    def __init__(
        self,
        registers: Registers,
        keys: Sequence[str],
        *,
        name: str,
        seed: int | str,
        keep: Callable[[Record], None],
    ) -> None:
        self._registers = registers
        self._keys = keys
        self._name = name
        self._random = random.Random(f"{seed} {name}")  # noqa: S311 - repeatable on purpose
        self._keep = keep
        self._known: dict[str, int] = {}
        self._count = 0

    async def run(self, *, pause: float, steps: int = 0) -> None:
        """Work until cancelled.

        Args:
            pause: Mean seconds between an answer and the next request.
            steps: End after so many requests; 0 for never.
        """
        while not steps or self._count < steps:
            await self.step()
            await asyncio.sleep(pause * 2 * self._random.random())

    async def step(self) -> None:
        """Make one request."""
        self._count += 1
        key = self._random.choice(self._keys)
        known = self._known.get(key, 0)
        dice = self._random.random()
        kind: Kind = "create" if not known else "update" if dice < 0.85 else "delete"
        if self._random.random() < 0.5:
            kind = "revision" if dice < 0.1 else "get"
        record = Record(kind, key, time.monotonic())
        if kind in ("create", "update"):
            record.value = f"{self._name}-{self._count}"
        if kind in ("update", "delete"):
            record.expected = known
        self._keep(record)
        try:
            await self._carry_out(record)
        except StoreUnavailable:
            # Its outcome may be seen by others; this client starts anew.
            self._known.pop(key, None)
            return
        record.ended = time.monotonic()
        self._keep(record)

    async def _carry_out(self, record: Record) -> None:
        key, value = record.key, record.value.encode()
        expected = StoreRevision(record.expected)
        try:
            if record.kind == "revision":
                record.revision = await self._registers.current_revision()
                record.outcome = "found"
                return
            if record.kind == "delete":
                await self._registers.delete(key, expected)
                record.outcome, self._known[key] = "done", 0
                return
            if record.kind == "create":
                found = await self._registers.create(key, value)
            elif record.kind == "update":
                found = await self._registers.update(key, value, expected)
            else:
                read = await self._registers.get(key)
                if read is None:
                    raise KeyMissing(key)
                found, record.seen = read, read.value.decode()
            record.outcome = "found" if record.kind == "get" else "done"
            record.revision = self._known[key] = found.mod_revision
        except KeyMissing:
            record.outcome, self._known[key] = "missing", 0
        except (KeyExists, RevisionConflict):
            record.outcome = "conflict"
            stubborn = record.kind != "create" and self._random.random() < 0.5
            if not stubborn:
                self._known[key] = await self._look(key)

    async def _look(self, key: str) -> int:
        """Read what is there now, as a request of its own, and keep book of it."""
        record = Record("get", key, time.monotonic())
        self._keep(record)
        found = await self._registers.get(key)
        record.ended = time.monotonic()
        record.outcome = "missing" if found is None else "found"
        if found is not None:
            record.revision, record.seen = found.mod_revision, found.value.decode()
        self._keep(record)
        return record.revision
