"""What the kubelet asks of a container runtime, shaped like CRI v1.

A pod sandbox holds the namespaces that a pod's containers share; containers run in it. Sandboxes
and containers outlive the kubelet: after a restart `list_*` shows them again. Ids are opaque.
Times are aware UTC datetimes, timeouts are in seconds.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NewType, Protocol

SandboxID = NewType("SandboxID", str)
ContainerID = NewType("ContainerID", str)


class RuntimeFailure(Exception):
    """The runtime could not do it; the message says why and what to do."""


class ImageNotFound(RuntimeFailure):
    """The image is not in the catalog (kubelet: `ErrImagePull`)."""


class ContainerGone(RuntimeFailure):
    """No such container or sandbox, or it is not running."""


class SandboxState(enum.Enum):
    """State of a pod sandbox."""

    READY = "ready"
    NOT_READY = "not ready"


class ContainerState(enum.Enum):
    """State of a container."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory or file of the host that is seen inside the container.

    Attributes:
        host_path: What is mounted; must exist.
        container_path: Absolute path inside; links such as `/var/run` are resolved inside.
        read_only: Whether writing inside is refused.
    """

    host_path: Path
    container_path: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """A pod as the runtime sees it.

    Attributes:
        namespace: Pod namespace.
        name: Pod name.
        uid: Pod UID.
        attempt: Counts the sandboxes of this pod.
        hostname: Host name inside.
        host_network: Share the node's network instead of having one of its own.
        log_directory: Where the containers' logs are written.
        pod_ip: Address of the pod's own network; None with the node's network.
        hosts: Address to names, for the pod's `/etc/hosts`.
        api_endpoints: Unix sockets on which API servers answer; the sandbox relays connections
            to `service_address` to the first that accepts. Empty with the node's network.
        service_address: Address and port inside the pod's own network at which the API answers.
        annotations: Kept and returned as they are.
    """

    namespace: str
    name: str
    uid: str
    attempt: int
    hostname: str
    host_network: bool
    log_directory: Path
    pod_ip: str | None = None
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    api_endpoints: tuple[Path, ...] = ()
    service_address: tuple[str, int] | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    """A container to create.

    Attributes:
        name: Container name in the pod.
        attempt: Restart count.
        image: Image name as the user wrote it.
        command: Replaces the image's entrypoint if not empty.
        args: Replaces the image's arguments if not empty.
        env: Environment on top of the image's.
        working_dir: Replaces the image's if not empty.
        mounts: Volumes and single files.
        log_path: File of the container's log, in CRI format (`TIME stdout F text`).
        run_as_user: UID of the process; None for the image's.
        run_as_group: GID of the process; None for the image's.
        supplemental_groups: Further GIDs, fsGroup among them.
        read_only_root: Whether the root file system refuses writes.
        add_capabilities: What root may do beyond the usual, e.g. `NET_ADMIN`; `ALL` is everything.
        drop_capabilities: What root may not do; `ALL` is everything.
        stop_signal: Name of the signal that asks it to end, e.g. `SIGUSR1`; empty for the image's.
        stdin: Keep standard input open for attach.
        stdin_once: End it with the input of the first client.
        tty: Give the process a terminal.
        log_bytes: Size at which the log is rotated (`LOG.1`, `LOG.2`...); 0 for never.
        log_files: How many files of it are kept, the current one included.
        annotations: Kept and returned as they are.
    """

    name: str
    attempt: int
    image: str
    log_path: Path
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = ""
    mounts: tuple[Mount, ...] = ()
    run_as_user: int | None = None
    run_as_group: int | None = None
    supplemental_groups: tuple[int, ...] = ()
    read_only_root: bool = False
    add_capabilities: tuple[str, ...] = ()
    drop_capabilities: tuple[str, ...] = ()
    stop_signal: str = ""
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    log_bytes: int = 10 * 1024 * 1024
    log_files: int = 5
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SandboxStatus:
    """A sandbox as it stands."""

    id: SandboxID
    config: SandboxConfig
    state: SandboxState
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    """A container as it stands.

    Attributes:
        id: Its id.
        sandbox_id: The sandbox it runs in.
        config: As given at creation.
        state: Created, running or exited.
        image_id: Identity of the image's content.
        created_at: Time of creation.
        started_at: Time of start, or None.
        finished_at: Time of exit, or None.
        exit_code: 0-255, 128 + signal when killed; None unless exited.
        reason: `Completed`, `Error`, `OOMKilled`, `StartError`, or empty.
        message: More about the reason, or empty.
        pid: Process id in the host's view while running, else None.
    """

    id: ContainerID
    sandbox_id: SandboxID
    config: ContainerConfig
    state: ContainerState
    image_id: str
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """An image of the catalog.

    Attributes:
        name: Canonical name, e.g. `nginx`.
        id: Identity of its content, e.g. `sha256:...`.
        size: Bytes on disk.
        user: UID the image asks for; 0 is root.
        stop_signal: Signal number that asks its process to end.
    """

    name: str
    id: str
    size: int
    user: int = 0
    stop_signal: int = 15


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a finished command left behind."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class ExecSession(Protocol):
    """A command that runs in a container, with its streams."""

    def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """Yield (1, stdout bytes) and (2, stderr bytes) until both have ended; 1 only with tty."""
        ...

    async def write(self, data: bytes) -> None:
        """Feed standard input."""
        ...

    async def close_stdin(self) -> None:
        """End standard input."""
        ...

    async def resize(self, width: int, height: int) -> None:
        """Set the terminal's size in characters; nothing without tty."""
        ...

    async def wait(self) -> int:
        """Return the exit code once the command has ended."""
        ...

    async def kill(self) -> None:
        """End the command, for a client that went away."""
        ...


