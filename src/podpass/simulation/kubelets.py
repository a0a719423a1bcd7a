"""Hollow kubelets: they keep the token of each pod fresh and do nothing else.

They decide with the parts of the real kubelet: `TokenKey` and its slot, `HeldToken`, the rule of
refreshes and the waits between failed mounts. Only the clock, the API servers and the files are
not real. The reference beside them is in `reference_kubelets`.

Times are seconds since the start of the simulation.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from podpass.base.logs import Secret
from podpass.base.tasks import Backoff
from podpass.kubelet.held_token import HeldToken
from podpass.kubelet.refresh import TokenLifetime
from podpass.kubelet.settings import KubeletSettings
from podpass.kubelet.token_manager import TokenKey
from podpass.simulation.capacity import Outcome

START = datetime(2026, 1, 1, tzinfo=UTC)
"""When simulations begin; nothing depends on it but the slots' places in the charts."""
SHORTEST_WAIT = 0.05
"""The volume keeper's: a token is looked at this long after its last moment."""
_TOKEN = Secret("simulated")


class Kubelets(Protocol):
    """The kubelets of all nodes; pods are numbers."""

    def start_pod(self, pod: int) -> None:
        """Forget what the pod had: it is a new one, with a new UID."""
        ...

    def received(self, pod: int, issued_at: int) -> float:
        """Take a new token over; returns when it is looked at next, and found to be due."""
        ...

    def failed(self, pod: int, outcome: Outcome, now: float) -> float:
        """Note that none came; returns when the pod is looked at next."""
        ...


class PodpassKubelets:
    """Kubelets that decide as the real one does."""

    def __init__(
        self, pods: int, life: int, choose: Callable[[], float], settings: KubeletSettings
    ) -> None:
        """Prepare.

        Args:
            pods: How many there are.
            life: Of their tokens, in seconds.
            choose: Returns a number by chance, 0 to 1.
            settings: The kubelet's own.
        """
        self._life = timedelta(seconds=life)
        self._seconds = life
        self._choose = choose
        self._settings = settings
        self._incarnation = [0] * pods
        self._slots = [0.0] * pods
        self._held: list[HeldToken | None] = [None] * pods
        self._mounts: dict[int, Backoff] = {}

    def start_pod(self, pod: int) -> None:
        self._incarnation[pod] += 1
        uid = f"{pod}-{self._incarnation[pod]}"
        key = TokenKey("simulated", "default", (), self._seconds, str(pod), uid)
        self._slots[pod] = key.slot()
        self._held[pod] = None
        self._mounts.pop(pod, None)

    def received(self, pod: int, issued_at: int) -> float:
        issued = _moment(issued_at)
        lifetime = TokenLifetime(issued, issued + self._life)
        held = HeldToken.received(_TOKEN, lifetime, self._slots[pod], issued)
        self._held[pod] = held
        if pod in self._mounts:
            del self._mounts[pod]
        return self._next_look(held)

    def failed(self, pod: int, outcome: Outcome, now: float) -> float:  # noqa: ARG002 - all alike
        held = self._held[pod]
        moment = _moment(now)
        if held is not None and not held.expired(moment):
            held.refresh_failed(moment, self._choose())
            return self._next_look(held)
        self._held[pod] = None
        backoff = self._mounts.get(pod)
        if backoff is None:
            settings = self._settings
            backoff = Backoff(settings.mount_retry, settings.mount_retry_maximum)
            self._mounts[pod] = backoff
        return now + backoff.next_delay()

    def _next_look(self, held: HeldToken) -> float:
        moment = held.next_check()
        return float("inf") if moment is None else (moment - START).total_seconds() + SHORTEST_WAIT


def _moment(seconds: float) -> datetime:
    return START + timedelta(0, seconds)
