"""watch: changes of a collection as JSON lines, until the client, the time or the server ends it.

1. No resourceVersion or `0` starts with the state as ADDED events; N starts behind N.
2. `sendInitialEvents` starts with the state and then a bookmark that says so (watch list).
3. An object that stops matching the selectors is DELETED, one that starts matching is ADDED.
4. Too old a resourceVersion is an ERROR event with the 410 `Status`, as clients expect it.
5. A client that does not keep up is cut off and starts again; one that reads nothing at all loses
   its connection, since what is written would have to wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator

import orjson
from aiohttp import web

from podpass.api import tables
from podpass.api.errors import StatusError
from podpass.api.resources import Object, Resource
from podpass.apiserver.event_lines import EventLines
from podpass.apiserver.fresh_reads import WAIT_SECONDS, FreshReads
from podpass.apiserver.list_options import ListOptions, parse_list_options
from podpass.apiserver.metrics import Metrics
from podpass.apiserver.read_handlers import include_object
from podpass.apiserver.request_context import RequestContext
from podpass.base.clock import Clock
from podpass.base.tasks import jitter
from podpass.storage.cached_objects import CachedObjects
from podpass.storage.stored_object import StoredObject, at_revision
from podpass.storage.watch_cache import Bookmark, CacheEvent, Subscription, WatchCache

MINIMUM_TIMEOUT_SECONDS = 1800.0
"""A watch without a timeout ends after this, and up to twice this (`--min-request-timeout`)."""

BOOKMARK_SECONDS = 60.0
MAXIMUM_BACKLOG = 10_000
"""Events that may wait for a slow client."""

FAREWELL_SECONDS = 1.0
"""How long a client may take to read the end of its watch."""

_PIECE_BYTES = 64 * 1024
"""The state at the start is written in pieces of about this size."""

INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class EventEncoder:
    """Writes watch events in the representation that the client accepts."""

    def __init__(
        self, context: RequestContext, resource: Resource, clock: Clock, lines: EventLines
    ) -> None:
        self._form = context.representation.form
        self._lines = lines
        self._include = include_object(context)
        self._resource = resource
        self._clock = clock
        self._columns_sent = False

    def event(self, type_: str, stored: StoredObject) -> bytes:
        """Return one line about an object."""
        if self._form != "table":
            return self._lines.line(self._form, type_, stored)
        table = tables.table(
            self._resource,
            [stored.object],
            now=self._clock.now(),
            include_object=self._include,
            list_meta={"resourceVersion": str(stored.revision)},
            with_columns=not self._columns_sent,
        )
        self._columns_sent = True
        return line(type_, table)

    def bookmark(self, revision: int, *, initial_events_end: bool = False) -> bytes:
        """Return a line that only tells how far the watch has come."""
        metadata: Object = {"resourceVersion": str(revision), "creationTimestamp": None}
        if initial_events_end:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        obj: Object = {
            "kind": self._resource.kind,
            "apiVersion": self._resource.api_version,
            "metadata": metadata,
        }
        if self._form == "metadata":
            obj |= {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        elif self._form == "table":
            row = {"cells": [], "object": tables.partial_object_metadata(obj)}
            obj = {
                "kind": "Table",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": {"resourceVersion": str(revision)},
                "columnDefinitions": [],
                "rows": [row],
            }
        return line("BOOKMARK", obj)


def line(type_: str, obj: Object) -> bytes:
    """Return a watch event as one line of JSON."""
    return orjson.dumps({"type": type_, "object": obj}) + b"\n"


class WatchStream:
    """Answers watch requests."""

    def __init__(
        self,
        cached: CachedObjects,
        fresh: FreshReads,
        clock: Clock,
        metrics: Metrics,
        stopping: asyncio.Event,
    ) -> None:
        self._cached = cached
        self._fresh = fresh
        self._clock = clock
        self._metrics = metrics
        self._stopping = stopping
        self._event_lines = EventLines()

    async def watch(self, context: RequestContext, resource: Resource) -> web.StreamResponse:
        """Stream the changes.

        Raises:
            StatusError: 400 and 422 for parameters, 504 for a resourceVersion not reached.
        """
        options = parse_list_options(context, resource, watch=True)
        encoder = EventEncoder(context, resource, self._clock, self._event_lines)
        cache = self._cached.caches[resource]
        if options.resource_version is None:
            await self._fresh.catch_up(cache)
        elif options.resource_version > cache.revision and options.send_initial_events:
            await cache.wait_for(options.resource_version, WAIT_SECONDS)
        response = web.StreamResponse(
            headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"}
        )
        response.enable_chunked_encoding()
        context.begin_stream(response)
        await response.prepare(context.streaming)
        self._metrics.watchers += 1
        timeout = options.timeout_seconds or jitter(MINIMUM_TIMEOUT_SECONDS, 1.0)
        namespace = context.info.namespace if resource.namespaced else ""
        stop = asyncio.create_task(self._stopping.wait())
        cut = asyncio.Event()
        cut_off = asyncio.create_task(cut.wait())
        lines = self._lines(cache, resource, namespace, options, encoder, cut.set)
        stream = asyncio.create_task(_send(response, lines))
        try:
            await asyncio.wait(
                {stop, cut_off, stream}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            self._metrics.watchers -= 1
            stop.cancel()
            cut_off.cancel()
            stream.cancel()
            (outcome,) = await asyncio.gather(stream, return_exceptions=True)
        if isinstance(outcome, Exception) and not isinstance(outcome, ConnectionError):
            raise outcome
        await _end(response, context.streaming)
        return response

    async def _lines(
        self,
        cache: WatchCache,
        resource: Resource,
        namespace: str,
        options: ListOptions,
        encoder: EventEncoder,
        cut: Callable[[], None],
    ) -> AsyncIterator[bytes]:
        after = options.resource_version or None
        initial = options.send_initial_events
        if initial is None:
            initial = after is None
        elif initial:
            after = None
        try:
            if after is None:
                # State and start of the subscription belong together: nothing awaits in between.
                after = cache.revision
                items = options.selection.choose(cache.list(namespace or None)) if initial else []
                subscription = cache.subscribe(after, maximum_backlog=MAXIMUM_BACKLOG, cut=cut)
                for piece in in_pieces(encoder.event("ADDED", one) for one in items):
                    yield piece
                if options.send_initial_events and options.bookmarks:
                    yield encoder.bookmark(after, initial_events_end=True)
            else:
                subscription = cache.subscribe(after, maximum_backlog=MAXIMUM_BACKLOG, cut=cut)
            prefix = self._cached.objects.collection(resource, namespace)
            async for one in self._changes(subscription, prefix, options, encoder):
                yield one
        except StatusError as error:
            yield line("ERROR", error.to_status())

    async def _changes(
        self,
        subscription: Subscription,
        prefix: str,
        options: ListOptions,
        encoder: EventEncoder,
    ) -> AsyncIterator[bytes]:
        bookmarked = self._clock.monotonic()
        async for event in subscription:
            if isinstance(event, Bookmark):
                now = self._clock.monotonic()
                if options.bookmarks and now - bookmarked >= BOOKMARK_SECONDS:
                    bookmarked = now
                    yield encoder.bookmark(event.revision)
            elif event.current.key.startswith(prefix):
                seen = as_seen(event, options)
                if seen is not None:
                    yield encoder.event(*seen)


def as_seen(event: CacheEvent, options: ListOptions) -> tuple[str, StoredObject] | None:
    """Return type and object of an event behind the selectors (rule 3), or None."""
    selection = options.selection
    if selection.is_everything:
        return event.type, event.current
    before = event.previous is not None and selection.matches(event.previous)
    if event.type == "DELETED":
        return ("DELETED", event.current) if before else None
    after = selection.matches(event.current)
    if after:
        return ("MODIFIED" if before else "ADDED"), event.current
    if before and event.previous is not None:
        return "DELETED", at_revision(event.previous, event.current.revision)
    return None


def in_pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join lines to pieces of at least _PIECE_BYTES, the last one excepted."""
    piece: list[bytes] = []
    size = 0
    for one in lines:
        piece.append(one)
        size += len(one)
        if size >= _PIECE_BYTES:
            yield b"".join(piece)
            piece, size = [], 0
    if piece:
        yield b"".join(piece)


async def _end(response: web.StreamResponse, request: web.BaseRequest) -> None:
    """End the answer, or its connection if the client does not read (rule 5)."""
    try:
        async with asyncio.timeout(FAREWELL_SECONDS):
            await response.write_eof()
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()


async def _send(response: web.StreamResponse, lines: AsyncIterator[bytes]) -> None:
    async for one in lines:
        await response.write(one)
