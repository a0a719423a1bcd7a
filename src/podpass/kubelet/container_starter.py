"""Starts the containers of one pod, and remembers what held them back.

Source: Kubernetes v1.36, `pkg/kubelet/kuberuntime/kuberuntime_container.go`, `startContainer`, and
`pkg/kubelet/images/image_manager.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from podpass.api.meta import uid_of
from podpass.api.resources import Object
from podpass.base.clock import Clock
from podpass.base.tasks import Backoff
from podpass.kubelet.container_config import ConfigRefused, container_config
from podpass.kubelet.container_environment import (
    EnvironmentContext,
    EnvironmentFailed,
    container_environment,
)
from podpass.kubelet.container_status import Waiting
from podpass.kubelet.events import PodEvents
from podpass.kubelet.lifecycle_hooks import LifecycleHooks
from podpass.kubelet.log_files import remove_log
from podpass.kubelet.object_source import ObjectSource
from podpass.kubelet.pod_spec import grace_seconds
from podpass.kubelet.runtime.interface import (
    ContainerConfig,
    ContainerID,
    ContainerStatus,
    ImageInfo,
    ImageNotFound,
    Runtime,
    RuntimeFailure,
    SandboxID,
)
from podpass.kubelet.settings import KubeletSettings
from podpass.kubelet.termination_message import remove_message_file, with_message_file


class _HeldBack(Exception):
    def __init__(self, waiting: Waiting) -> None:
        super().__init__(waiting.message)
        self.waiting = waiting


class ContainerStarter:
    """Starts containers of one pod.

    Attributes:
        waiting: Container name to why it could not be started.
    """

    def __init__(
        self, runtime: Runtime, source: ObjectSource, settings: KubeletSettings, clock: Clock
    ) -> None:
        self.waiting: dict[str, Waiting] = {}
        self._runtime = runtime
        self._source = source
        self._settings = settings
        self._clock = clock
        self._hooks = LifecycleHooks(runtime, clock, settings.node_ip)
        self._backoffs: dict[str, Backoff] = {}
        self._retry_at: dict[str, datetime] = {}
        self._failure_shown_until: dict[str, datetime] = {}

    def retry_at(self, name: str) -> datetime | None:
        """Return when a container that was held back may be tried again; None for now."""
        known = self._retry_at.get(name)
        longest = timedelta(seconds=self._settings.image_backoff_maximum)
        if known is not None and known - self._clock.now() > longest:
            return None  # the clock was set back since
        return known

    def show_back_off(self, container: Object, now: datetime, events: PodEvents) -> datetime | None:
        """Show that an image that was not there is being waited for.

        Returns:
            When to call again, as long as the failure itself is still to be shown.
        """
        name = container["name"]
        waiting = self.waiting.get(name)
        if waiting is None or waiting.reason != "ErrImagePull":
            return None
        if now < self._failure_shown_until[name]:
            return self._failure_shown_until[name]
        message = f'Back-off pulling image "{container["image"]}"'
        events.normal("BackOff", message, container)
        events.warning("Failed", "Error: ImagePullBackOff", container)
        self.waiting[name] = Waiting(
            "ImagePullBackOff", f"{message}: ErrImagePull: {waiting.message}"
        )
        return None

    async def start(
        self,
        pod: Object,
        container: Object,
        history: tuple[ContainerStatus, ...],
        *,
        sandbox_id: SandboxID,
        context: EnvironmentContext,
        volume_paths: Mapping[str, Path],
        events: PodEvents,
    ) -> ContainerID | None:
        """Start a container; returns None if something held it back.

        Args:
            pod: The pod.
            container: Its container.
            history: The container's former incarnations, newest first.
            sandbox_id: Where it runs.
            context: What its environment depends on.
            volume_paths: Volume name to path on the node.
            events: Where to tell of it.
        """
        name = container["name"]
        try:
            image = await self._image(container, events)
            config = await self._config(
                pod, container, image, history, context, volume_paths, events
            )
            container_id = await self._create(sandbox_id, pod, container, config, events)
        except _HeldBack as held:
            self._hold_back(name, held.waiting)
            return None
        for former in history[1:]:
            await self._runtime.remove_container(former.id)
            remove_log(former.config.log_path)
            remove_message_file(former.config)
        try:
            await self._runtime.start_container(container_id)
        except RuntimeFailure as error:
            events.warning("Failed", f"Error: {error}", container)
            self._hold_back(name, Waiting("RunContainerError", str(error)))
            return None
        self.waiting.pop(name, None)
        self._retry_at.pop(name, None)
        self._backoffs.pop(name, None)
        events.normal("Started", f"Started container {name}", container)
        await self._run_post_start(pod, container, sandbox_id, container_id, events)
        return container_id

    async def _run_post_start(
        self,
        pod: Object,
        container: Object,
        sandbox_id: SandboxID,
        container_id: ContainerID,
        events: PodEvents,
    ) -> None:
        """Run the hook behind the start; a container whose hook fails is ended."""
        limit = float(grace_seconds(pod))
        result = await self._hooks.run(
            "postStart", pod, container, sandbox_id, container_id, limit=limit
        )
        if result is not None and not result.success:
            text = f"PostStartHook failed: {result.message}"
            events.warning("FailedPostStartHook", text, container)
            events.normal("Killing", "FailedPostStartHook", container)
            await self._runtime.stop_container(container_id, limit)

    def _hold_back(self, name: str, waiting: Waiting) -> None:
        settings = self._settings
        backoff = self._backoffs.setdefault(
            name, Backoff(settings.image_backoff, settings.image_backoff_maximum)
        )
        delay = timedelta(seconds=backoff.next_delay())
        self.waiting[name] = waiting
        self._retry_at[name] = self._clock.now() + delay
        self._failure_shown_until[name] = self._clock.now() + delay / 2

    async def _image(self, container: Object, events: PodEvents) -> ImageInfo:
        image = container["image"]
        never = container.get("imagePullPolicy") == "Never"
        try:
            found = await self._runtime.pull_image(image)
        except ImageNotFound as error:
            if never:
                text = f'Container image "{image}" is not present with pull policy of Never'
                reason = "ErrImageNeverPull"
                events.warning(reason, text, container)
            else:
                text, reason = str(error), "ErrImagePull"
                events.warning("Failed", f'Failed to pull image "{image}": {error}', container)
            events.warning("Failed", f"Error: {reason}", container)
            raise _HeldBack(Waiting(reason, text)) from error
        except RuntimeFailure as error:
            events.warning("Failed", f'Failed to pull image "{image}": {error}', container)
            raise _HeldBack(Waiting("ErrImagePull", str(error))) from error
        events.normal("Pulled", f'Container image "{image}" already present on machine', container)
        return found

    async def _config(
        self,
        pod: Object,
        container: Object,
        image: ImageInfo,
        history: tuple[ContainerStatus, ...],
        context: EnvironmentContext,
        volume_paths: Mapping[str, Path],
        events: PodEvents,
    ) -> ContainerConfig:
        try:
            environment = await container_environment(pod, container, context, self._source)
            return container_config(
                pod,
                container,
                attempt=history[0].config.attempt + 1 if history else 0,
                image=image,
                environment=environment,
                volume_paths=volume_paths,
                settings=self._settings,
            )
        except (EnvironmentFailed, ConfigRefused) as error:
            events.warning("Failed", f"Error: {error}", container)
            raise _HeldBack(Waiting("CreateContainerConfigError", str(error))) from error

    async def _create(
        self,
        sandbox_id: SandboxID,
        pod: Object,
        container: Object,
        config: ContainerConfig,
        events: PodEvents,
    ) -> ContainerID:
        directory = self._settings.pod_directory(uid_of(pod)) / "containers"
        try:
            config = with_message_file(config, container, directory)
            container_id = await self._runtime.create_container(sandbox_id, config)
        except (RuntimeFailure, OSError) as error:
            events.warning("Failed", f"Error: {error}", container)
            raise _HeldBack(Waiting("CreateContainerError", str(error))) from error
        events.normal("Created", f"Created container: {config.name}", container)
        return container_id