class Runtime(Protocol):
    """Runs sandboxes and containers."""

    async def version(self) -> str:
        """Return name and version, e.g. `podpass://0.1.0`, for node status."""
        ...

    async def run_pod_sandbox(self, config: SandboxConfig) -> SandboxID:
        """Make the pod's namespaces.

        Raises:
            RuntimeFailure: The kernel or the disk refused; says what to do.
        """
        ...

    async def stop_pod_sandbox(self, sandbox_id: SandboxID) -> None:
        """Kill what still runs in it; done already is fine."""
        ...

    async def remove_pod_sandbox(self, sandbox_id: SandboxID) -> None:
        """Forget a stopped sandbox and its containers; gone already is fine."""
        ...

    async def list_pod_sandboxes(self) -> tuple[SandboxStatus, ...]:
        """Return all sandboxes, stopped ones too."""
        ...

    async def create_container(self, sandbox_id: SandboxID, config: ContainerConfig) -> ContainerID:
        """Prepare a container.

        Raises:
            ImageNotFound: The image is not in the catalog.
            RuntimeFailure: A mount is missing or the sandbox is not ready.
        """
        ...

    async def start_container(self, container_id: ContainerID) -> None:
        """Start it; a command that cannot be executed exits with reason `StartError`.

        Raises:
            RuntimeFailure: It could not be started at all; it is then exited, exit code 128.
        """
        ...

    async def stop_container(self, container_id: ContainerID, timeout: float) -> None:
        """Send the stop signal, and SIGKILL after `timeout` seconds; returns when it has ended."""
        ...

    async def remove_container(self, container_id: ContainerID) -> None:
        """Forget an exited container (its log stays); gone already is fine."""
        ...

    async def list_containers(self) -> tuple[ContainerStatus, ...]:
        """Return all containers of all sandboxes, exited ones too."""
        ...

    async def wait_for_change(self, timeout: float) -> None:
        """Return as soon as a container or sandbox has changed state, at latest after `timeout`."""
        ...

    async def exec_sync(
        self, container_id: ContainerID, command: tuple[str, ...], timeout: float
    ) -> ExecResult:
        """Run a command in the container and collect what it prints (up to 16 MiB).

        Raises:
            ContainerGone: It does not run.
            TimeoutError: The command did not end in time; it was killed.
        """
        ...

    async def exec(
        self, container_id: ContainerID, command: tuple[str, ...], *, stdin: bool, tty: bool
    ) -> ExecSession:
        """Start a command in the container.

        Raises:
            ContainerGone: It does not run.
        """
        ...

    async def attach(self, container_id: ContainerID) -> ExecSession:
        """Join the streams of the container's own process.

        Its end is the container's end, with exit code 0; `kill` only lets go. `close_stdin` ends
        the container's input if it has `stdin_once` and no terminal.

        Raises:
            ContainerGone: It does not run.
        """
        ...

    async def connect(self, sandbox_id: SandboxID, port: int) -> int:
        """Open a TCP connection to the pod's own 127.0.0.1:`port`; returns the file descriptor.

        Raises:
            ConnectionError: Nobody listens there.
            ContainerGone: The sandbox is not ready.
        """
        ...

    async def pull_image(self, name: str) -> ImageInfo:
        """Look the image up.

        Raises:
            ImageNotFound: It is not in the catalog; says how to add it.
        """
        ...
