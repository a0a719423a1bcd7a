"""One controller of the operator: a step that is repeated on every change, and now and then.

1. What goes wrong is told by the condition of the controller, and tried again, later each time,
   but at least at every resync.
2. A conflict or a broken connection is no news: it is only tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from podpass.api.errors import StatusError
from podpass.api.meta import find_condition
from podpass.api.resources import Object
from podpass.base.clock import Clock
from podpass.base.tasks import Backoff
from podpass.client.config import ConfigError
from podpass.client.controller import Controller, RetryAfter
from podpass.client.informer import Informer
from podpass.client.rest import ConnectionFailed
from podpass.operator.conditions import Condition, degraded
from podpass.operator.names import CLUSTER
from podpass.operator.node_status import status_of
from podpass.operator.operator_status import OperatorStatus

SyncStep: TypeAlias = Callable[[], Awaitable[timedelta | None]]

_FIRST_RETRY_SECONDS = 0.05
_SERVER_FAULT = 500
_CONFLICT = 409


class SyncError(Exception):
    """A step cannot be done; the message is what the condition says."""


@dataclass(frozen=True, slots=True)
class DegradedWords:
    """How a controller speaks of itself.

    Attributes:
        controller: Its condition is `{controller}Degraded`.
        error_reason: When it failed.
        good_reason: When all is well.
        silent: Whether it has no condition, and only its log speaks.
    """

    controller: str
    error_reason: str = "SyncError"
    good_reason: str = "AsExpected"
    silent: bool = False

    def condition(self, error: str) -> Condition:
        """Return the condition for an error, or for none."""
        said = degraded(self.controller, error)
        return Condition(
            said.type, said.status, self.error_reason if error else self.good_reason, error
        )


class SyncLoop:
    """Repeats one step."""

    def __init__(
        self,
        words: DegradedWords,
        step: SyncStep,
        status: OperatorStatus,
        operators: Informer,
        clock: Clock,
        resync: timedelta,
    ) -> None:
        """Prepare; `run` starts it.

        Args:
            words: Name and reasons of its condition.
            step: Brings things one step on; returns when to be called again, if that is known.
            status: For the condition.
            operators: Informer of the KubeAPIServer.
            clock: For waiting.
            resync: Longest time between two steps.
        """
        self._words = words
        self._step = step
        self._status = status
        self._operators = operators
        self._resync = resync.total_seconds()
        self._backoff = Backoff(_FIRST_RETRY_SECONDS, self._resync)
        self._controller = Controller(words.controller, self._reconcile, clock=clock)
        self._log = logging.getLogger(words.controller)

    def follow(
        self, informer: Informer, matters: Callable[[Object], bool] = lambda _: True
    ) -> None:
        """Repeat the step whenever an object that matters changes."""

        def changed(old: Object | None, new: Object | None) -> None:
            if matters(new if new is not None else old or {}):
                self.trigger()

        informer.on_change(changed)

    def trigger(self) -> None:
        """Repeat the step now."""
        self._controller.enqueue(CLUSTER)

    async def run(self) -> None:
        """Work until cancelled."""
        self.trigger()
        await self._controller.run()

    async def _reconcile(self, key: str) -> RetryAfter:  # noqa: ARG002 - there is one key
        try:
            delay = await self._step()
            await self._tell("")
        except (ConnectionFailed, ConfigError) as error:
            self._log.info("%s", error)
            return RetryAfter(self._backoff.next_delay())
        except (StatusError, SyncError) as error:
            if _is_news(error):
                self._log.warning("%s", error)
                await self._tell(str(error))
            return RetryAfter(self._backoff.next_delay())
        self._backoff.reset()
        wait = self._resync if delay is None else min(delay.total_seconds(), self._resync)
        return RetryAfter(max(wait, _FIRST_RETRY_SECONDS))

    async def _tell(self, error: str) -> None:
        """Write the condition, unless it is there already."""
        if self._words.silent:
            return
        condition = self._words.condition(error)
        operator = self._operators.get(None, CLUSTER)
        conditions = status_of(operator or {}).get("conditions") or ()
        found = find_condition(conditions, condition.type) or {}
        said = (found.get("status"), found.get("reason") or "", found.get("message") or "")
        if said == ("True" if condition.status else "False", condition.reason, condition.message):
            return
        try:
            await self._status.update_status(conditions=[condition])
        except (StatusError, ConnectionFailed) as failure:
            self._log.info("condition not written: %s", failure)


def _is_news(error: StatusError | SyncError) -> bool:
    """Tell whether a person should hear of it (rule 2)."""
    if isinstance(error, StatusError):
        return error.code != _CONFLICT and error.code < _SERVER_FAULT
    return True
