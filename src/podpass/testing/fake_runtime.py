"""An in-memory container runtime: containers run until a test ends them.

It keeps the promises of `kubelet.runtime.interface` and passes the contract suite of the embedded
runtime. What a real kernel would do is driven by the test:

* `exit_container` ends a container, `break_sandbox` kills a sandbox;
* `add_image`, `fail_next_start` and `refuse` decide what the runtime can do;
* `on_exec` answers commands; by default `cat PATH` reads through the container's mounts, so a test
  sees what the container would see, and `true`, `false`, `echo` do what they say;
* `listen` lets `connect` reach a real loopback port.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from podpass.base.clock import Clock, SystemClock
from podpass.base.tasks import new_uid
from podpass.kubelet.runtime.interface import (
    ContainerConfig,
    ContainerGone,
    ContainerID,
    ContainerState,
    ContainerStatus,
    ExecResult,
    ImageInfo,
    ImageNotFound,
    RuntimeFailure,
    SandboxConfig,
    SandboxID,
    SandboxState,
    SandboxStatus,
)

ExecHandler = Callable[[ContainerConfig, tuple[str, ...]], ExecResult]
"""Answers a command that is run in a container."""


class FakeExecSession:
    """A command that has already ended; what is written to it is kept in `written`."""

    def __init__(self, result: ExecResult) -> None:
        self.result = result
        self.written = bytearray()
        self.stdin_closed = False
        self.size: tuple[int, int] | None = None
        self.killed = False

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        if self.result.stdout:
            yield 1, self.result.stdout
        if self.result.stderr:
            yield 2, self.result.stderr

    async def write(self, data: bytes) -> None:
        self.written += data

    async def close_stdin(self) -> None:
        self.stdin_closed = True

    async def resize(self, width: int, height: int) -> None:
        self.size = (width, height)

    async def wait(self) -> int:
        return self.result.exit_code

    async def kill(self) -> None:
        self.killed = True


@dataclass(slots=True)
class FakeRuntime:
    """A Runtime whose containers do nothing until told.

    Attributes:
        clock: Source of the times in statuses.
        on_exec: Answers exec and exec_sync; None for the built-in commands.
        ignores_stop_signal: Names of containers that only SIGKILL ends.
        refuse: Operation name to message; that operation raises RuntimeFailure.
        calls: Names of the operations that changed something, in order.
        sessions: Every exec session that was handed out.
    """

    clock: Clock = field(default_factory=SystemClock)
    on_exec: ExecHandler | None = None
    ignores_stop_signal: set[str] = field(default_factory=set)
    refuse: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    sessions: list[FakeExecSession] = field(default_factory=list)
    _images: dict[str, ImageInfo] = field(default_factory=dict)
    _sandboxes: dict[SandboxID, SandboxStatus] = field(default_factory=dict)
    _containers: dict[ContainerID, ContainerStatus] = field(default_factory=dict)
    _ports: dict[tuple[str, int], int] = field(default_factory=dict)
    _start_failures: dict[str, tuple[str, bool]] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _pids: int = 1000

    def __post_init__(self) -> None:
        for name in ("nginx", "busybox", "podpass", "bash"):
            self.add_image(name)

    # What tests decide

    def add_image(self, name: str, *, user: int = 0) -> None:
        """Put an image into the catalog."""
        self._images[name] = ImageInfo(name=name, id=f"sha256:fake-{name}", size=1024, user=user)

    def remove_image(self, name: str) -> None:
        """Take an image out of the catalog."""
        self._images.pop(name, None)

    def exit_container(self, name: str, code: int = 0, *, message: str = "") -> None:
        """End the running container of that name (or id).

        Raises:
            ContainerGone: None runs.
        """
        for status in reversed(self._containers.values()):
            running = status.state is ContainerState.RUNNING
            if running and name in (status.config.name, status.id):
                self._end(status.id, code, message=message)
                return
        raise ContainerGone(f"no running container {name!r}")

    def break_sandbox(self, sandbox_id: SandboxID) -> None:
        """Let a sandbox and what runs in it die, as after a crash."""
        self._kill_sandbox(sandbox_id)

    def fail_next_start(self, name: str, message: str, *, refused: bool = False) -> None:
        """Let the next start of a container end in `StartError`, or raise when `refused`."""
        self._start_failures[name] = (message, refused)

    def listen(self, pod: str, port: int, real_port: int) -> None:
        """Let `connect` to `port` of the pod named `pod` reach 127.0.0.1:`real_port`."""
        self._ports[pod, port] = real_port

    def container(self, name: str) -> ContainerStatus:
        """Return the newest container of that name.

        Raises:
            ContainerGone: There is none.
        """
        for status in reversed(self._containers.values()):
            if status.config.name == name:
                return status
        raise ContainerGone(f"no container {name!r}")

    # Runtime

    async def version(self) -> str:
        return "fake://0.1.0"

    async def run_pod_sandbox(self, config: SandboxConfig) -> SandboxID:
        self._record("run_pod_sandbox")
        sandbox_id = SandboxID(new_uid())
        self._sandboxes[sandbox_id] = SandboxStatus(
            sandbox_id, config, SandboxState.READY, self.clock.now()
        )
        self._changed.set()
        return sandbox_id

    async def stop_pod_sandbox(self, sandbox_id: SandboxID) -> None:
        self._record("stop_pod_sandbox")
        self._kill_sandbox(sandbox_id)

    async def remove_pod_sandbox(self, sandbox_id: SandboxID) -> None:
        self._record("remove_pod_sandbox")
        self._kill_sandbox(sandbox_id)
        self._sandboxes.pop(sandbox_id, None)
        for status in list(self._containers.values()):
            if status.sandbox_id == sandbox_id:
                del self._containers[status.id]

    async def list_pod_sandboxes(self) -> tuple[SandboxStatus, ...]:
        return tuple(self._sandboxes.values())

    async def create_container(self, sandbox_id: SandboxID, config: ContainerConfig) -> ContainerID:
        self._record("create_container")
        image = await self.pull_image(config.image)
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or sandbox.state is not SandboxState.READY:
            raise ContainerGone(f"sandbox {sandbox_id} is not ready")
        for mount in config.mounts:
            if not mount.host_path.exists():
                raise RuntimeFailure(f"mount source {mount.host_path} does not exist")
        container_id = ContainerID(new_uid())
        self._containers[container_id] = ContainerStatus(
            id=container_id,
            sandbox_id=sandbox_id,
            config=config,
            state=ContainerState.CREATED,
            image_id=image.id,
            created_at=self.clock.now(),
        )
        self._changed.set()
        return container_id

    async def start_container(self, container_id: ContainerID) -> None:
        self._record("start_container")
        status = self._known(container_id)
        if status.state is not ContainerState.CREATED:
            raise RuntimeFailure(f"container {container_id} was started before")
        message, refused = self._start_failures.pop(status.config.name, ("", False))
        if message:
            self._end(container_id, 128, reason="StartError", message=message)
            if refused:
                raise RuntimeFailure(message)
            return
        self._pids += 1
        self._containers[container_id] = replace(
            status,
            state=ContainerState.RUNNING,
            started_at=self.clock.now(),
            pid=self._pids,
        )
        status.config.log_path.parent.mkdir(parents=True, exist_ok=True)
        status.config.log_path.touch()
        self._changed.set()

    async def stop_container(self, container_id: ContainerID, timeout: float) -> None:
        self._record("stop_container")
        status = self._known(container_id)
        if status.state is not ContainerState.RUNNING:
            return
        if status.config.name in self.ignores_stop_signal:
            deadline = self.clock.monotonic() + timeout
            while self.clock.monotonic() < deadline:
                if self._known(container_id).state is not ContainerState.RUNNING:
                    return
                await self.clock.sleep(min(0.01, timeout))
            if self._known(container_id).state is ContainerState.RUNNING:
                self._end(container_id, 128 + signal.SIGKILL)
            return
        self._end(container_id, 0)

    async def remove_container(self, container_id: ContainerID) -> None:
        self._record("remove_container")
        status = self._containers.get(container_id)
        if status is None:
            return
        if status.state is ContainerState.RUNNING:
            raise RuntimeFailure(f"container {container_id} still runs; stop it first")
        del self._containers[container_id]

    async def list_containers(self) -> tuple[ContainerStatus, ...]:
        return tuple(self._containers.values())

    async def wait_for_change(self, timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    async def exec_sync(
        self, container_id: ContainerID, command: tuple[str, ...], timeout: float
    ) -> ExecResult:
        del timeout
        return self._execute(container_id, command)

    async def exec(
        self, container_id: ContainerID, command: tuple[str, ...], *, stdin: bool, tty: bool
    ) -> FakeExecSession:
        del stdin
        result = self._execute(container_id, command)
        if tty:
            result = replace(result, stdout=result.stdout + result.stderr, stderr=b"")
        session = FakeExecSession(result)
        self.sessions.append(session)
        return session

    async def attach(self, container_id: ContainerID) -> FakeExecSession:
        status = self._known(container_id)
        if status.state is not ContainerState.RUNNING:
            raise ContainerGone(f"container {container_id} does not run")
        session = FakeExecSession(ExecResult(0, f"output of {status.config.name}".encode(), b""))
        self.sessions.append(session)
        return session

    async def connect(self, sandbox_id: SandboxID, port: int) -> int:
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or sandbox.state is not SandboxState.READY:
            raise ContainerGone(f"sandbox {sandbox_id} is not ready")
        real_port = self._ports.get((sandbox.config.name, port))
        if real_port is None:
            raise ConnectionRefusedError(f"nobody listens on port {port}")
        return socket.create_connection(("127.0.0.1", real_port), timeout=5).detach()

    async def pull_image(self, name: str) -> ImageInfo:
        repository = name.removeprefix("docker.io/library/").partition(":")[0]
        image = self._images.get(name) or self._images.get(repository)
        if image is None:
            raise ImageNotFound(
                f"image {name!r} is not in the catalog; add it with: podpass image add {name} PATH"
            )
        return image

    # Inside

    def _record(self, operation: str) -> None:
        if operation in self.refuse:
            raise RuntimeFailure(self.refuse[operation])
        self.calls.append(operation)

    def _known(self, container_id: ContainerID) -> ContainerStatus:
        status = self._containers.get(container_id)
        if status is None:
            raise ContainerGone(f"no container {container_id}")
        return status

    def _end(
        self, container_id: ContainerID, code: int, *, reason: str = "", message: str = ""
    ) -> None:
        now = self.clock.now()
        status = self._containers[container_id]
        self._containers[container_id] = replace(
            status,
            state=ContainerState.EXITED,
            started_at=status.started_at or now,
            finished_at=now,
            exit_code=code,
            reason=reason or ("Error" if code else "Completed"),
            message=message,
            pid=None,
        )
        self._changed.set()

    def _kill_sandbox(self, sandbox_id: SandboxID) -> None:
        sandbox = self._sandboxes.get(sandbox_id)
        if sandbox is None or sandbox.state is SandboxState.NOT_READY:
            return
        self._sandboxes[sandbox_id] = replace(sandbox, state=SandboxState.NOT_READY)
        for status in list(self._containers.values()):
            if status.sandbox_id == sandbox_id and status.state is ContainerState.RUNNING:
                self._end(status.id, 128 + signal.SIGKILL)
        self._changed.set()

    def _execute(self, container_id: ContainerID, command: tuple[str, ...]) -> ExecResult:
        status = self._known(container_id)
        if status.state is not ContainerState.RUNNING:
            raise ContainerGone(f"container {container_id} does not run")
        return (self.on_exec or _builtin_command)(status.config, command)


def _builtin_command(config: ContainerConfig, command: tuple[str, ...]) -> ExecResult:
    match command:
        case ("true",):
            return ExecResult(0, b"", b"")
        case ("false",):
            return ExecResult(1, b"", b"")
        case ("echo", *words):
            return ExecResult(0, " ".join(words).encode() + b"\n", b"")
        case ("cat", path):
            try:
                return ExecResult(0, _host_path(config, path).read_bytes(), b"")
            except OSError:
                return ExecResult(1, b"", f"cat: {path}: No such file or directory\n".encode())
        case _:
            text = f'exec failed: exec: "{command[0]}": executable file not found in $PATH\n'
            return ExecResult(127, b"", text.encode())


def _host_path(config: ContainerConfig, path: str) -> Path:
    """Follow the mounts, the longest first."""
    for mount in sorted(config.mounts, key=lambda mount: -len(mount.container_path)):
        if path == mount.container_path or path.startswith(mount.container_path.rstrip("/") + "/"):
            return mount.host_path / path[len(mount.container_path) :].lstrip("/")
    return Path("/nonexistent") / path.lstrip("/")
