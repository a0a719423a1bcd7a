"""A Store in memory, for tests of what stands on storage; gone with its process.

It passes the contract suite of the real drivers.
"""

from __future__ import annotations

import asyncio
import bisect
from collections.abc import AsyncIterator

from podpass.storage.interface import (
    Change,
    Compacted,
    FutureRevision,
    KeyExists,
    KeyMissing,
    KeyValue,
    Listing,
    Progress,
    RevisionConflict,
    StoreRevision,
    StoreUnavailable,
)

_PROGRESS_SECONDS = 1.0


class MemoryStore:
    """The whole history in one list."""

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self._current: dict[str, KeyValue] = {}
        self._revision = 0
        self._compacted = 0
        self._woken = asyncio.Event()
        self._closed = False
        self.failure: str = ""
        """While set, every call fails with StoreUnavailable and this text."""

    async def get(self, key: str) -> KeyValue | None:
        self._check_available()
        return self._current.get(key)

    async def list(
        self,
        prefix: str,
        *,
        after: str = "",
        limit: int = 0,
        revision: StoreRevision | None = None,
    ) -> Listing:
        self._check_available()
        state = self._current
        if revision is not None:
            self._check_known(revision)
            if revision < self._compacted:
                raise Compacted(revision, self._compacted)
            state = self._snapshot(revision)
        keys = sorted(key for key in state if key.startswith(prefix) and key > after)
        chosen = keys[:limit] if limit else keys
        return Listing(
            tuple(state[key] for key in chosen),
            StoreRevision(self._revision if revision is None else revision),
            len(keys) - len(chosen),
        )

    async def create(self, key: str, value: bytes) -> KeyValue:
        self._check_available()
        if key in self._current:
            raise KeyExists(f"{key} exists")
        revision = StoreRevision(self._revision + 1)
        return self._write(key, KeyValue(key, value, revision, revision))

    async def update(self, key: str, value: bytes, expected_revision: StoreRevision) -> KeyValue:
        found = self._expect(key, expected_revision)
        revision = StoreRevision(self._revision + 1)
        return self._write(key, KeyValue(key, value, found.create_revision, revision))

    async def delete(self, key: str, expected_revision: StoreRevision) -> StoreRevision:
        self._expect(key, expected_revision)
        self._append(key, None)
        return StoreRevision(self._revision)

    async def watch(
        self, prefix: str, after_revision: StoreRevision
    ) -> AsyncIterator[Change | Progress]:
        position = after_revision
        while not self._closed:
            self._check_available()
            if position < self._compacted:
                raise Compacted(position, self._compacted)
            woken = self._woken
            until = StoreRevision(max(position, self._revision))
            first = bisect.bisect_right(self._changes, position, key=lambda one: one.revision)
            for change in self._changes[first:]:
                if change.key.startswith(prefix):
                    yield change
            position = until
            yield Progress(until)
            try:
                async with asyncio.timeout(_PROGRESS_SECONDS):
                    await woken.wait()
            except TimeoutError:
                continue

    async def current_revision(self) -> StoreRevision:
        self._check_available()
        return StoreRevision(self._revision)

    async def compact(self, revision: StoreRevision) -> None:
        self._check_available()
        self._check_known(revision)
        self._compacted = max(self._compacted, revision)
        self._wake()

    async def close(self) -> None:
        self._closed = True
        self._wake()

    def _snapshot(self, revision: int) -> dict[str, KeyValue]:
        state: dict[str, KeyValue] = {}
        for change in self._changes:
            if change.revision > revision:
                break
            if change.current is None:
                del state[change.key]
            else:
                state[change.key] = change.current
        return state

    def _expect(self, key: str, expected_revision: int) -> KeyValue:
        self._check_available()
        found = self._current.get(key)
        if found is None:
            raise KeyMissing(f"{key} does not exist")
        if found.mod_revision != expected_revision:
            raise RevisionConflict(key, found)
        return found

    def _write(self, key: str, entry: KeyValue) -> KeyValue:
        self._append(key, entry)
        return entry

    def _append(self, key: str, entry: KeyValue | None) -> None:
        self._revision += 1
        previous = self._current.pop(key, None)
        self._changes.append(Change(key, StoreRevision(self._revision), entry, previous))
        if entry is not None:
            self._current[key] = entry
        self._wake()

    def _wake(self) -> None:
        self._woken.set()
        self._woken = asyncio.Event()

    def _check_known(self, revision: int) -> None:
        if revision > self._revision:
            raise FutureRevision(f"revision {revision} is after the newest, {self._revision}")

    def _check_available(self) -> None:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        if self.failure:
            raise StoreUnavailable(self.failure)
