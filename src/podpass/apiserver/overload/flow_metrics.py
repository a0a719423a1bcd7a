"""What priority and fairness counts, under the upstream names.

Source: apiserver `util/flowcontrol/metrics`.
"""

from __future__ import annotations

from podpass.apiserver.overload.flow_schemas import FLOW_SCHEMAS
from podpass.apiserver.overload.refusals import Reason
from podpass.base.metrics import Registry

_BUCKETS = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0)


class SchemaCounts:
    """Numbers of one flow schema; plain fields, since every request changes them.

    Attributes:
        executing: Requests that have a seat, or need none.
        waiting: Requests in the queues.
        dispatched: Requests that got a seat so far.
    """

    __slots__ = ("dispatched", "executing", "waiting")

    def __init__(self) -> None:
        self.executing = 0
        self.waiting = 0
        self.dispatched = 0


class FlowMetrics:
    """The families `apiserver_flowcontrol_*`.

    Attributes:
        counts: By flow schema.
    """

    def __init__(self, registry: Registry) -> None:
        prefix = "apiserver_flowcontrol"
        labels = ("priority_level", "flow_schema")
        self.counts = {schema: SchemaCounts() for schema in FLOW_SCHEMAS}
        self._rejected = registry.counter(
            f"{prefix}_rejected_requests_total", "Requests that got 429.", *labels, "reason"
        )
        self._dispatched = registry.counter(
            f"{prefix}_dispatched_requests_total", "Requests that began.", *labels
        )
        self._waiting = registry.gauge(
            f"{prefix}_current_inqueue_requests", "Requests that wait.", *labels
        )
        self._executing = registry.gauge(
            f"{prefix}_current_executing_requests", "Requests under way.", *labels
        )
        self._seats = registry.gauge(
            f"{prefix}_nominal_limit_seats", "Seats of a lane.", "priority_level"
        )
        self._waits = registry.histogram(
            f"{prefix}_request_wait_duration_seconds",
            "Time that requests spent in a queue; who found a seat at once is not counted.",
            *labels,
            "execute",
            buckets=_BUCKETS,
        )
        registry.before_render(self._show)

    def seats(self, lane: str, count: int) -> None:
        """Say how many seats a lane has."""
        self._seats.set(count, lane)

    def rejected(self, schema: str, reason: Reason) -> None:
        """Count a refusal."""
        self._rejected.inc(FLOW_SCHEMAS[schema], schema, reason)

    def waited(self, schema: str, seconds: float, *, executed: bool) -> None:
        """Count a request that left its queue, for a seat or refused."""
        self._waits.observe(seconds, FLOW_SCHEMAS[schema], schema, str(executed).lower())

    def _show(self) -> None:
        for schema, counts in self.counts.items():
            lane = FLOW_SCHEMAS[schema]
            shown = self._dispatched.value(lane, schema)
            self._dispatched.inc(lane, schema, by=counts.dispatched - shown)
            self._waiting.set(counts.waiting, lane, schema)
            self._executing.set(counts.executing, lane, schema)
