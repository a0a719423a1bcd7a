"""Puts together what is known of one pod, and hands its status on."""

from __future__ import annotations

from collections.abc import Callable

from podpass.api.meta import uid_of
from podpass.api.resources import Object
from podpass.kubelet.container_starter import ContainerStarter
from podpass.kubelet.node_services import NodeServices
from podpass.kubelet.pod_probes import PodProbes
from podpass.kubelet.pod_spec import status_of
from podpass.kubelet.pod_worker import Plan
from podpass.kubelet.status import Observation, pod_status
from podpass.kubelet.termination_message import TerminationMessages

_OWN_CONDITIONS = frozenset(
    {"PodScheduled", "Initialized", "ContainersReady", "Ready", "PodReadyToStartContainers"}
)

ReportStatus = Callable[[Object, Object], None]
"""Takes a pod and its status."""


class PodReporter:
    """Reports one pod.

    Attributes:
        status: The status as reported last; at first the API's.
    """

    def __init__(
        self,
        pod: Object,
        services: NodeServices,
        probes: PodProbes,
        starter: ContainerStarter,
        report: ReportStatus,
    ) -> None:
        self.status: Object = dict(status_of(pod))
        self._services = services
        self._probes = probes
        self._starter = starter
        self._report = report
        self._messages = TerminationMessages()

    def report(self, pod: Object, plan: Plan, *, volumes_ready: bool) -> None:
        """Compute the status of now and hand it on."""
        runtime = self._services.cache.pod(uid_of(pod))
        running = runtime.running()
        observation = Observation(
            runtime=runtime,
            plan=plan,
            node_ip=self._services.node.ip,
            waiting=self._starter.waiting,
            ready=frozenset(one.config.name for one in running if self._probes.ready(one)),
            started=frozenset(one.config.name for one in running if self._probes.started(one)),
            volumes_ready=volumes_ready,
            messages=self._messages.of(
                one for history in runtime.containers.values() for one in history[:2]
            ),
        )
        now = self._services.clock.now()
        self.status = pod_status(pod, self._previous(pod), observation, now)
        self._report(pod, self.status)

    def _previous(self, pod: Object) -> Object:
        """Return our last status, with the conditions that others have put into the API's."""
        own = [one for one in self.status.get("conditions") or [] if one["type"] in _OWN_CONDITIONS]
        others = [
            one
            for one in status_of(pod).get("conditions") or []
            if one["type"] not in _OWN_CONDITIONS
        ]
        return self.status | {"conditions": own + others}
