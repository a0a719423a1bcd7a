"""When a probe's results change a container's state: the thresholds, without I/O.

1. Nothing counts before `initialDelaySeconds` after the container's start.
2. `successThreshold` successes in a row turn it to success, `failureThreshold` failures to failure.
3. Liveness starts as success, readiness and startup as failure.

Source: Kubernetes 1.36, pod lifecycle, container probes.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta

from podpass.api.resources import Object


class ProbeKind(enum.Enum):
    """Which probe; the value is the field of the container."""

    LIVENESS = "livenessProbe"
    READINESS = "readinessProbe"
    STARTUP = "startupProbe"


@dataclass(slots=True)
class ProbeThreshold:
    """State of one probe of one container run.

    Attributes:
        success_threshold: Successes in a row that count as success.
        failure_threshold: Failures in a row that count as failure.
        healthy: The state that the thresholds have led to.
        streak: How many equal results came last.
        last: The last result, None before the first.
    """

    success_threshold: int
    failure_threshold: int
    healthy: bool
    streak: int = 0
    last: bool | None = None

    def record(self, success: bool) -> bool:  # noqa: FBT001 - a result, not an option
        """Count a result; returns whether the state changed or, for a failure, holds again."""
        self.streak = self.streak + 1 if success == self.last else 1
        self.last = success
        needed = self.success_threshold if success else self.failure_threshold
        if self.streak < needed:
            return False
        changed = self.healthy != success
        self.healthy = success
        return changed or (not success and self.streak == needed)


def new_threshold(kind: ProbeKind, probe: Object) -> ProbeThreshold:
    """Return the state in which a probe starts."""
    return ProbeThreshold(
        success_threshold=int(probe.get("successThreshold") or 1),
        failure_threshold=int(probe.get("failureThreshold") or 3),
        healthy=kind is ProbeKind.LIVENESS,
    )


def period(probe: Object) -> timedelta:
    """Return the time between two results."""
    return timedelta(seconds=int(probe.get("periodSeconds") or 10))


def initial_delay(probe: Object) -> timedelta:
    """Return the time from the container's start to the first result."""
    return timedelta(seconds=int(probe.get("initialDelaySeconds") or 0))


def timeout_seconds(probe: Object) -> float:
    """Return how long one attempt may take."""
    return float(probe.get("timeoutSeconds") or 1)
