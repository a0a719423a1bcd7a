"""The contract of a store: bytes under keys, every change numbered, changes watchable.

1. Every write gets the next store revision, one counter for all keys, starting above 0.
2. A write states what it expects (`expected_revision`); if that does not hold nothing happens.
3. Reads at a revision are snapshots; revisions before the last compaction are refused.
4. A watch from revision N delivers each later change once, in order, without a gap, and then
   goes on live; a watch from before the last compaction is refused.
5. An acknowledged write survives a crash of process and machine.

Values are opaque. Keys are text; a prefix ends with `/`. All drivers pass the same suite
(`tests/unit/storage/contract.py`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NewType, Protocol

StoreRevision = NewType("StoreRevision", int)
"""The store's counter; on the wire it is `resourceVersion`."""


class StoreError(Exception):
    """Root of what a store refuses."""


class KeyExists(StoreError):
    """Create found the key in use."""


class KeyMissing(StoreError):
    """Update or delete found no such key."""


class RevisionConflict(StoreError):
    """The key's revision is not the expected one."""

    def __init__(self, key: str, current: KeyValue) -> None:
        super().__init__(f"{key} is at revision {current.mod_revision}")
        self.current = current


class Compacted(StoreError):
    """The revision asked for is no longer kept."""

    def __init__(self, revision: int, compact_revision: int) -> None:
        super().__init__(f"revision {revision} is before the compacted {compact_revision}")
        self.compact_revision = compact_revision


class FutureRevision(StoreError):
    """The revision asked for was not written yet."""


class StoreUnavailable(StoreError):
    """The store cannot be reached or written (disk full, file damaged); says why."""


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A value as it stands.

    Attributes:
        key: Full key.
        value: Opaque bytes.
        create_revision: Write that made the key.
        mod_revision: Write that made this value.
    """

    key: str
    value: bytes
    create_revision: StoreRevision
    mod_revision: StoreRevision


@dataclass(frozen=True, slots=True)
class Listing:
    """Part of a snapshot, sorted by key.

    Attributes:
        items: The values.
        revision: Revision of the snapshot.
        remaining: How many more keys the range holds behind the last item.
    """

    items: tuple[KeyValue, ...]
    revision: StoreRevision
    remaining: int


@dataclass(frozen=True, slots=True)
class Change:
    """One write as a watcher sees it.

    Attributes:
        key: Full key.
        revision: Revision of the write.
        current: The new value, or None for a deletion.
        previous: The value before, or None for a creation.
    """

    key: str
    revision: StoreRevision
    current: KeyValue | None
    previous: KeyValue | None


@dataclass(frozen=True, slots=True)
class Progress:
    """No change up to and including `revision` is still under way to this watcher."""

    revision: StoreRevision


class Store(Protocol):
    """A key-value store with revisions."""

    async def get(self, key: str) -> KeyValue | None:
        """Return the newest value, linearizable."""
        ...

    async def list(
        self,
        prefix: str,
        *,
        after: str = "",
        limit: int = 0,
        revision: StoreRevision | None = None,
    ) -> Listing:
        """List the keys below `prefix` that sort after the key `after`.

        Args:
            prefix: Ends with `/`.
            after: Full key to continue behind; empty for the start.
            limit: Most items to return; 0 for all.
            revision: Snapshot to read; None for the newest.

        Raises:
            Compacted: `revision` is no longer kept.
            FutureRevision: `revision` was not written yet.
        """
        ...

    async def create(self, key: str, value: bytes) -> KeyValue:
        """Write a new key.

        Raises:
            KeyExists: The key is in use.
        """
        ...

    async def update(self, key: str, value: bytes, expected_revision: StoreRevision) -> KeyValue:
        """Replace the value that was written at `expected_revision`.

        Raises:
            KeyMissing: No such key.
            RevisionConflict: Another write came first; carries the current value.
        """
        ...

    async def delete(self, key: str, expected_revision: StoreRevision) -> StoreRevision:
        """Remove the value that was written at `expected_revision`; returns the new revision.

        Raises:
            KeyMissing: No such key.
            RevisionConflict: Another write came first; carries the current value.
        """
        ...

    def watch(self, prefix: str, after_revision: StoreRevision) -> AsyncIterator[Change | Progress]:
        """Deliver every change below `prefix` after `after_revision`, for ever.

        Progress follows each batch of changes, and comes at least every second.

        Raises:
            Compacted: `after_revision` is no longer kept, at the start or later.
        """
        ...

    async def current_revision(self) -> StoreRevision:
        """Return the newest revision, linearizable."""
        ...

    async def compact(self, revision: StoreRevision) -> None:
        """Forget superseded values up to `revision`.

        Raises:
            FutureRevision: `revision` was not written yet.
        """
        ...

    async def close(self) -> None:
        """Release files and connections; watches end."""
        ...
