"""When the containers of one pod may start again, and why they must."""

from __future__ import annotations

from datetime import datetime, timedelta

from podpass.api.meta import name_of, namespace_of, uid_of
from podpass.api.resources import Object
from podpass.kubelet.container_config import SPEC_HASH, spec_hash
from podpass.kubelet.container_status import Waiting
from podpass.kubelet.events import PodEvents
from podpass.kubelet.pod_worker import container_spec
from podpass.kubelet.restart_backoff import RestartBackoff
from podpass.kubelet.runtime.interface import ContainerState, ContainerStatus
from podpass.kubelet.settings import KubeletSettings


class ContainerRestarts:
    """The back-offs of one pod's containers."""

    def __init__(self, settings: KubeletSettings) -> None:
        self._settings = settings
        self._backoffs: dict[str, RestartBackoff] = {}
        self._told: dict[str, datetime] = {}

    def ready_at(self, container: ContainerStatus, *, now: datetime) -> datetime:
        """Return when a container that ended may start again."""
        if container.state is ContainerState.CREATED:
            return min(container.created_at, now)
        finished = container.finished_at or container.created_at
        backoff = self._backoff(container.config.name)
        return backoff.ready_at(container.started_at, finished, now=now)

    def restarted(self, name: str) -> None:
        """Note that a container was started again."""
        self._backoff(name).restarted()

    def waiting(self, name: str, until: datetime, pod: Object, events: PodEvents) -> Waiting:
        """Return how a back-off is shown, and tell of it once."""
        who = f"pod {name_of(pod)}_{namespace_of(pod)}({uid_of(pod)})"
        if self._told.get(name) != until:
            self._told[name] = until
            text = f"Back-off restarting failed container {name} in {who}"
            events.warning("BackOff", text, container_spec(pod, name))
        seconds = self._backoff(name).delay.total_seconds()
        shown = f"{seconds:g}s" if seconds < 60 else _minutes(seconds)  # noqa: PLR2004
        return Waiting(
            "CrashLoopBackOff",
            f"back-off {shown} restarting failed container={name} {who.replace(' ', '=', 1)}",
        )

    def why_outdated(self, container: Object, status: ContainerStatus) -> str:
        """Return why a running container is not what is wanted any more, or nothing."""
        made_from = status.config.annotations.get(SPEC_HASH)
        if made_from is None or made_from == spec_hash(container):
            return ""
        return f"Container {container['name']} definition changed, will be restarted"

    def _backoff(self, name: str) -> RestartBackoff:
        return self._backoffs.setdefault(
            name,
            RestartBackoff(
                timedelta(seconds=self._settings.restart_backoff),
                timedelta(seconds=self._settings.restart_backoff_maximum),
            ),
        )


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s"
