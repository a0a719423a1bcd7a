"""The first process of a container, from fork to exec of the user's program.

bubblewrap builds the root file system and is gone before the program starts:

1. It runs as a child, in our PID namespace (`--pidns`), so that /proc shows the container.
2. It reads its seccomp program as the very last step of its set-up, after both pivot_root. We
   hand it a pipe there: once it has taken the byte in it, the root is ready, and it waits.
3. We enter its mount namespace through a pidfd, which keeps the namespace alive, and kill it.
4. Then user, groups and capabilities, which bubblewrap cannot set for us, and exec.

So the program is PID 1 itself, has real ids, and no process of ours stays in its namespaces.
"""

# Runs in a small process: no pathlib, no contextlib.
# ruff: noqa: FBT003, PTH110
from __future__ import annotations

import fcntl
import os
import select
import stat

from podpass.kubelet.runtime import credentials, kernel, program

TYPE_CHECKING = False  # importing `typing` costs a megabyte in every shim
if TYPE_CHECKING:
    from podpass.kubelet.runtime.specs import ContainerSpec

_SETUP_TIMEOUT = 30_000
"""Milliseconds that bubblewrap may take; it takes about five."""
_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", 1031)
_TERMINAL_BECOMES_OURS = 0x540E  # TIOCSCTTY, asm-generic/ioctls.h


class SetupFailed(Exception):
    """The container could not be made; the message says why."""


def start_program(spec: ContainerSpec, streams: tuple[int, int, int]) -> None:
    """Build the root, become the user and exec; returns never.

    Args:
        spec: The container.
        streams: Descriptors that become 0, 1 and 2.

    Raises:
        SetupFailed: The root file system or the credentials could not be had.
        program.CannotExecute: The program cannot be run.
    """
    _enter_root(spec)
    try:
        if spec["rootful"]:
            for descriptor in streams:  # so that /dev/stdout can be opened; never /dev/null
                if spec["tty"] or stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                    os.fchown(descriptor, spec["uid"], -1)
        credentials.become(
            spec["uid"],
            spec["gid"],
            tuple(spec["groups"]),
            rootful=spec["rootful"],
            capabilities=frozenset(spec["capabilities"]),
        )
        kernel.die_with_parent()
    except OSError as error:
        raise SetupFailed(f"cannot become user {spec['uid']}: {error.strerror}") from error
    os.umask(0o022)
    os.setsid()
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    if spec["tty"]:
        fcntl.ioctl(0, _TERMINAL_BECOMES_OURS, 0)
    kernel.reset_signals()
    program.run_program(spec["arguments"], spec["environment"], spec["working_directory"])


def _enter_root(spec: ContainerSpec) -> None:
    if os.getpid() != 1:
        raise SetupFailed("not the first process of a PID namespace")
    gate_out, gate = os.pipe()
    info, info_in = os.pipe()
    complaint, complaint_in = os.pipe()
    namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    for descriptor in (gate_out, info_in, namespace):
        os.set_inheritable(descriptor, True)
    fcntl.fcntl(gate, _PIPE_SIZE, 4096)  # one slot: full with one byte, free again when read
    os.write(gate, b"\0")
    os.posix_spawn(
        spec["bubblewrap"],
        [
            "bwrap",
            *("--pidns", str(namespace), "--info-fd", str(info_in), "--seccomp", str(gate_out)),
            *spec["root_arguments"],
            *("--", "/"),
        ],
        {},
        file_actions=[(os.POSIX_SPAWN_DUP2, complaint_in, 2)],
    )
    for descriptor in (gate_out, info_in, complaint_in, namespace):
        os.close(descriptor)
    waiting = select.poll()
    waiting.register(gate, select.POLLOUT)
    events = waiting.poll(_SETUP_TIMEOUT)
    if not events or not events[0][1] & select.POLLOUT or events[0][1] & select.POLLERR:
        text = _read_all(complaint) if events else b"bubblewrap did not finish in time"
        raise SetupFailed(text.decode(errors="replace").strip().removeprefix("bwrap: "))
    try:
        kernel.join_namespaces(os.pidfd_open(_child_pid(_read_all(info))), kernel.NEW_MOUNT)
    except (OSError, ValueError) as error:
        raise SetupFailed(f"cannot enter the root file system: {error}") from error
    os.kill(-1, 9)
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass
    if os.path.exists("/oldroot"):
        raise SetupFailed("bubblewrap waited before its root was ready; is its version supported?")
    for descriptor in (gate, info, complaint):
        os.close(descriptor)


def _child_pid(info: bytes) -> int:
    """Take the pid out of `{"child-pid": 4, ...}`."""
    digits = info.partition(b'"child-pid":')[2].replace(b",", b" ").replace(b"}", b" ").split()
    return int(digits[0]) if digits else -1


def _read_all(descriptor: int) -> bytes:
    data = b""
    while chunk := os.read(descriptor, 4096):
        data += chunk
    return data
