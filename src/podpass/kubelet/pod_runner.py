"""Brings one pod from where it is to where it should be, step by step, until it is gone.

Each turn looks at everything anew: `pod_worker.decide` says what to do, this module does it, the
status is reported, and the next turn waits for a change or a moment. Volumes have a keeper of their
own, so that tokens stay fresh whatever else takes its time.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from functools import partial

from podpass.api.errors import StatusError
from podpass.api.meta import is_terminating, uid_of
from podpass.api.resources import Object
from podpass.client.config import ConfigError
from podpass.client.rest import ConnectionFailed
from podpass.kubelet.container_restarts import ContainerRestarts
from podpass.kubelet.container_starter import ContainerStarter
from podpass.kubelet.events import PodEvents
from podpass.kubelet.node_services import NodeServices
from podpass.kubelet.object_watches import references
from podpass.kubelet.pod_ending import PodEnding
from podpass.kubelet.pod_probes import PodProbes
from podpass.kubelet.pod_reporter import PodReporter, ReportStatus
from podpass.kubelet.pod_sandboxes import PodSandboxes
from podpass.kubelet.pod_spec import (
    all_containers,
    full_name,
    grace_seconds,
    restart_policy,
)
from podpass.kubelet.pod_stopper import PodStopper
from podpass.kubelet.pod_worker import Plan, PodRuntime, Situation, Stage, container_spec, decide
from podpass.kubelet.runtime.interface import ContainerStatus, RuntimeFailure
from podpass.kubelet.runtime.removal import remove_tree
from podpass.kubelet.volume_keeper import VolumeKeeper
from podpass.kubelet.volumes import PodVolumes, mounted_volumes
from podpass.kubelet.wakeup import Wakeup

_log = logging.getLogger("kubelet.pod")

_RETRY_SECONDS = 1.0
_SHORTEST_GRACE = 1.0
"""Seconds that even a pod deleted by force gets to end."""


class PodRunner:
    """Runs one pod."""

    def __init__(self, pod: Object, services: NodeServices, report: ReportStatus) -> None:
        """Prepare; `run` starts it.

        Args:
            pod: The pod as its source has it.
            services: What all pods share.
            report: Called with each new status.
        """
        self.pod = pod
        self.uid = uid_of(pod)
        self._services = services
        self._removed = False
        self._shutting_down: float | None = None
        self._wakeup = Wakeup(services.clock)
        self._events = PodEvents(services.recorder, pod)
        self._starter = ContainerStarter(
            services.runtime, services.source, services.settings, services.clock
        )
        self._stopper = PodStopper(services.runtime, services.clock, services.node.ip)
        self._probes = PodProbes(
            services.runtime, services.clock, services.node.ip, self._wakeup.ring
        )
        self._reporter = PodReporter(pod, services, self._probes, self._starter, report)
        self._restarts = ContainerRestarts(services.settings)
        self._sandboxes = PodSandboxes(services)
        self._ending = PodEnding(
            services,
            self._stopper,
            self._sandboxes,
            runtime=lambda: self._runtime,
            done=self._wakeup.ring,
        )
        self._volumes = PodVolumes(
            services.settings.pod_directory(self.uid),
            services.source,
            services.node,
            services.clock,
            services.metrics,
        )
        self._keeper = VolumeKeeper(
            pod,
            self._volumes,
            services.tokens,
            settings=services.settings,
            clock=services.clock,
            running=lambda: self._runtime.running(),  # noqa: PLW0108 - the runtime of then
            on_failure=self._on_volume_failure,
            on_change=self._wakeup.ring,
            on_stale_view=self._on_stale_view,
        )
        self._keeping: asyncio.Task[None] | None = None
        self._stale: dict[str, str] = {}

    @property
    def full_name(self) -> str:
        """`namespace/name`."""
        return full_name(self.pod)

    @property
    def status(self) -> Object:
        """The status as reported last."""
        return self._reporter.status

    @property
    def removed(self) -> bool:
        """Whether the pod's source no longer has it."""
        return self._removed

    @property
    def _runtime(self) -> PodRuntime:
        return self._services.cache.pod(self.uid)

    def wake(self) -> None:
        """Look at the pod again: the runtime has changed something."""
        self._wakeup.ring()

    def update(self, pod: Object) -> None:
        """Take over a changed pod."""
        self.pod = pod
        self._events = PodEvents(self._services.recorder, pod)
        self._keeper.update(pod)
        self._wakeup.ring()

    def remove(self) -> None:
        """End the pod: its source no longer has it."""
        self._removed = True
        self._wakeup.ring()

    def shut_down(self, grace: float) -> None:
        """End the pod's processes within `grace` seconds, but keep all that it needs to go on."""
        self._shutting_down = grace
        self._wakeup.ring()

    async def run(self) -> None:
        """Run the pod; returns when nothing of it is left, or all is stopped for a shutdown."""
        try:
            while True:
                wait: float | None
                try:
                    plan = self._decide()
                    self._report(plan)
                    if plan.stage is Stage.STOPPED:
                        await self._clean_up()
                        return
                    wait = await self._act(plan)
                except Exception as error:  # noqa: BLE001 - the pod worker boundary
                    wait = self._failed(error)
                await self._wakeup.wait(wait)
        finally:
            self._probes.close()
            self._ending.close()
            if self._keeping is not None:
                self._keeping.cancel()

    def _failed(self, error: Exception) -> float:
        if isinstance(
            error, RuntimeFailure | StatusError | ConnectionFailed | ConfigError | OSError
        ):
            _log.warning("pod %s: %s", self.full_name, error)
        else:
            _log.error("pod %s: sync failed", self.full_name, exc_info=error)
        self._events.warning("FailedSync", f"Error syncing pod: {error}")
        return _RETRY_SECONDS

    def _decide(self) -> Plan:
        now = self._services.clock.now()
        self._follow_probes()
        plan = decide(
            Situation(
                pod=self.pod,
                runtime=self._runtime,
                must_stop=self._must_stop(),
                volumes_ready=self._volumes_ready(),
                ready_at=partial(self._restarts.ready_at, now=now),
                started=self._probes.started,
                now=now,
            )
        )
        for name, moment in plan.backing_off.items():
            self._starter.waiting[name] = self._restarts.waiting(
                name, moment, self.pod, self._events
            )
        return plan

    def _must_stop(self) -> bool:
        return self._removed or self._shutting_down is not None or is_terminating(self.pod)

    def _follow_probes(self) -> None:
        running = []
        for status in self._runtime.running():
            try:
                running.append((container_spec(self.pod, status.config.name), status))
            except KeyError:
                continue
        self._probes.follow(self.pod, running, self._events)

    def _report(self, plan: Plan) -> None:
        """Hand the status on, unless the node is shutting down."""
        if self._shutting_down is None:
            self._reporter.report(self.pod, plan, volumes_ready=self._volumes_ready())

    def _volumes_ready(self) -> bool:
        return self._keeper.ready or not mounted_volumes(self.pod)

    async def _act(self, plan: Plan) -> float | None:
        """Do what the plan says; returns the seconds until the next turn, None for no limit."""
        if plan.stop_all:
            self._ending.stop(self.pod, self._grace(), self._events)
            return None
        if plan.stage is Stage.FINISHED:
            self._let_go_of_volumes()
            return None
        self._keep_volumes()
        if plan.make_sandbox:
            await self._sandboxes.make(self.pod, self._runtime, self._events)
            await self._services.cache.refresh()
            return 0
        if await self._stop_unwanted():
            return 0
        next_try = await self._start(plan)
        moments = [one for one in (plan.wake_at, next_try) if one is not None]
        if not moments:
            return None
        return (min(moments) - self._services.clock.now()).total_seconds()

    async def _start(self, plan: Plan) -> datetime | None:
        """Start what can be started now; returns when to try again what was held back."""
        now = self._services.clock.now()
        sandbox = self._runtime.ready_sandbox
        moments = []
        for name in plan.start:
            container = container_spec(self.pod, name)
            retry_at = self._starter.retry_at(name)
            if sandbox is None:
                break
            if retry_at is not None and now < retry_at:
                again = self._starter.show_back_off(container, now, self._events)
                self._report(plan)
                moments.append(again or retry_at)
                continue
            history = self._runtime.containers.get(name, ())
            begun = await self._starter.start(
                self.pod,
                container,
                history,
                sandbox_id=sandbox.id,
                context=self._sandboxes.environment_context(self.pod, sandbox),
                volume_paths={
                    str(one["name"]): self._volumes.path(one) for one in mounted_volumes(self.pod)
                },
                events=self._events,
            )
            if begun is not None and history:
                self._restarts.restarted(name)
            await self._services.cache.refresh()
            self._wakeup.ring()
        return min(moments, default=None)

    async def _stop_unwanted(self) -> bool:
        """Stop containers that are dead, stale or no longer as wanted; they start anew."""
        for status in self._runtime.running():
            name = status.config.name
            why = self._probes.dead(status) or self._stale.pop(status.id, "")
            if not why:
                try:
                    why = self._restarts.why_outdated(container_spec(self.pod, name), status)
                except KeyError:
                    continue
            if why:
                by_probe = self._probes.grace(status)
                grace = grace_seconds(self.pod) if by_probe is None else by_probe
                await self._stopper.stop(self.pod, [status], grace, self._events, why=why)
                await self._services.cache.refresh()
                return True
        return False

    def _grace(self) -> float:
        grace = max(_SHORTEST_GRACE, grace_seconds(self.pod))
        return grace if self._shutting_down is None else min(grace, self._shutting_down)

    async def _clean_up(self) -> None:
        """Remove what is left of a pod that has stopped; rule of a shutdown: keep all."""
        if self._keeping is not None:
            self._keeping.cancel()
        if self._shutting_down is not None and not (self._removed or is_terminating(self.pod)):
            return
        self._let_go_of_volumes()
        remove_tree(self._volumes.directory)
        await self._sandboxes.remove(self.pod, self._runtime)
        await self._services.cache.refresh()

    def _keep_volumes(self) -> None:
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        watches = self._services.watches
        watches.follow(self.uid, references(self.pod), self._keeper.wake)
        try:
            while True:
                try:
                    await self._keeper.run()
                except Exception:  # noqa: BLE001 - the pod worker boundary
                    _log.exception("pod %s: its volumes could not be looked after", self.full_name)
                    await self._services.clock.sleep(_RETRY_SECONDS)
        finally:
            watches.forget(self.uid)

    def _let_go_of_volumes(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None
        self._services.tokens.forget_pod(self.uid)
        self._volumes.tear_down()

    def _on_volume_failure(self, volume: str, message: str) -> None:
        text = f'MountVolume.SetUp failed for volume "{volume}" : {message}'
        self._events.warning("FailedMount", text)

    def _on_stale_view(self, container: ContainerStatus, volume: str) -> None:
        """Have a container that sees a former directory started anew, if it may be."""
        name = container.config.name
        spec = next((one for one in all_containers(self.pod) if one["name"] == name), None)
        text = f'Container {name} sees a former directory of volume "{volume}"'
        if restart_policy(self.pod) == "Never":
            self._events.warning("StaleVolume", text, spec)
            return
        self._stale[container.id] = f"{text}, will be restarted"
        self._wakeup.ring()
