"""The embedded runtime: pods on bubblewrap, with nothing to install and with or without root.

1. Sandboxes and containers are processes of their own (`pod_sandbox`, `shim`) that outlive the
   kubelet; the state directory tells the next one about them (`state`).
2. What is told about them comes from memory; their ends arrive through pidfds.
3. Names of containers and sandboxes are random; nothing but their directories is shared.
4. Whatever touches many files runs in a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from dataclasses import replace
from pathlib import Path

import podpass
from podpass.base.clock import Clock
from podpass.base.tasks import new_uid
from podpass.kubelet.image import Image
from podpass.kubelet.images import ImageCatalog
from podpass.kubelet.runtime import launch, pod_sandbox
from podpass.kubelet.runtime.bubblewrap import (
    Overlay,
    bubblewrap_path,
    is_rootful,
    probe_overlay,
)
from podpass.kubelet.runtime.exec_session import EmbeddedExecSession, collect, start_exec
from podpass.kubelet.runtime.interface import (
    ContainerConfig,
    ContainerGone,
    ContainerID,
    ContainerState,
    ContainerStatus,
    ExecResult,
    ImageInfo,
    RuntimeFailure,
    SandboxConfig,
    SandboxID,
    SandboxState,
    SandboxStatus,
)
from podpass.kubelet.runtime.process_watch import (
    ProcessWatch,
    read_to_end,
    send_signal,
    start_process,
)
from podpass.kubelet.runtime.removal import remove_tree
from podpass.kubelet.runtime.root_filesystem import RootFilesystem
from podpass.kubelet.runtime.socket_path import short_address
from podpass.kubelet.runtime.specs import ContainerSpec, ExecSpec, SandboxSpec
from podpass.kubelet.runtime.state import (
    ContainerRecord,
    Launch,
    Process,
    SandboxRecord,
    StateDirectory,
)

_LOST = 137
"""Exit code of a container that died with its shim, as if by SIGKILL."""
_CONNECT_TIMEOUT = 5.0
"""Seconds until a port of a pod has answered."""


class EmbeddedRuntime:
    """Runs sandboxes and containers on this machine.

    Args:
        state_directory: Where sandboxes and containers are kept; of this runtime alone.
        images: Where images come from.
        clock: Source of creation times.
    """

    def __init__(self, state_directory: Path, images: ImageCatalog, clock: Clock) -> None:
        self._images = images
        self._clock = clock
        self._rootful = is_rootful()
        self._state = StateDirectory(state_directory)
        self._sandboxes = {r.status.id: r for r in self._state.sandboxes()}
        self._containers = {r.status.id: r for r in self._state.containers()}
        self._watch = ProcessWatch()
        self._changed = asyncio.Event()
        self._ends: dict[ContainerID, asyncio.Event] = {}
        self._attached = False
        self._overlay: Overlay | None = None

    def _attach(self) -> None:
        """Watch what an earlier kubelet has left running; needs the event loop."""
        if self._attached:
            return
        self._attached = True
        for sandbox in self._sandboxes.values():
            if sandbox.process is not None:
                self._watch_sandbox(sandbox.status.id, sandbox.process)
        for container in self._containers.values():
            if container.status.state is ContainerState.RUNNING:
                self._watch_container(container.status.id, container.shim)

    async def close(self) -> None:
        """Let go of everything; sandboxes and containers go on."""
        self._watch.close()

    async def version(self) -> str:
        return f"podpass://{podpass.__version__}"

    # Sandboxes

    async def run_pod_sandbox(self, config: SandboxConfig) -> SandboxID:
        self._attach()
        sandbox_id = SandboxID(_new_id())
        status = SandboxStatus(sandbox_id, config, SandboxState.READY, self._clock.now())
        directory = self._state.sandbox(sandbox_id)
        process = None
        try:
            directory.mkdir(mode=0o700)
            config.log_directory.mkdir(parents=True, exist_ok=True)
            await asyncio.to_thread(self._state.save_sandbox, status)
            if not config.host_network:
                process = await self._start_sandbox(sandbox_id, config, directory)
        except OSError as error:
            remove_tree(directory)
            raise RuntimeFailure(f"cannot make the pod sandbox: {error}") from error
        except (RuntimeFailure, asyncio.CancelledError):
            remove_tree(directory)
            raise
        self._sandboxes[sandbox_id] = SandboxRecord(status, process)
        if process is not None:
            self._watch_sandbox(sandbox_id, process)
        self._changed.set()
        return sandbox_id

    async def _start_sandbox(
        self, sandbox_id: SandboxID, config: SandboxConfig, directory: Path
    ) -> Process:
        service = config.service_address
        addresses = [config.pod_ip] if config.pod_ip else []
        if service and service[0] not in ("127.0.0.1", config.pod_ip):
            addresses.append(service[0])
        spec = SandboxSpec(
            directory=str(directory),
            rootful=self._rootful,
            hostname=config.hostname,
            addresses=addresses,
            service_host=service[0] if service else "",
            service_port=service[1] if service else 0,
            endpoints=[str(path) for path in config.api_endpoints],
        )
        pid, reply = await _start_and_hear("pod_sandbox", spec, directory, self._watch)
        process = self._state.sandbox_process(sandbox_id)
        if reply != pod_sandbox.READY or process is None:
            self._watch.reap(pid)
            text = reply.decode(errors="replace") or _last_words(directory)
            raise RuntimeFailure(f"cannot make the pod sandbox: {text}")
        return process

    def _watch_sandbox(self, sandbox_id: SandboxID, process: Process) -> None:
        if not self._watch.watch(
            process.pid, process.ticks, lambda: self._sandbox_ended(sandbox_id)
        ):
            self._sandbox_ended(sandbox_id)

    def _sandbox_ended(self, sandbox_id: SandboxID) -> None:
        record = self._sandboxes.get(sandbox_id)
        if record is not None:
            status = replace(record.status, state=SandboxState.NOT_READY)
            self._sandboxes[sandbox_id] = SandboxRecord(status, None)
            self._changed.set()

    async def stop_pod_sandbox(self, sandbox_id: SandboxID) -> None:
        self._attach()
        record = self._sandboxes.get(sandbox_id)
        if record is None:
            return
        self._state.mark_stopped(sandbox_id)
        inside = [c for c in self._containers.values() if c.status.sandbox_id == sandbox_id]
        for container in inside:
            await self.stop_container(container.status.id, 0)
        if record.process is not None:
            send_signal(record.process.pid, record.process.ticks, signal.SIGKILL)
        self._sandbox_ended(sandbox_id)

    async def remove_pod_sandbox(self, sandbox_id: SandboxID) -> None:
        await self.stop_pod_sandbox(sandbox_id)
        for container in list(self._containers.values()):
            if container.status.sandbox_id == sandbox_id:
                await self.remove_container(container.status.id)
        if self._sandboxes.pop(sandbox_id, None) is not None:
            await asyncio.to_thread(remove_tree, self._state.sandbox(sandbox_id))
            self._changed.set()

    async def list_pod_sandboxes(self) -> tuple[SandboxStatus, ...]:
        self._attach()
        return tuple(record.status for record in self._sandboxes.values())

    # Containers

    async def create_container(self, sandbox_id: SandboxID, config: ContainerConfig) -> ContainerID:
        self._attach()
        sandbox = self._ready_sandbox(sandbox_id)
        image = self._images.find(config.image)
        if self._overlay is None:
            self._overlay = await asyncio.to_thread(probe_overlay, self._state.path)
        container_id = ContainerID(_new_id())
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
            stop_signal=image.stop_signal,
            root_arguments=[],
        )
        plan = await asyncio.to_thread(
            self._prepare, status, plan, image, sandbox.status.config, self._overlay
        )
        self._containers[container_id] = ContainerRecord(status, plan)
        self._changed.set()
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

    async def start_container(self, container_id: ContainerID) -> None:
        self._attach()
        record = self._known(container_id)
        if record.status.state is not ContainerState.CREATED:
            raise RuntimeFailure(f"container {container_id} was started before")
        sandbox = self._ready_sandbox(record.status.sandbox_id)
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
            stdin=config.stdin,
            tty=config.tty,
        )
        try:
            pid, reply = await _start_and_hear("shim", spec, directory, self._watch)
        except OSError as error:
            raise RuntimeFailure(f"cannot start the container: {error}") from error
        record = self._state.refresh(record)
        self._containers[container_id] = record
        self._watch_container(container_id, record.shim)
        self._changed.set()
        if reply not in (b"running", b"exited"):
            self._watch.reap(pid)
            text = reply.decode(errors="replace").removeprefix("failed ")
            raise RuntimeFailure(f"cannot start the container: {text or _last_words(directory)}")

    def _watch_container(self, container_id: ContainerID, shim: Process | None) -> None:
        def ended() -> None:
            self._container_ended(container_id)

        if shim is None or not self._watch.watch(shim.pid, shim.ticks, ended):
            ended()

    def _container_ended(self, container_id: ContainerID) -> None:
        record = self._containers.get(container_id)
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
        self._containers[container_id] = record
        self._changed.set()
        self._ends.setdefault(container_id, asyncio.Event()).set()

    async def stop_container(self, container_id: ContainerID, timeout: float) -> None:
        self._attach()
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
        record = self._state.refresh(self._containers[container_id])
        if record.process is not None:
            send_signal(record.process.pid, record.process.ticks, number)
        elif record.shim is not None and number == signal.SIGKILL:
            send_signal(record.shim.pid, record.shim.ticks, number)

    async def remove_container(self, container_id: ContainerID) -> None:
        self._attach()
        record = self._containers.get(container_id)
        if record is None:
            return
        if record.status.state is ContainerState.RUNNING:
            raise RuntimeFailure(f"container {container_id} still runs; stop it first")
        del self._containers[container_id]
        self._ends.pop(container_id, None)
        await asyncio.to_thread(remove_tree, self._state.container(container_id))
        self._changed.set()

    async def list_containers(self) -> tuple[ContainerStatus, ...]:
        self._attach()
        return tuple(record.status for record in self._containers.values())

    async def wait_for_change(self, timeout: float) -> None:
        self._attach()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        self._changed.clear()

    # Into containers and pods

    async def exec_sync(
        self, container_id: ContainerID, command: tuple[str, ...], timeout: float
    ) -> ExecResult:
        session = await self.exec(container_id, command, stdin=False, tty=False)
        return await collect(session, timeout)

    async def exec(
        self, container_id: ContainerID, command: tuple[str, ...], *, stdin: bool, tty: bool
    ) -> EmbeddedExecSession:
        self._attach()
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
            tty=tty,
        )
        return await start_exec(spec, self._watch, stdin=stdin)

    async def connect(self, sandbox_id: SandboxID, port: int) -> int:
        self._attach()
        sandbox = self._ready_sandbox(sandbox_id)
        if sandbox.process is None:
            connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        else:
            control = self._state.sandbox(sandbox_id) / pod_sandbox.CONTROL_SOCKET
            connection = await asyncio.to_thread(_socket_inside, str(control))
        connection.setblocking(False)  # noqa: FBT003 - positional only
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT):
                await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        except BaseException:
            connection.close()
            raise
        return connection.detach()

    async def pull_image(self, name: str) -> ImageInfo:
        image = self._images.find(name)
        account = launch.account(image, None, None)
        return ImageInfo(image.name, image.id, image.size, account.uid, image.stop_signal)

    # Inside

    def _known(self, container_id: ContainerID) -> ContainerRecord:
        record = self._containers.get(container_id)
        if record is None:
            raise ContainerGone(f"no container {container_id}")
        return record

    def _ready_sandbox(self, sandbox_id: SandboxID) -> SandboxRecord:
        record = self._sandboxes.get(sandbox_id)
        if record is None or record.status.state is not SandboxState.READY:
            raise ContainerGone(f"sandbox {sandbox_id} is not ready")
        return record


def _new_id() -> str:
    return (new_uid() + new_uid()).replace("-", "")


async def _start_and_hear(
    module: str, spec: ContainerSpec | SandboxSpec, directory: Path, watch: ProcessWatch
) -> tuple[int, bytes]:
    """Start a process of ours; return its pid and what it replied."""
    answer, reply = os.pipe()
    complaints = os.open(
        directory / "stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
    )
    try:
        pid = start_process(module, spec, descriptors=[(reply, 1), (complaints, 2)])
    except BaseException:
        os.close(answer)
        raise
    finally:
        os.close(reply)
        os.close(complaints)
    try:
        return pid, await read_to_end(answer)
    except asyncio.CancelledError:
        os.kill(pid, signal.SIGKILL)  # nobody would know of it
        watch.reap(pid)
        raise


def _last_words(directory: Path) -> str:
    """Return the last line that a process of ours printed before it died."""
    with contextlib.suppress(OSError):
        lines = (directory / "stderr").read_text(errors="replace").strip().splitlines()
        if lines:
            return lines[-1]
    return "its process died without a word"


def _socket_inside(control: str) -> socket.socket:
    """Get an unconnected TCP socket of a pod's network from its sandbox.

    Raises:
        ContainerGone: The sandbox does not answer.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_CONNECT_TIMEOUT)
        try:
            with short_address(control) as address:
                client.connect(address)
            _, descriptors, _, _ = socket.recv_fds(client, len(pod_sandbox.READY), 1)
        except OSError as error:
            raise ContainerGone("the pod sandbox does not answer") from error
    if not descriptors:
        raise ContainerGone("the pod sandbox does not answer")
    return socket.socket(fileno=descriptors[0])
