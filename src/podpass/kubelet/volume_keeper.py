"""Keeps the volumes of one pod set up and fresh, from its first moment to its last.

1. All volumes are gone over when the pod or an object in them changes, and about every
   `sync_frequency`; one with a token also at the very moment at which that is due for a refresh.
2. What failed is tried again soon; the containers wait only for volumes that were never set up.
3. A terminating pod is kept fresh until its last container has ended: a program that shuts down
   may need its token to say goodbye. (The reference stops: kubernetes#116481.)
4. Whenever a volume is gone over it is checked that running containers see the directory that is
   written to; one that sees a former directory gets the files written there, or is started anew
   (kubernetes#138689).

Spans are in seconds.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from podpass.api.meta import uid_of
from podpass.api.resources import Object
from podpass.base.clock import Clock
from podpass.base.tasks import Backoff, jitter
from podpass.kubelet.container_view import open_in_container, sees
from podpass.kubelet.pod_spec import full_name
from podpass.kubelet.projected_files import token_key
from podpass.kubelet.projected_volume import VOLUME_TYPES
from podpass.kubelet.runtime.interface import ContainerStatus
from podpass.kubelet.settings import KubeletSettings
from podpass.kubelet.token_manager import TokenManager
from podpass.kubelet.volumes import PodVolumes, SetUp, mounted_volumes, volume_type
from podpass.kubelet.wakeup import Wakeup

_log = logging.getLogger("kubelet.volumes")

SHORTEST_WAIT = 0.05
"""Between two passes; a timer may wake a moment early."""
PRUNE_DELAY = 1.0
"""How long superseded files stay for readers that were on their way to them."""
SYNC_SPREAD = 0.5
"""The part by which `sync_frequency` is lengthened at random, as in the reference."""


class VolumeKeeper:
    """Looks after the volumes of one pod."""

    def __init__(
        self,
        pod: Object,
        volumes: PodVolumes,
        tokens: TokenManager,
        *,
        settings: KubeletSettings,
        clock: Clock,
        running: Callable[[], Iterable[ContainerStatus]],
        on_failure: Callable[[str, str], None],
        on_change: Callable[[], None],
        on_stale_view: Callable[[ContainerStatus, str], None],
    ) -> None:
        """Prepare; `run` starts it.

        Args:
            pod: The pod; replace it with `update`.
            volumes: Its volumes.
            tokens: Knows when its tokens are due.
            settings: How often.
            clock: Tells the time and waits.
            running: Returns its containers that run now.
            on_failure: Called with volume name and message for each volume that is not up to date.
            on_change: Called when the volumes are ready for the first time.
            on_stale_view: Called with a container that sees a former directory of a volume.
        """
        self.pod = pod
        self.ready = False
        self._volumes = volumes
        self._tokens = tokens
        self._settings = settings
        self._clock = clock
        self._running = running
        self._on_failure = on_failure
        self._on_change = on_change
        self._on_stale_view = on_stale_view
        self._wakeup = Wakeup(clock)
        self._retry = Backoff(settings.mount_retry, settings.mount_retry_maximum)
        self._all_at = 0.0  # monotonic, of the next pass over all volumes
        self._prune_at: dict[str, float] = {}  # volume to monotonic

    def update(self, pod: Object) -> None:
        """Take over a pod; if its spec or metadata changed, its volumes are gone over at once."""
        former, self.pod = self.pod, pod
        if any(_shown(former).get(key) != _shown(pod).get(key) for key in _shown(pod)):
            self._wakeup.ring()

    def wake(self) -> None:
        """Have the volumes gone over at once: an object in them has changed."""
        self._wakeup.ring()

    async def run(self) -> None:
        """Look after the volumes until cancelled."""
        everything = True
        while True:
            volumes = mounted_volumes(self.pod) if everything else self._with_due_tokens()
            done = await self._pass(volumes, everything=everything)
            now = self._clock.monotonic()
            self._prune_at |= dict.fromkeys(done.written, now + PRUNE_DELAY)
            next_pass, everything = self._next(done, everything=everything)
            everything |= await self._rest(next_pass)

    async def _rest(self, until: float) -> bool:
        """Wait for a moment or a ring, and prune meanwhile; tell whether it rang."""
        while True:
            moment = min(until, *self._prune_at.values()) if self._prune_at else until
            rang = await self._wakeup.wait(self._left(moment))
            now = self._clock.monotonic()
            names = {name for name, at in self._prune_at.items() if at <= now}
            if names:
                self._volumes.prune(self.pod, names)
                for name in names:
                    del self._prune_at[name]
            if rang or now >= until:
                return rang

    async def _pass(self, volumes: list[Object], *, everything: bool) -> SetUp:
        done = await self._volumes.set_up(self.pod, volumes)
        for name, message in done.failures.items():
            _log.warning("pod %s, volume %s: %s", full_name(self.pod), name, message)
            self._on_failure(name, message)
        if everything and not done.missing and not self.ready:
            self.ready = True
            self._on_change()
        await self._check_views(volumes)
        return done

    def _with_due_tokens(self) -> list[Object]:
        return [
            volume
            for volume in mounted_volumes(self.pod)
            if any(
                self._tokens.wants_look(token_key(self.pod, source["serviceAccountToken"]))
                for source in (volume.get("projected") or {}).get("sources") or []
                if source.get("serviceAccountToken") is not None
            )
        ]

    def _left(self, moment: float) -> float:
        return max(0.0, moment - self._clock.monotonic())

    def _next(self, done: SetUp, *, everything: bool) -> tuple[float, bool]:
        """Return the moment of the next pass, and whether that one goes over all volumes."""
        now = self._clock.monotonic()
        if everything:
            self._all_at = now + jitter(self._settings.sync_frequency, SYNC_SPREAD)
        if done.failures:
            self._all_at = min(self._all_at, now + self._retry.next_delay())
        elif everything:
            self._retry.reset()
        moment, everything = self._all_at, True
        due = self._tokens.next_check(uid_of(self.pod))
        if due is not None:
            token_at = now + (due - self._clock.now()).total_seconds()
            moment, everything = min(moment, token_at), self._all_at <= token_at
        return max(moment, now + SHORTEST_WAIT), everything

    async def _check_views(self, gone_over: list[Object]) -> None:
        """Compare what containers see with what is written to; rule 4."""
        volumes = {
            str(self._volumes.path(volume)): volume
            for volume in gone_over
            if volume_type(volume) in VOLUME_TYPES
        }
        if not volumes:
            return
        for container in self._running():
            for mount in container.config.mounts:
                volume = volumes.get(str(mount.host_path))
                if volume is not None and container.pid is not None:
                    await self._check_view(container, container.pid, mount.container_path, volume)

    async def _check_view(
        self, container: ContainerStatus, pid: int, container_path: str, volume: Object
    ) -> None:
        directory = self._volumes.path(volume)
        try:
            seen = open_in_container(pid, container_path)
        except OSError:
            return  # it has just ended, or the kernel does not let us look
        try:
            if sees(seen, directory):
                return
            inside = self._volumes.projected(volume, Path(f"/proc/self/fd/{seen}"))
            with contextlib.suppress(OSError):
                result = await inside.project(self.pod, volume)
                if inside.published and not result.failures:
                    return
        except OSError as error:
            _log.warning("cannot look at %s: %s", directory, error)
            return
        finally:
            os.close(seen)
        self._on_stale_view(container, str(volume["name"]))


def _shown(pod: Object) -> Object:
    """Return what volumes can show of a pod."""
    metadata = pod.get("metadata", {})
    return {"labels": metadata.get("labels"), "annotations": metadata.get("annotations")}
