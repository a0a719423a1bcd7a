"""Since when uses of Secrets' tokens are written down: a ConfigMap that every API server keeps.

1. `since` is the date (UTC) of the first creation; a value that is no date is replaced.
2. A ConfigMap that was deleted is made again, by each server once in half an hour at most.

The clean-up of the controller manager trusts no label that is missing before that day. Source:
Kubernetes `pkg/controlplane/controller/legacytokentracking`.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import date

from podpass.api.errors import StatusError
from podpass.api.meta import format_time
from podpass.api.resources import CONFIG_MAPS, Object
from podpass.apiserver.object_reader import ObjectReader
from podpass.base.clock import Clock
from podpass.base.tasks import new_uid
from podpass.storage.objects import ObjectStore

NAMESPACE, NAME = "kube-system", "kube-apiserver-legacy-service-account-token-tracking"
SINCE = "since"
CREATION_PAUSE_SECONDS = 30 * 60.0
_RETRY_SECONDS = 5.0
_EXPECTED = frozenset({404, 409})

_log = logging.getLogger("legacy-tokens")


def is_date(text: str) -> bool:
    """Tell whether a text is a date as labels and `since` carry it, `YYYY-MM-DD`."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


class LegacyTokenTracking:
    """Keeps the ConfigMap."""

    def __init__(self, objects: ObjectStore, reader: ObjectReader, clock: Clock) -> None:
        """Write to `objects`; `reader` tells of changes."""
        self._objects = objects
        self._reader = reader
        self._clock = clock
        self._changed = asyncio.Event()
        self._next_creation = clock.monotonic()
        self._later: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Work until cancelled."""
        self._reader.subscribe(CONFIG_MAPS, self._on_change)
        self._changed.set()
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                try:
                    await self.ensure()
                except StatusError as error:
                    _log.warning("configmap %s not written: %s", NAME, error)
                    await self._clock.sleep(_RETRY_SECONDS)
                    self._changed.set()
        finally:
            if self._later is not None:
                self._later.cancel()

    async def ensure(self) -> None:
        """Create or mend the ConfigMap if that is needed.

        Raises:
            StatusError: The store refused.
        """
        current = self._reader.cached(CONFIG_MAPS, NAMESPACE, NAME)
        try:
            if current is None:
                await self._create()
            elif not is_date((current.get("data") or {}).get(SINCE) or ""):
                await self._objects.update(CONFIG_MAPS, NAMESPACE, NAME, self._mended)
        except StatusError as error:
            if error.code not in _EXPECTED:  # another server was faster, or somebody deleted it
                raise

    async def _create(self) -> None:
        wait = self._next_creation - self._clock.monotonic()
        if wait > 0:  # 2
            if self._later is None or self._later.done():
                self._later = asyncio.create_task(self._look_again(wait))
            return
        self._next_creation = self._clock.monotonic() + CREATION_PAUSE_SECONDS
        metadata = {
            "name": NAME,
            "namespace": NAMESPACE,
            "uid": new_uid(),
            "creationTimestamp": format_time(self._clock.now()),
        }
        await self._objects.create(
            CONFIG_MAPS,
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": metadata,
                "data": {SINCE: self._today()},
            },
        )

    async def _look_again(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._changed.set()

    def _mended(self, current: Object) -> Object:
        data = current.get("data") or {}
        if is_date(data.get(SINCE) or ""):
            return current
        return current | {"data": data | {SINCE: self._today()}}

    def _today(self) -> str:
        return str(self._clock.now().date())

    def _on_change(self, key: str, old: Object | None, new: Object | None) -> None:  # noqa: ARG002
        if key.endswith(f"/{NAMESPACE}/{NAME}"):
            self._changed.set()
