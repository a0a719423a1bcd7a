"""Keeps the watch caches of a process at the store's heels, through one watch for all.

1. It starts from a snapshot a little in the past and catches up from there, so that watches
   which began at another API server, or before a restart, can go on here.
2. A cache is ready once it has what was newest when the feed began.
3. If the store is away the caches keep what they have and the feed goes on where it stopped.
4. If the store has compacted what is missing, the caches start over.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from podpass.api.resources import CUSTOM_RESOURCE_DEFINITIONS, Resource
from podpass.base.clock import Clock
from podpass.base.tasks import Backoff
from podpass.storage.defined_kinds import DefinedKinds
from podpass.storage.interface import (
    Compacted,
    KeyValue,
    Progress,
    Store,
    StoreRevision,
    StoreUnavailable,
)
from podpass.storage.stored_object import StoredObject, load, load_as
from podpass.storage.watch_cache import WatchCache

_LOG = logging.getLogger("podpass.storage")
_PAGE = 5000
_BOOKMARK_SECONDS = 10.0


class CacheFeed:
    """Fills caches and moves them on.

    Args:
        store: Where the objects are.
        prefix: Root of all their keys, with a slash at the end.
        caches: What to feed; changes with the definitions of custom kinds.
        route: Returns the caches that a key belongs to.
        custom: The custom kinds.
        clock: For pauses and bookmarks.
        history: How many revisions in the past to start (rule 1).
    """

    def __init__(
        self,
        store: Store,
        prefix: str,
        caches: Mapping[Resource, WatchCache],
        route: Callable[[str], tuple[WatchCache, ...]],
        custom: DefinedKinds,
        *,
        clock: Clock,
        history: int,
    ) -> None:
        self._store = store
        self._prefix = prefix
        self._caches = caches
        self._route = route
        self._custom = custom
        self._clock = clock
        self._history = history
        self._position: StoreRevision | None = None
        self._started = False
        self._ready_at = StoreRevision(0)
        self._backoff = Backoff(initial=0.05, maximum=2.0)

    async def run(self) -> None:
        """Feed until the store is closed."""
        while True:
            try:
                if self._position is None:
                    self._position = await self._start()
                await self._follow(self._position)
                return
            except Compacted as error:  # 4
                _LOG.info("the caches start over: %s", error)
                self._position = None
            except StoreUnavailable as error:  # 3
                _LOG.warning("reads may be old: %s", error)
                await self._clock.sleep(self._backoff.next_delay())

    async def _start(self) -> StoreRevision:
        first = not self._started
        newest = self._ready_at = await self._store.current_revision()
        self._started = True
        try:
            # Only a first start may be in the past: what was read once must not be undone.
            entries, revision = await self._snapshot(
                max(1, newest - self._history) if first else newest
            )
        except Compacted as error:
            entries, revision = await self._snapshot(max(1, error.compact_revision))
        definitions = self._caches[CUSTOM_RESOURCE_DEFINITIONS]
        definitions.reset(  # first: what they define gets its caches by it
            [load(entry) for entry in entries if definitions in self._route(entry.key)], revision
        )
        self._custom.unfilled.clear()
        caches = tuple(self._caches.values())
        chosen: dict[int, list[StoredObject]] = {id(cache): [] for cache in caches}
        for entry in entries:
            for cache in self._route(entry.key):
                chosen[id(cache)].append(load_as(cache.resource, entry))
        for cache in caches:
            if cache is not definitions:
                cache.reset(chosen[id(cache)], revision)
        return revision

    async def _fill(self, revision: StoreRevision) -> None:
        """Fill the caches of kinds that were defined or changed at this revision."""
        for prefix in tuple(self._custom.unfilled):
            entries, _ = await self._snapshot(revision, prefix)
            self._custom.reset(prefix, entries, revision)

    async def _snapshot(
        self, wanted: int, prefix: str = ""
    ) -> tuple[list[KeyValue], StoreRevision]:
        if not (prefix or self._ready_at):
            return [], self._ready_at
        revision = StoreRevision(wanted)
        entries: list[KeyValue] = []
        after = ""
        while True:
            page = await self._store.list(
                prefix or self._prefix, after=after, limit=_PAGE, revision=revision
            )
            entries += page.items
            if not page.remaining:
                return entries, revision
            after = page.items[-1].key

    async def _follow(self, position: StoreRevision) -> None:
        bookmarked = self._clock.monotonic()
        await self._fill(position)
        async for news in self._store.watch(self._prefix, position):
            self._position = news.revision
            if not isinstance(news, Progress):
                for cache in self._route(news.key):
                    cache.apply(news)
                await self._fill(news.revision)
                continue
            self._backoff.reset()
            now = self._clock.monotonic()
            bookmark = now - bookmarked >= _BOOKMARK_SECONDS
            if bookmark:
                bookmarked = now
            for cache in tuple(self._caches.values()):
                if news.revision >= self._ready_at:  # 2
                    cache.mark_ready()
                cache.progress(news.revision, bookmark=bookmark)
