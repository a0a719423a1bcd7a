"""Events as users see them in `describe`, written in the background.

1. `record` never waits and never fails; when the queue is full the event is dropped and logged.
2. The same thing said again of the same object raises the count of the event that is there.

Source: client-go, `tools/record` and `events_cache.go`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from datetime import datetime
from typing import Literal, TypeAlias

from podpass.api.errors import StatusError
from podpass.api.meta import format_time, name_of, namespace_of, resource_version_of, uid_of
from podpass.api.resources import EVENTS, Object
from podpass.base.clock import Clock
from podpass.client.config import ConfigError
from podpass.client.rest import ConnectionFailed, RestClient

_log = logging.getLogger("events")

EventType: TypeAlias = Literal["Normal", "Warning"]
_Sameness: TypeAlias = tuple[str, ...]
QUEUE_LENGTH = 1000
REMEMBERED = 1000
"""Events whose count can still be raised."""
MAXIMUM_MESSAGE = 1024
"""Characters; the API refuses longer ones."""
_ATTEMPTS = 5


class EventRecorder:
    """Writes the events of one component."""

    def __init__(self, client: RestClient, component: str, clock: Clock, *, host: str = "") -> None:
        """Prepare; `run` writes what was recorded.

        Args:
            client: The API server.
            component: Who speaks, e.g. `kubelet`.
            clock: For the events' times.
            host: Node on which the component runs.
        """
        self._client = client
        self._clock = clock
        self._component = component
        self._host = host
        self._queue: asyncio.Queue[Object] = asyncio.Queue(QUEUE_LENGTH)
        self._written: OrderedDict[_Sameness, Object] = OrderedDict()
        self._sequence = 0

    def record(
        self, obj: Object, type_: EventType, reason: str, message: str, *, field_path: str = ""
    ) -> None:
        """Say something about an object.

        Args:
            obj: What it is about; needs apiVersion, kind and metadata.
            type_: `Normal` or `Warning`.
            reason: One word in CamelCase, e.g. `Pulled`.
            message: A sentence for people; never a token or key.
            field_path: Part of the object, e.g. `spec.containers{nginx}`.
        """
        self._sequence += 1
        event = new_event(
            obj,
            type_,
            reason,
            message,
            field_path=field_path,
            component=self._component,
            host=self._host,
            now=self._clock.now(),
            sequence=self._sequence,
        )
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            _log.warning("too many events, dropped %s about %s", reason, name_of(obj))

    async def run(self) -> None:
        """Write events until cancelled."""
        while True:
            await self._write(await self._queue.get())

    async def flush(self) -> None:
        """Write what is queued now, at the end of a process."""
        while not self._queue.empty():
            await self._write(self._queue.get_nowait())

    async def _write(self, event: Object) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                await self._write_once(event)
            except StatusError as error:
                _log.info("event %s not written: %s", event["reason"], error.message)
                return
            except (ConnectionFailed, ConfigError) as error:
                _log.debug("event %s not written: %s", event["reason"], error)
                await self._clock.sleep(0.5 * 2**attempt)
            else:
                return

    async def _write_once(self, event: Object) -> None:
        sameness = _sameness(event)
        former = self._written.pop(sameness, None)
        if former is not None:
            patch = {"count": former["count"] + 1, "lastTimestamp": event["lastTimestamp"]}
            try:
                await self._client.patch(EVENTS, namespace_of(former), name_of(former), patch)
            except StatusError as error:
                if error.reason != "NotFound":
                    raise
            else:
                self._written[sameness] = former | patch
                return
        await self._client.create(EVENTS, event)
        self._written[sameness] = event
        while len(self._written) > REMEMBERED:
            self._written.popitem(last=False)


def new_event(
    obj: Object,
    type_: EventType,
    reason: str,
    message: str,
    *,
    field_path: str = "",
    component: str,
    host: str = "",
    now: datetime,
    sequence: int = 0,
) -> Object:
    """Return an Event object about `obj`; see `EventRecorder.record` for the other arguments.

    Args:
        obj: What the event is about.
        type_: `Normal` or `Warning`.
        reason: One word.
        message: Cut at MAXIMUM_MESSAGE.
        field_path: Part of the object.
        component: Who speaks.
        host: Where.
        now: When.
        sequence: Keeps the names of two events of one microsecond apart.
    """
    namespace = namespace_of(obj)
    involved = {
        "kind": obj.get("kind", ""),
        "namespace": namespace,
        "name": name_of(obj),
        "uid": uid_of(obj),
        "apiVersion": obj.get("apiVersion", ""),
        "resourceVersion": resource_version_of(obj),
        "fieldPath": field_path,
    }
    nanoseconds = int(now.timestamp() * 1_000_000) * 1000 + sequence % 1000
    text = message if len(message) <= MAXIMUM_MESSAGE else message[: MAXIMUM_MESSAGE - 3] + "..."
    return {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {
            "name": f"{name_of(obj)}.{nanoseconds:x}",
            "namespace": namespace or "default",
        },
        "involvedObject": {key: value for key, value in involved.items() if value},
        "reason": reason,
        "message": text,
        "source": {"component": component} | ({"host": host} if host else {}),
        "firstTimestamp": format_time(now),
        "lastTimestamp": format_time(now),
        "count": 1,
        "type": type_,
        "eventTime": None,
        "reportingComponent": component,
        "reportingInstance": host,
    }


def _sameness(event: Object) -> _Sameness:
    involved = event["involvedObject"]
    return (
        involved.get("kind", ""),
        involved.get("namespace", ""),
        involved.get("name", ""),
        involved.get("uid", ""),
        involved.get("fieldPath", ""),
        event["type"],
        event["reason"],
        event["message"],
    )
