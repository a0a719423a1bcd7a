"""Counters of the server in the Prometheus text format, under their upstream names.

Durations are in seconds. Labels are of low cardinality: never a name or a user.
"""

from __future__ import annotations

from bisect import bisect_left

from podpass.apiserver.request_info import RequestInfo

BUCKETS = (0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 10.0, 30.0, 60.0)
"""Upper bounds of the duration histogram, in seconds."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_Labels = tuple[str, str, str, str, str]


def _scope(info: RequestInfo) -> str:
    if not info.is_resource:
        return ""
    if info.name:
        return "resource"
    return "namespace" if info.namespace else "cluster"


class _Histogram:
    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.total = 0.0


class Metrics:
    """What is counted in one process."""

    def __init__(self) -> None:
        self._requests: dict[tuple[_Labels, str, int], int] = {}
        self._durations: dict[_Labels, _Histogram] = {}
        self.watchers = 0

    def observe(self, info: RequestInfo, code: int, seconds: float) -> None:
        """Count one finished request; watches count, their length does not."""
        labels = (info.verb.upper(), info.group, info.version, info.resource, info.subresource)
        key = (labels, _scope(info), code)
        self._requests[key] = self._requests.get(key, 0) + 1
        if info.verb == "watch":
            return
        histogram = self._durations.get(labels)
        if histogram is None:
            histogram = self._durations[labels] = _Histogram()
        histogram.counts[bisect_left(BUCKETS, seconds)] += 1
        histogram.total += seconds

    def render(self) -> str:
        """Return the exposition."""
        lines = ["# TYPE apiserver_request_total counter"]
        for (labels, scope, code), count in sorted(self._requests.items()):
            text = f'code="{code}",component="apiserver",{_text(labels)},scope="{scope}"'
            lines.append(f"apiserver_request_total{{{text}}} {count}")
        name = "apiserver_request_duration_seconds"
        lines.append(f"# TYPE {name} histogram")
        for labels, histogram in sorted(self._durations.items()):
            text = _text(labels)
            running = 0
            for bound, count in zip((*BUCKETS, "+Inf"), histogram.counts, strict=True):
                running += count
                lines.append(f'{name}_bucket{{{text},le="{bound}"}} {running}')
            lines.append(f"{name}_sum{{{text}}} {histogram.total:.6f}")
            lines.append(f"{name}_count{{{text}}} {running}")
        lines.append("# TYPE apiserver_registered_watchers gauge")
        lines.append(f"apiserver_registered_watchers {self.watchers}")
        return "\n".join(lines) + "\n"


def _text(labels: _Labels) -> str:
    verb, group, version, resource, subresource = labels
    return (
        f'verb="{verb}",group="{group}",version="{version}",'
        f'resource="{resource}",subresource="{subresource}"'
    )
