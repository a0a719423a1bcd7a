"""The process that runs one more command in a container.

The command joins all namespaces of the container's first process and has its user, its limits and
its environment. Descriptors 0, 1 and 2 are the command's; descriptor 3 is a stream socket to the
kubelet: the command comes in with `marshal`; with a terminal its master side goes back as
b"t" with the descriptor. Ends with the exit code of the command; SIGTERM kills the command.
"""

# Runs in a small process: no pathlib, no contextlib.
# ruff: noqa: SIM105
from __future__ import annotations

import fcntl
import marshal
import os
import select
import socket
import sys

from podpass.kubelet.runtime import credentials, kernel, program
from podpass.kubelet.runtime.record import start_ticks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from podpass.kubelet.runtime.specs import ExecSpec

CONTROL = 3
GONE = 254
"""Exit code when the container ended before the command could start."""
TERMINAL = b"t"
_TERMINAL_BECOMES_OURS = 0x540E  # TIOCSCTTY
_CONTAINER_NAMESPACES = (
    kernel.NEW_MOUNT | kernel.NEW_PID | kernel.NEW_NET | kernel.NEW_IPC | kernel.NEW_UTS
)


def main() -> None:
    """Run the command that is described on the control socket."""
    control = socket.socket(fileno=CONTROL)
    control.set_inheritable(False)
    with control.makefile("rb") as file:
        spec: ExecSpec = marshal.load(file)  # noqa: S302 - our own parent's bytes
    try:
        _enter(spec)
    except OSError as error:
        _complain(f"exec failed: container is not running: {error}")
        sys.exit(GONE)
    terminal = -1
    if spec["tty"]:
        master, terminal = os.openpty()
        if spec["rootful"]:
            os.fchown(terminal, spec["uid"], -1)
        socket.send_fds(control, [TERMINAL], [master])
        os.close(master)
    _wait(os.fork() or _run(spec, terminal), control)


def _enter(spec: ExecSpec) -> None:
    container = os.pidfd_open(spec["pid"])
    if start_ticks(spec["pid"]) != spec["pid_ticks"]:
        raise ProcessLookupError(3, "its process is gone")
    if not spec["rootful"]:
        shim = os.pidfd_open(spec["shim_pid"])
        kernel.join_namespaces(shim, kernel.NEW_USER)
    kernel.join_namespaces(container, _CONTAINER_NAMESPACES)


def _run(spec: ExecSpec, terminal: int) -> int:
    """Become the command; the exit code tells why that failed."""
    try:
        credentials.become(
            spec["uid"],
            spec["gid"],
            tuple(spec["groups"]),
            rootful=spec["rootful"],
            capabilities=frozenset(spec["capabilities"]),
        )
        kernel.die_with_parent()
        os.umask(0o022)
        os.setsid()
        if terminal >= 0:
            for number in (0, 1, 2):
                os.dup2(terminal, number)
            fcntl.ioctl(0, _TERMINAL_BECOMES_OURS, 0)
        kernel.reset_signals()
        program.run_program(spec["arguments"], spec["environment"], spec["working_directory"])
    except program.CannotExecute as error:
        _complain(f"exec failed: {error.message}")
        os._exit(error.exit_code)
    except OSError as error:
        _complain(f"exec failed: {error}")
    os._exit(program.NOT_EXECUTABLE)


def _wait(child: int, control: socket.socket) -> None:
    """Leave with the command's exit code; kill it when the kubelet closes the control socket."""
    null = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    waiting = select.poll()
    ended = os.pidfd_open(child)
    waiting.register(ended, select.POLLIN)
    waiting.register(control, select.POLLIN)
    if ended not in dict(waiting.poll()):
        try:
            os.killpg(child, 9)
        except OSError:
            os.kill(child, 9)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os._exit(code if code >= 0 else 128 - code)


def _complain(text: str) -> None:
    try:
        os.write(2, text.encode() + b"\n")
    except OSError:
        pass
