"""Keeps the store from growing for ever.

Every interval the store forgets what was superseded before the interval began; so a continue
token or a watch has at least one interval to go on. Several processes may do so at once.

Source: apiserver `storage/etcd3/compact.go` (interval of 5 minutes).
"""

from __future__ import annotations

import logging

from podpass.base.clock import Clock
from podpass.storage.interface import Store, StoreRevision, StoreUnavailable

_LOG = logging.getLogger("podpass.storage")

COMPACTION_INTERVAL_SECONDS = 300.0


class Compactor:
    """Compacts a store now and then.

    Args:
        store: What is compacted.
        clock: For the interval.
        interval: Seconds; history is kept for one to two of them.
    """

    def __init__(
        self, store: Store, *, clock: Clock, interval: float = COMPACTION_INTERVAL_SECONDS
    ) -> None:
        self._store = store
        self._clock = clock
        self._interval = interval

    async def run(self) -> None:
        """Compact for ever."""
        goal = StoreRevision(0)
        while True:
            try:
                if goal:
                    await self._store.compact(goal)
                goal = await self._store.current_revision()
            except StoreUnavailable as error:
                _LOG.warning("no compaction: %s", error)
            await self._clock.sleep(self._interval)
