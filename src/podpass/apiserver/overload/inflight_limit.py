"""Overload protection without priority and fairness: so many reads, so many writes, then 429.

Source: apiserver `server/filters/maxinflight.go`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

from podpass.api.meta import UserInfo
from podpass.apiserver.overload.flow_metrics import FlowMetrics
from podpass.apiserver.overload.flow_schemas import flow_schema
from podpass.apiserver.overload.gate import is_long_running
from podpass.apiserver.overload.refusals import RefusalPace, too_busy
from podpass.apiserver.request_info import RequestInfo
from podpass.base.clock import Clock

_READS = frozenset({"get", "list", "head", "options"})

R = TypeVar("R")
_Kind = Literal["readOnly", "mutating"]


class InflightLimit:
    """Counts requests under way.

    Args:
        reads: Most get and list requests at the same time; 0: no limit.
        writes: Most of all others; 0: no limit.
        metrics: What is counted.
        clock: Time.
    """

    def __init__(self, *, reads: int, writes: int, metrics: FlowMetrics, clock: Clock) -> None:
        self._limits: dict[_Kind, int] = {"readOnly": reads, "mutating": writes}
        self._running: dict[_Kind, int] = {"readOnly": 0, "mutating": 0}
        self._metrics = metrics
        self._clock = clock
        self._pace = RefusalPace()

    async def run(self, user: UserInfo, info: RequestInfo, serve: Callable[[], Awaitable[R]]) -> R:
        """Return what `serve` returns.

        Raises:
            StatusError: 429, too many are under way.
        """
        schema = flow_schema(user, info)
        kind: _Kind = "readOnly" if info.verb in _READS else "mutating"
        limit = self._limits[kind]
        if not limit or schema == "exempt" or is_long_running(info):
            return await serve()
        if self._running[kind] >= limit:
            self._metrics.rejected(schema, "concurrency-limit")
            await self._clock.sleep(self._pace.delay(self._clock.monotonic()))
            raise too_busy()
        self._running[kind] += 1
        try:
            return await serve()
        finally:
            self._running[kind] -= 1
