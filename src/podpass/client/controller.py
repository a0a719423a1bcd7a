"""A work queue of keys and the loop that reconciles them.

1. A key that is queued twice is reconciled once; one that is queued while it is being reconciled
   is reconciled again afterwards; no key is reconciled by two workers at a time.
2. A reconcile that fails is repeated for its key after 5 ms, 10 ms, ... up to 1000 s.
3. One that raises or returns `RetryAfter` is repeated after that delay, with no failure counted.

Source: client-go, `util/workqueue`; controller-runtime, `pkg/internal/controller`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from podpass.api.errors import StatusError
from podpass.api.meta import name_of, namespace_of
from podpass.api.resources import Object
from podpass.base.clock import Clock
from podpass.base.tasks import Backoff
from podpass.client.config import ConfigError
from podpass.client.rest import ConnectionFailed

FIRST_RETRY_SECONDS = 0.005
LONGEST_RETRY_SECONDS = 1000.0


class RetryAfter(Exception):
    """All went well so far, but this key must be looked at again after `delay` seconds."""

    def __init__(self, delay: float) -> None:
        super().__init__(f"look again after {delay:g} seconds")
        self.delay = delay


@dataclass(slots=True)
class QueueCounts:
    """What has happened to the keys of one controller.

    Attributes:
        added: Keys that were queued, again or anew.
        retried: Keys that will be queued after a delay, by rule 2 or 3.
        succeeded: Reconciles that went well.
        failed: Reconciles that raised.
        postponed: Reconciles that ended with a `RetryAfter`.
    """

    added: int = 0
    retried: int = 0
    succeeded: int = 0
    failed: int = 0
    postponed: int = 0


Reconcile: TypeAlias = Callable[[str], Awaitable[RetryAfter | None]]


class Controller:
    """Reconciles keys one by one, or with several workers.

    Attributes:
        name: For log lines and metrics.
        counts: What has happened so far.
    """

    def __init__(self, name: str, reconcile: Reconcile, *, clock: Clock, workers: int = 1) -> None:
        """Prepare; keys may be queued before `run`.

        Args:
            name: For log lines and metrics.
            reconcile: Brings the world of one key to its wanted state; reads all state anew.
            clock: For delays.
            workers: How many keys are reconciled at a time.
        """
        self.name = name
        self.counts = QueueCounts()
        self._reconcile = reconcile
        self._clock = clock
        self._workers = workers
        self._queue: deque[str] = deque()
        self._waiting: set[str] = set()
        self._working: set[str] = set()
        self._backoffs: dict[str, Backoff] = {}
        self._delayed: dict[str, tuple[float, asyncio.Task[None]]] = {}
        self._wake = asyncio.Event()
        self._log = logging.getLogger(name)

    @property
    def depth(self) -> int:
        """How many keys wait for a worker."""
        return len(self._queue)

    def enqueue(self, key: str) -> None:
        """Have `key` reconciled as soon as a worker is free."""
        if key not in self._waiting:
            self._waiting.add(key)
            self.counts.added += 1
            if key not in self._working:
                self._queue.append(key)
                self._wake.set()

    def enqueue_after(self, key: str, delay: float) -> None:
        """Have `key` reconciled after `delay` seconds, or earlier if it is queued for then."""
        if delay <= 0:
            self.enqueue(key)
            return
        due = self._clock.monotonic() + delay
        if (former := self._delayed.get(key)) is not None:
            if former[0] <= due:
                return
            former[1].cancel()
        self._delayed[key] = (due, asyncio.create_task(self._enqueue_later(key, delay)))

    async def run(self) -> None:
        """Reconcile until cancelled."""
        _running.append(self)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._workers):
                    group.create_task(self._work())
        finally:
            _running.remove(self)
            for _, task in self._delayed.values():
                task.cancel()
            self._delayed.clear()

    async def _enqueue_later(self, key: str, delay: float) -> None:
        await self._clock.sleep(delay)
        del self._delayed[key]
        self.enqueue(key)

    async def _work(self) -> None:
        while True:
            while not self._queue:
                self._wake.clear()
                await self._wake.wait()
            key = self._queue.popleft()
            self._waiting.discard(key)
            self._working.add(key)
            try:
                await self._reconcile_once(key)
            finally:
                self._working.discard(key)
                if key in self._waiting:
                    self._queue.append(key)
                    self._wake.set()

    async def _reconcile_once(self, key: str) -> None:
        try:
            again = await self._reconcile(key)
        except RetryAfter as retry:
            again = retry
        except Exception as error:  # noqa: BLE001 - the controller boundary
            self._report(key, error)
            self.counts.failed += 1
            self.counts.retried += 1
            backoff = self._backoffs.setdefault(
                key, Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
            )
            self.enqueue_after(key, backoff.next_delay())
            return
        self._backoffs.pop(key, None)
        if again is None:
            self.counts.succeeded += 1
            return
        self.counts.postponed += 1
        self.counts.retried += 1
        self.enqueue_after(key, again.delay)

    def _report(self, key: str, error: Exception) -> None:
        if isinstance(error, StatusError) and error.reason == "Conflict":
            self._log.debug("%s: %s", key, error.message)
        elif isinstance(error, StatusError | ConnectionFailed | ConfigError):
            self._log.warning("%s: %s", key, error)
        else:
            self._log.error("%s: reconcile failed", key, exc_info=error)


_running: list[Controller] = []


def running_controllers() -> list[Controller]:
    """Return the controllers of this process that reconcile now."""
    return list(_running)


def object_key(obj: Object) -> str:
    """Return `namespace/name`, or just the name of an object without a namespace."""
    namespace = namespace_of(obj)
    return f"{namespace}/{name_of(obj)}" if namespace else name_of(obj)


def split_key(key: str) -> tuple[str, str]:
    """Return namespace (empty for none) and name of an `object_key`."""
    namespace, _, name = key.rpartition("/")
    return namespace, name
