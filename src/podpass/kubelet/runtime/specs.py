"""What the kubelet tells the runtime's own processes on their standard input, with `marshal`.

Only strings, numbers, lists and dictionaries. Not as arguments: environments hold secrets.
"""

from __future__ import annotations

from typing import TypedDict


class ContainerSpec(TypedDict):
    """A container to start.

    Attributes:
        directory: Where `state.json` is written.
        log_path: The container's log.
        bubblewrap: Path of the program `bwrap`.
        root_arguments: Its arguments that build the root file system.
        rootful: Whether ids are real (see `credentials`).
        sandbox_pid: The pod's sandbox process, or 0 with the node's network.
        sandbox_ticks: Its start, see `record.start_ticks`.
        hostname: Host name with the node's network.
        arguments: Program and arguments.
        environment: The whole environment.
        working_directory: Absolute path inside.
        uid: User id inside.
        gid: Group id inside.
        groups: Supplementary groups.
        capabilities: Numbers of what root may do.
        stdin: Keep standard input open instead of reading /dev/null.
        stdin_once: End it with the input of the first client that is attached.
        tty: Give the program a terminal.
        log_bytes: Size at which the log is rotated; 0 for never.
        log_files: How many files of the log are kept, the current one included.
    """

    directory: str
    log_path: str
    bubblewrap: str
    root_arguments: list[str]
    rootful: bool
    sandbox_pid: int
    sandbox_ticks: int
    hostname: str
    arguments: list[str]
    environment: dict[str, str]
    working_directory: str
    uid: int
    gid: int
    groups: list[int]
    capabilities: list[int]
    stdin: bool
    stdin_once: bool
    tty: bool
    log_bytes: int
    log_files: int


class SandboxSpec(TypedDict):
    """A pod sandbox with a network of its own to make.

    Attributes:
        directory: Where `state.json` and `control.sock` are made.
        rootful: Whether ids are real (see `credentials`).
        hostname: Host name inside.
        addresses: IPv4 addresses of the loopback interface beside 127.0.0.1.
        service_host: Address at which the API answers, or empty.
        service_port: Its port.
        endpoints: Unix sockets of API servers, tried in this order.
    """

    directory: str
    rootful: bool
    hostname: str
    addresses: list[str]
    service_host: str
    service_port: int
    endpoints: list[str]


class ExecSpec(TypedDict):
    """A command to run in a container that runs.

    Attributes:
        pid: The container's first process.
        pid_ticks: Its start, see `record.start_ticks`.
        shim_pid: Its shim, whose user namespace holds the pod's other namespaces.
        rootful: Whether ids are real (see `credentials`).
        arguments: Program and arguments.
        environment: The whole environment.
        working_directory: Absolute path inside.
        uid: User id inside.
        gid: Group id inside.
        groups: Supplementary groups.
        capabilities: Numbers of what root may do.
        tty: Give the program a terminal of the container.
    """

    pid: int
    pid_ticks: int
    shim_pid: int
    rootful: bool
    arguments: list[str]
    environment: dict[str, str]
    working_directory: str
    uid: int
    gid: int
    groups: list[int]
    capabilities: list[int]
    tty: bool
