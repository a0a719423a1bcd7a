"""The probes of one running container: attempts at their period, states by threshold.

Startup goes first; liveness and readiness wait until it has succeeded. The owner is told of every
change: `on_ready(bool)`, `on_started()`, `on_unhealthy(kind, message)` for an event, and
`on_dead(kind, message)` when the container must be restarted.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from podpass.api.resources import Object
from podpass.base.clock import Clock
from podpass.base.tasks import jitter
from podpass.kubelet.probe_threshold import ProbeKind, initial_delay, new_threshold, period
from podpass.kubelet.probes import ProbeTarget, attempt
from podpass.kubelet.runtime.interface import Runtime

_EARLY_PERIOD = 0.1
"""Seconds between attempts before the first success: a pod must not wait a whole period for it."""
_EARLY_ATTEMPTS = 20


class ProbeListener(Protocol):
    """Who is told what the probes of a container find."""

    def on_started(self) -> None:
        """The startup probe has succeeded, or there is none."""
        ...

    def on_ready(self, ready: bool) -> None:  # noqa: FBT001 - a state, not an option
        """Readiness has changed."""
        ...

    def on_unhealthy(self, kind: ProbeKind, message: str) -> None:
        """An attempt has failed."""
        ...

    def on_dead(self, kind: ProbeKind, message: str) -> None:
        """Liveness or startup has failed for good: restart the container."""
        ...


class ProbeWorker:
    """Runs the probes of one container until cancelled."""

    def __init__(
        self,
        container: Object,
        target: ProbeTarget,
        *,
        runtime: Runtime,
        clock: Clock,
        listener: ProbeListener,
    ) -> None:
        self._container = container
        self._target = target
        self._runtime = runtime
        self._clock = clock
        self._listener = listener

    async def run(self) -> None:
        """Probe until cancelled; returns at once for a container without probes."""
        startup = self._container.get(ProbeKind.STARTUP.value)
        if startup:
            await self._probe(ProbeKind.STARTUP, startup)
        self._listener.on_started()
        liveness = self._container.get(ProbeKind.LIVENESS.value)
        readiness = self._container.get(ProbeKind.READINESS.value)
        if not readiness:
            self._listener.on_ready(True)  # noqa: FBT003 - a state
        async with asyncio.TaskGroup() as group:
            if readiness:
                group.create_task(self._probe(ProbeKind.READINESS, readiness))
            if liveness:
                group.create_task(self._probe(ProbeKind.LIVENESS, liveness))

    async def _probe(self, kind: ProbeKind, probe: Object) -> None:
        """Try again and again; the startup probe returns when it has succeeded."""
        threshold = new_threshold(kind, probe)
        every = period(probe).total_seconds()
        early = 0 if kind is ProbeKind.LIVENESS else _EARLY_ATTEMPTS
        await self._clock.sleep(initial_delay(probe).total_seconds())
        while True:
            result = await attempt(self._runtime, self._target, probe)
            if not result.success and early > 0 and threshold.last is None:
                # A server that is still starting is not unhealthy yet.
                early -= 1
                await self._clock.sleep(_EARLY_PERIOD)
                continue
            if not result.success:
                self._listener.on_unhealthy(kind, result.message)
            if threshold.record(result.success):
                if kind is ProbeKind.READINESS:
                    self._listener.on_ready(threshold.healthy)
                elif not threshold.healthy:
                    self._listener.on_dead(kind, result.message)
            if kind is ProbeKind.STARTUP and threshold.healthy:
                return
            await self._clock.sleep(jitter(every, 0.1) if result.success else every)
