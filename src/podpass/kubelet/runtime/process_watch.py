"""The kubelet's view of its processes: start them, learn at once when they end, signal them.

Processes are known by pid and start time, so that a pid that was given to somebody else is never
signalled or waited for. Everything hangs on pidfds: nothing polls.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import marshal
import os
import select
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from podpass.kubelet.runtime.record import start_ticks

_SOURCE = str(Path(__file__).resolve().parents[3])
_FIRST_FREE = 10
_START = (
    "import sys; sys.path.insert(0, {source!r}); "
    "from podpass.kubelet.runtime.{module} import main; main()"
)


def open_process(pid: int, ticks: int) -> int | None:
    """Return a pidfd of the process that started at `ticks`, or None when it has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except (ProcessLookupError, ValueError):
        return None
    if start_ticks(pid) != ticks or has_ended(descriptor):
        os.close(descriptor)
        return None
    return descriptor


def has_ended(descriptor: int) -> bool:
    """Tell whether the process of a pidfd has ended, reaped or not."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


def send_signal(pid: int, ticks: int, number: int) -> bool:
    """Signal a process; False when it has ended."""
    descriptor = open_process(pid, ticks)
    if descriptor is None:
        return False
    try:
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def start_process(
    module: str, spec: Any, *, descriptors: Sequence[tuple[int, int]], own_session: bool = True
) -> int:
    """Start `main` of a module of this package in a small interpreter of its own; return the pid.

    Args:
        module: Module name.
        spec: What it finds on standard input, marshalled; None leaves descriptor 0 alone.
        descriptors: Ours, and which one it becomes there; 1 and 2 are /dev/null otherwise.
        own_session: Whether it lives on when ours is hung up.

    Raises:
        OSError: No process can be started.
    """
    # The base interpreter is the one of a virtual environment; typeshed does not know it.
    program = str(getattr(sys, "_base_executable", "") or sys.executable)
    null = "/dev/null"
    actions: list[Any] = [
        (os.POSIX_SPAWN_OPEN, number, null, os.O_RDWR, 0)
        for number in (0, 1, 2)
        if number not in {theirs for _, theirs in descriptors}
    ]
    copies: list[int] = []  # with numbers that no target has
    memory = -1
    try:
        for ours, theirs in descriptors:
            copies.append(fcntl.fcntl(ours, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE))
            actions.append((os.POSIX_SPAWN_DUP2, copies[-1], theirs))
        if spec is not None:
            plain = os.memfd_create("spec")
            memory = fcntl.fcntl(plain, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
            os.close(plain)
            with os.fdopen(memory, "wb", closefd=False) as file:
                marshal.dump(spec, file)
            os.lseek(memory, 0, os.SEEK_SET)
            actions.append((os.POSIX_SPAWN_DUP2, memory, 0))
        code = _START.format(source=_SOURCE, module=module)
        return os.posix_spawn(
            program,
            [program, "-I", "-S", "-c", code],
            {"PATH": os.defpath, "LC_ALL": "C.UTF-8"},
            file_actions=actions,
            setsid=own_session,
            setsigmask=(),
        )
    finally:
        for descriptor in (*copies, *([memory] if memory >= 0 else [])):
            os.close(descriptor)


class ProcessWatch:
    """Calls back when processes end, and reaps those that are our children."""

    def __init__(self) -> None:
        self._descriptors: dict[int, int] = {}

    def watch(self, pid: int, ticks: int, ended: Callable[[], None]) -> bool:
        """Call `ended` from the event loop when the process ends; False if it has already."""
        descriptor = open_process(pid, ticks)
        if descriptor is None:
            _reap(pid)
            return False
        self._descriptors[descriptor] = pid
        asyncio.get_running_loop().add_reader(descriptor, self._end, descriptor, ended)
        return True

    def watch_child(self, pid: int, ended: Callable[[int], None]) -> None:
        """Call `ended` with the exit code of our child when it ends; 128 + signal when killed."""
        descriptor = os.pidfd_open(pid)
        self._descriptors[descriptor] = pid
        loop = asyncio.get_running_loop()
        loop.add_reader(descriptor, self._end_child, descriptor, ended)

    def reap(self, pid: int) -> None:
        """Take note of the end of a child that is ending, so that no zombie stays."""
        with contextlib.suppress(ProcessLookupError):
            self.watch_child(pid, lambda _: None)

    def close(self) -> None:
        """Watch no process any more; they go on."""
        loop = asyncio.get_running_loop()
        for descriptor in self._descriptors:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        self._descriptors.clear()

    def _end(self, descriptor: int, ended: Callable[[], None]) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        _reap(self._descriptors.pop(descriptor))
        ended()

    def _end_child(self, descriptor: int, ended: Callable[[int], None]) -> None:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)
        pid = self._descriptors.pop(descriptor)
        try:
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        except ChildProcessError:
            code = -signal.SIGKILL
        ended(code if code >= 0 else 128 - code)


def _reap(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


async def wait_readable(descriptor: int) -> None:
    """Return when `descriptor` has data or has ended."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, _resolve, readable)
    try:
        await readable
    finally:
        loop.remove_reader(descriptor)


async def wait_writable(descriptor: int) -> None:
    """Return when `descriptor` takes data or nobody reads any more."""
    loop = asyncio.get_running_loop()
    writable: asyncio.Future[None] = loop.create_future()
    loop.add_writer(descriptor, _resolve, writable)
    try:
        await writable
    finally:
        loop.remove_writer(descriptor)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def read_chunk(descriptor: int, size: int = 65536) -> bytes:
    """Read from a non-blocking descriptor; no bytes mean the end (a terminal's too)."""
    while True:
        try:
            return os.read(descriptor, size)
        except BlockingIOError:
            await wait_readable(descriptor)
        except OSError:
            return b""


async def read_to_end(descriptor: int) -> bytes:
    """Read a descriptor until its end and close it."""
    os.set_blocking(descriptor, False)
    data = b""
    try:
        while chunk := await read_chunk(descriptor):
            data += chunk
    finally:
        os.close(descriptor)
    return data
