"""Which protection the settings ask for."""

from __future__ import annotations

from podpass.apiserver.overload.flow_metrics import FlowMetrics
from podpass.apiserver.overload.gate import Admission, Gate
from podpass.apiserver.overload.inflight_limit import InflightLimit
from podpass.apiserver.settings import ApiServerSettings
from podpass.base.clock import Clock
from podpass.base.metrics import Registry


def admission_control(settings: ApiServerSettings, registry: Registry, clock: Clock) -> Admission:
    """Return what lets requests through."""
    metrics = FlowMetrics(registry)
    reads, writes = settings.max_requests_inflight, settings.max_mutating_requests_inflight
    if settings.enable_priority_and_fairness:
        return Gate(seats=reads + writes, metrics=metrics, clock=clock)
    return InflightLimit(reads=reads, writes=writes, metrics=metrics, clock=clock)


def problems(settings: ApiServerSettings) -> list[str]:
    """Return what is wrong with the settings about overload, a clear line each."""
    total = settings.max_requests_inflight + settings.max_mutating_requests_inflight
    if settings.enable_priority_and_fairness and not total:
        return ["--max-requests-inflight and --max-mutating-requests-inflight cannot both be 0"]
    return []
