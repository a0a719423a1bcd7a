"""Containers: made, started, stopped, entered, removed."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from dataclasses import replace

from podpass.base.clock import Clock
from podpass.kubelet.image import Image
from podpass.kubelet.images import ImageCatalog
from podpass.kubelet.runtime import launch
from podpass.kubelet.runtime.attach_session import AttachSession, attach, listen
from podpass.kubelet.runtime.bubblewrap import (
    Overlay,
    bubblewrap_path,
    is_rootful,
    probe_overlay,
)
from podpass.kubelet.runtime.capabilities import capability_set
from podpass.kubelet.runtime.container_streams import LISTENER
from podpass.kubelet.runtime.exec_session import EmbeddedExecSession, start_exec
from podpass.kubelet.runtime.interface import (
    ContainerConfig,
    ContainerGone,
    ContainerID,
    ContainerState,
    ContainerStatus,
    RuntimeFailure,
    SandboxConfig,
    SandboxID,
)
from podpass.kubelet.runtime.own_process import last_words, new_id, start_and_hear
from podpass.kubelet.runtime.process_watch import ProcessWatch, send_signal
from podpass.kubelet.runtime.removal import remove_tree
from podpass.kubelet.runtime.root_filesystem import RootFilesystem
from podpass.kubelet.runtime.sandboxes import Sandboxes
from podpass.kubelet.runtime.specs import ContainerSpec, ExecSpec
from podpass.kubelet.runtime.state import ContainerRecord, Launch, Process, StateDirectory

_LOST = 137
"""Exit code of a container that died with its shim, as if by SIGKILL."""


class Containers:
    """The containers of a state directory.

    Args:
        state: Where they are kept.
        sandboxes: What they run in.
        images: Where images come from.
        watch: Tells when their shims end.
        clock: Source of creation times.
        changed: Called when a container has changed its state.
    """

    def __init__(
        self,
        state: StateDirectory,
        sandboxes: Sandboxes,
        images: ImageCatalog,
        watch: ProcessWatch,
        clock: Clock,
        changed: Callable[[], None],
    ) -> None:
        self._state = state
        self._sandboxes = sandboxes
        self._images = images
        self._watch = watch
        self._clock = clock
        self._changed = changed
        self._rootful = is_rootful()
        self._records = {record.status.id: record for record in state.containers()}
        self._ends: dict[ContainerID, asyncio.Event] = {}
        self._overlay: Overlay | None = None

    def attach(self) -> None:
        """Watch what an earlier kubelet has left running; needs the event loop."""
        for record in list(self._records.values()):
            if record.status.state is ContainerState.RUNNING:
                self._observe(record.status.id, record.shim)

    def statuses(self) -> tuple[ContainerStatus, ...]:
        """Return all containers, exited ones too."""
        return tuple(record.status for record in self._records.values())

    def of(self, sandbox_id: SandboxID) -> list[ContainerID]:
        """Return the containers of a sandbox."""
        return [r.status.id for r in self._records.values() if r.status.sandbox_id == sandbox_id]

    async def create(self, sandbox_id: SandboxID, config: ContainerConfig) -> ContainerID:
        """Prepare a container.

        Raises:
            ImageNotFound: The image is not in the catalog.
            RuntimeFailure: A mount is missing or the sandbox is not ready.
        """
        sandbox = self._sandboxes.ready(sandbox_id)
        image = self._images.find(config.image)
        if self._overlay is None:
            self._overlay = await asyncio.to_thread(probe_overlay, self._state.path)
        container_id = ContainerID(new_id())
        status = ContainerStatus(
            id=container_id,
            sandbox_id=sandbox_id,
            config=config,
            state=ContainerState.CREATED,
            image_id=image.id,
            created_at=self._clock.now(),
        )
        account = launch.account(image, config.run_as_user, config.run_as_group)
        plan = Launch(
            arguments=launch.program_arguments(image, config),
            environment=launch.program_environment(
                image, config, account.home, sandbox.status.config.hostname
            ),
            working_directory=config.working_dir or image.working_directory or "/",
            uid=account.uid,
            gid=account.gid,
            groups=list(config.supplemental_groups),
            stop_signal=launch.stop_signal(image, config),
            root_arguments=[],
            capabilities=sorted(capability_set(config.add_capabilities, config.drop_capabilities)),
        )
        plan = await asyncio.to_thread(
            self._prepare, status, plan, image, sandbox.status.config, self._overlay
        )
        self._records[container_id] = ContainerRecord(status, plan)
        self._changed()
        return container_id

    def _prepare(
        self,
        status: ContainerStatus,
        plan: Launch,
        image: Image,
        pod: SandboxConfig,
        overlay: Overlay,
    ) -> Launch:
        """Make the container's files; runs in a thread."""
        directory = self._state.container(status.id)
        try:
            directory.mkdir(mode=0o700)
            status.config.log_path.parent.mkdir(parents=True, exist_ok=True)
            arguments = RootFilesystem(directory, image, overlay).prepare(
                launch.pod_files(pod),
                status.config.mounts,
                working_directory=plan.working_directory,
                read_only=status.config.read_only_root,
            )
            plan = replace(plan, root_arguments=arguments)
            self._state.save_container(status, plan)
        except OSError as error:
            remove_tree(directory)
            raise RuntimeFailure(f"cannot create the container: {error}") from error
        except RuntimeFailure:
            remove_tree(directory)
            raise
        return plan

    async def start(self, container_id: ContainerID) -> None:
        """Start a container that was created.

        Raises:
            RuntimeFailure: It could not be started at all; it has exited then.
        """
        record = self._known(container_id)
        if record.status.state is not ContainerState.CREATED:
            raise RuntimeFailure(f"container {container_id} was started before")
        sandbox = self._sandboxes.ready(record.status.sandbox_id)
        directory = self._state.container(container_id)
        config, plan = record.status.config, record.launch
        spec = ContainerSpec(
            directory=str(directory),
            log_path=str(config.log_path),
            bubblewrap=str(bubblewrap_path()),
            root_arguments=plan.root_arguments,
            rootful=self._rootful,
            sandbox_pid=sandbox.process.pid if sandbox.process else 0,
            sandbox_ticks=sandbox.process.ticks if sandbox.process else 0,
            hostname=sandbox.status.config.hostname,
            arguments=plan.arguments,
            environment=plan.environment,
            working_directory=plan.working_directory,
            uid=plan.uid,
            gid=plan.gid,
            groups=plan.groups,
            capabilities=plan.capabilities,
            stdin=config.stdin,
            stdin_once=config.stdin_once,
            tty=config.tty,
            log_bytes=config.log_bytes,
            log_files=config.log_files,
        )
        try:
            with listen(directory) as listener:
                pid, reply = await start_and_hear(
                    "shim",
                    spec,
                    directory,
                    self._watch,
                    descriptors=[(listener.fileno(), LISTENER)],
                )
        except OSError as error:
            raise RuntimeFailure(f"cannot start the container: {error}") from error
        record = self._state.refresh(record)
        self._records[container_id] = record
        self._observe(container_id, record.shim)
        self._changed()
        if reply not in (b"running", b"exited"):
            self._watch.reap(pid)
            text = reply.decode(errors="replace").removeprefix("failed ")
            raise RuntimeFailure(f"cannot start the container: {text or last_words(directory)}")

    def _observe(self, container_id: ContainerID, shim: Process | None) -> None:
        def ended() -> None:
            self._ended(container_id)

        if shim is None or not self._watch.watch(shim.pid, shim.ticks, ended):
            ended()

    def _ended(self, container_id: ContainerID) -> None:
        record = self._records.get(container_id)
        if record is None:
            return
        record = self._state.refresh(record)
        if record.status.state is not ContainerState.EXITED:
            now = self._clock.now()
            status = replace(
                record.status,
                state=ContainerState.EXITED,
                started_at=record.status.started_at or now,
                finished_at=now,
                exit_code=_LOST,
                reason="Error",
                message="the container's shim ended without a record, and the container with it",
                pid=None,
            )
            record = replace(record, status=status, process=None)
        self._records[container_id] = record
        self._changed()
        self._ends.setdefault(container_id, asyncio.Event()).set()

    async def stop(self, container_id: ContainerID, timeout: float) -> None:
        """End a container: its stop signal, and SIGKILL after `timeout` seconds."""
        record = self._known(container_id)
        if record.status.state is not ContainerState.RUNNING:
            return
        ended = self._ends.setdefault(container_id, asyncio.Event())
        if timeout > 0:
            self._signal(container_id, record.launch.stop_signal)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await ended.wait()
        if not ended.is_set():
            self._signal(container_id, signal.SIGKILL)
            await ended.wait()

    def _signal(self, container_id: ContainerID, number: int) -> None:
        """Signal the first process of a container, not its shim."""
        record = self._state.refresh(self._records[container_id])
        if record.process is not None:
            send_signal(record.process.pid, record.process.ticks, number)
        elif record.shim is not None and number == signal.SIGKILL:
            send_signal(record.shim.pid, record.shim.ticks, number)

    async def remove(self, container_id: ContainerID) -> None:
        """Forget an ended container.

        Raises:
            RuntimeFailure: It still runs.
        """
        record = self._records.get(container_id)
        if record is None:
            return
        if record.status.state is ContainerState.RUNNING:
            raise RuntimeFailure(f"container {container_id} still runs; stop it first")
        del self._records[container_id]
        self._ends.pop(container_id, None)
        await asyncio.to_thread(remove_tree, self._state.container(container_id))
        self._changed()

    async def exec(
        self, container_id: ContainerID, command: tuple[str, ...], *, stdin: bool, tty: bool
    ) -> EmbeddedExecSession:
        """Start a command in a container.

        Raises:
            ContainerGone: It does not run.
        """
        record = self._state.refresh(self._known(container_id))
        if record.process is None or record.shim is None:
            raise ContainerGone(f"container {container_id} does not run")
        plan = record.launch
        environment = {**plan.environment, **({"TERM": "xterm"} if tty else {})}
        spec = ExecSpec(
            pid=record.process.pid,
            pid_ticks=record.process.ticks,
            shim_pid=record.shim.pid,
            rootful=self._rootful,
            arguments=list(command),
            environment=environment,
            working_directory=plan.working_directory,
            uid=plan.uid,
            gid=plan.gid,
            groups=plan.groups,
            capabilities=plan.capabilities,
            tty=tty,
        )
        return await start_exec(spec, self._watch, stdin=stdin)

    def join_streams(self, container_id: ContainerID) -> AttachSession:
        """Join the streams of a container's own process.

        Raises:
            ContainerGone: It does not run.
        """
        record = self._state.refresh(self._known(container_id))
        if record.status.state is not ContainerState.RUNNING:
            raise ContainerGone(f"container {container_id} does not run")
        return attach(self._state.container(container_id), tty=record.status.config.tty)

    def _known(self, container_id: ContainerID) -> ContainerRecord:
        record = self._records.get(container_id)
        if record is None:
            raise ContainerGone(f"no container {container_id}")
        return record
