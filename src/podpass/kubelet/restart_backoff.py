"""How long a container that keeps failing waits for its next start.

1. The first restart is at once.
2. Each further one waits twice as long after the exit, from `initial` up to `maximum`, which
   `initial` does not exceed either.
3. An exit that lies ahead is from a clock that was set back since, and counts for nothing.
4. A container that ran for RESET_FACTOR times the maximum starts anew at rule 1.

Source: Kubernetes v1.36, `pkg/kubelet/kuberuntime/kuberuntime_manager.go`, `doBackOff`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

RESET_FACTOR = 2


@dataclass(slots=True)
class RestartBackoff:
    """The back-off of one container, or of looking for one image.

    Attributes:
        initial: First delay.
        maximum: Longest delay.
        delay: What the next restart has to wait; zero before the first.
    """

    initial: timedelta
    maximum: timedelta
    delay: timedelta = timedelta(0)

    def ready_at(
        self, started_at: datetime | None, finished_at: datetime, *, now: datetime
    ) -> datetime:
        """Return when a container that ran from `started_at` to `finished_at` may start again."""
        if finished_at > now:
            return now  # rule 3
        if started_at is not None and finished_at - started_at > self.maximum * RESET_FACTOR:
            self.delay = timedelta(0)  # rule 4
        return finished_at + self.delay

    def restarted(self) -> None:
        """Note that a restart was made."""
        self.delay = min(self.maximum, self.delay * 2 if self.delay else self.initial)
