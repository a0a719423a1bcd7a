"""Hollow kubelets that decide as those of Kubernetes, to compare with.

1. A token is looked at when its pod is synced, every 60 to 90 seconds.
2. It is asked for again at 80 % of its life or after 24 hours, less 0 to 9 whole seconds by chance.
3. A valid token whose refresh failed is tried again at the next sync; a pod without a valid one
   waits half a second, then twice as long each time up to 122 seconds. After a 429 the client
   waits for a second and tries again.

Syncs that find nothing to do are left out of the simulation: the wait from a moment to the next
sync is drawn from its distribution instead.

Source: KEP-1205; the kubelet's documentation of `syncFrequency`; kubernetes#124646.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from podpass.simulation.capacity import Outcome

SYNC = 60.0
LONGEST_SYNC = 90.0
JITTER_STEPS = 10
_DAY = 24 * 3600
_FIRST_MOUNT_RETRY = 0.5
_LONGEST_MOUNT_RETRY = 122.0
_RETRY_AFTER = 1.0


class ReferenceKubelets:
    """Kubelets with ten seconds of jitter."""

    def __init__(self, pods: int, life: int, choose: Callable[[], float]) -> None:
        """Prepare.

        Args:
            pods: How many there are.
            life: Of their tokens, in seconds.
            choose: Returns a number by chance, 0 to 1.
        """
        self._period = min(_DAY, life - life // 5)
        self._life = life
        self._choose = choose
        self._expires: list[float | None] = [None] * pods
        self._failures = [0] * pods

    def start_pod(self, pod: int) -> None:
        self._expires[pod] = None
        self._failures[pod] = 0

    def received(self, pod: int, issued_at: int) -> float:
        self._expires[pod] = issued_at + self._life
        self._failures[pod] = 0
        jitter = int(self._choose() * JITTER_STEPS)
        return issued_at + self._period - jitter + self._until_sync()

    def failed(self, pod: int, outcome: Outcome, now: float) -> float:
        if outcome is Outcome.REFUSED:
            return now + _RETRY_AFTER
        expires = self._expires[pod]
        if expires is not None and now <= expires:
            return now + SYNC + (LONGEST_SYNC - SYNC) * self._choose()
        delay = min(_LONGEST_MOUNT_RETRY, _FIRST_MOUNT_RETRY * (1 << self._failures[pod]))
        self._failures[pod] = min(self._failures[pod] + 1, 10)
        return now + delay

    def _until_sync(self) -> float:
        """Return the seconds from some moment to the next sync of a pod.

        A moment falls into a long interval more often than into a short one, and anywhere in it.
        """
        interval = math.sqrt(SYNC**2 + self._choose() * (LONGEST_SYNC**2 - SYNC**2))
        return interval * self._choose()
