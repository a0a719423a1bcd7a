"""A state machine that drives a store and a plain dict side by side and compares them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from storage.contract import read_until

from podpass.storage.interface import (
    Change,
    Compacted,
    KeyExists,
    KeyMissing,
    KeyValue,
    RevisionConflict,
    Store,
    StoreRevision,
)

T = TypeVar("T")

KEYS = st.sampled_from(["/a/x", "/a/y", "/a/z/1", "/b/x"])
VALUES = st.binary(max_size=8)


class StoreMachine(RuleBasedStateMachine):
    """Subclasses say how to open two handles on a new store, and how to dispose of it."""

    open_handles: ClassVar[Callable[[], Coroutine[Any, Any, list[Store]]]]
    alone: ClassVar[bool] = True
    """Whether revisions are ours alone; else there may be some in between."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.handles = self.run(type(self).open_handles())
        self.turn = 0
        self.first = self.run(self.handles[0].current_revision())
        self.history: list[Change] = []
        self.state: dict[str, KeyValue] = {}
        self.compacted = 0

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    @property
    def store(self) -> Store:
        self.turn += 1
        return self.handles[self.turn % len(self.handles)]

    @property
    def revision(self) -> int:
        return self.history[-1].revision if self.history else self.first

    def record(self, key: str, revision: int, current: KeyValue | None) -> None:
        previous = self.state.pop(key, None)
        if current is not None:
            self.state[key] = current
        self.history.append(Change(key, StoreRevision(revision), current, previous))

    def snapshot(self, revision: int) -> dict[str, KeyValue]:
        state: dict[str, KeyValue] = {}
        for change in self.history:
            if change.revision <= revision:
                state.pop(change.key, None)
                if change.current is not None:
                    state[change.key] = change.current
        return state

    @rule(key=KEYS, value=VALUES)
    def create(self, key: str, value: bytes) -> None:
        try:
            made = self.run(self.store.create(key, value))
        except KeyExists:
            assert key in self.state
        else:
            assert key not in self.state
            assert made.mod_revision == made.create_revision > self.revision
            assert made.value == value
            self.record(key, made.mod_revision, made)

    @rule(key=KEYS, value=VALUES, lag=st.sampled_from([0, 0, 0, 1]))
    def update(self, key: str, value: bytes, lag: int) -> None:
        known = self.state.get(key)
        expected = StoreRevision(known.mod_revision - lag if known else 1)
        try:
            new = self.run(self.store.update(key, value, expected))
        except KeyMissing:
            assert known is None
        except RevisionConflict as conflict:
            assert lag
            assert conflict.current == known  # noqa: PT017 - the model decides
        else:
            assert known is not None
            assert lag == 0
            assert new.create_revision == known.create_revision
            assert new.mod_revision > self.revision
            self.record(key, new.mod_revision, new)

    @rule(key=KEYS, lag=st.sampled_from([0, 0, 0, 1]))
    def delete(self, key: str, lag: int) -> None:
        known = self.state.get(key)
        expected = StoreRevision(known.mod_revision - lag if known else 1)
        try:
            revision = self.run(self.store.delete(key, expected))
        except KeyMissing:
            assert known is None
        except RevisionConflict as conflict:
            assert lag
            assert conflict.current == known  # noqa: PT017 - the model decides
        else:
            assert known is not None
            assert lag == 0
            assert revision > self.revision
            self.record(key, revision, None)

    @precondition(lambda self: self.history)
    @rule(share=st.floats(0, 1))
    def compact(self, share: float) -> None:
        revision = int(self.revision * share)
        self.run(self.store.compact(StoreRevision(revision)))
        if revision > self.first:  # there is nothing to forget before
            self.compacted = max(self.compacted, revision)

    @rule(share=st.floats(0, 1), prefix=st.sampled_from(["/a/", "/a/z/", "/b/", "/"]))
    def list_at(self, share: float, prefix: str) -> None:
        revision = max(1, int(self.revision * share))
        if revision > self.revision:
            return
        expected = self.snapshot(revision)
        try:
            listing = self.run(self.store.list(prefix, revision=StoreRevision(revision)))
        except Compacted as refused:
            assert revision < self.compacted == refused.compact_revision  # noqa: PT017 - same
        else:
            assert revision >= self.compacted
            keys = sorted(key for key in expected if key.startswith(prefix))
            assert listing.items == tuple(expected[key] for key in keys)

    @rule(limit=st.integers(1, 3))
    def list_in_pages(self, limit: int) -> None:
        store, seen, after = self.store, list[KeyValue](), ""
        while True:
            page = self.run(store.list("/", after=after, limit=limit))
            seen += page.items
            assert page.remaining == len(self.state) - len(seen)
            if not page.remaining:
                break
            after = seen[-1].key
        assert seen == [self.state[key] for key in sorted(self.state)]

    @rule(share=st.floats(0, 1), prefix=st.sampled_from(["/a/", "/"]))
    def watch(self, share: float, prefix: str) -> None:
        after = int(self.revision * share)

        async def read() -> list[Change]:
            return await read_until(self.store.watch(prefix, StoreRevision(after)), self.revision)

        try:
            changes = self.run(read())
        except Compacted:
            assert after < self.compacted
        else:
            assert after >= self.compacted
            assert changes == [
                change
                for change in self.history
                if change.revision > after and change.key.startswith(prefix)
            ]

    @invariant()
    def every_handle_reads_the_newest_state(self) -> None:
        for handle in self.handles:
            newest = self.run(handle.current_revision())
            assert newest == self.revision or (newest > self.revision and not self.alone)
            for key in ("/a/x", "/b/x"):
                assert self.run(handle.get(key)) == self.state.get(key)

    def teardown(self) -> None:
        for handle in self.handles:
            self.run(handle.close())
        self.runner.close()
