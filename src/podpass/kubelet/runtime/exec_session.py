"""Commands in containers, seen from the kubelet: streams, terminal size, end.

The command itself is the business of `exec_process`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import marshal
import os
import socket
import struct
import termios
from collections.abc import AsyncGenerator

from podpass.kubelet.runtime.exec_process import CONTROL, GONE, TERMINAL
from podpass.kubelet.runtime.interface import ContainerGone, ExecResult
from podpass.kubelet.runtime.process_watch import (
    ProcessWatch,
    read_chunk,
    start_process,
    wait_readable,
    wait_writable,
)
from podpass.kubelet.runtime.specs import ExecSpec

MAX_OUTPUT = 16 * 1024 * 1024
"""Bytes of output that `collect` keeps, as CRI's ExecSync."""
_LINGER = 1.0
"""Seconds that output is still awaited after the command's end, if its children hold it open."""
_END_OF_INPUT = b"\x04"


class EmbeddedExecSession:
    """A command that runs in a container; made by `start_exec`."""

    def __init__(self, pid: int, watch: ProcessWatch, control: socket.socket) -> None:
        self._control = control
        self._exit: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._stdin = -1
        self._outputs: dict[int, int] = {}
        self._terminal = False
        watch.watch_child(pid, self._ended)

    def _ended(self, code: int) -> None:
        if not self._exit.done():
            self._exit.set_result(code)
        self._control.close()

    def attach(self, stdin: int, outputs: dict[int, int], *, terminal: bool) -> None:
        """Take over the descriptors: input (-1 for none), and output to stream number."""
        self._stdin, self._outputs, self._terminal = stdin, outputs, terminal
        for descriptor in {stdin, *outputs} - {-1}:
            os.set_blocking(descriptor, False)

    async def output(self) -> AsyncGenerator[tuple[int, bytes], None]:
        chunks: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue(maxsize=1)
        pumps = {
            asyncio.ensure_future(self._pump(descriptor, stream, chunks))
            for descriptor, stream in self._outputs.items()
        }
        ended = asyncio.ensure_future(self._linger(pumps))
        try:
            while True:
                chunk = asyncio.ensure_future(chunks.get())
                await asyncio.wait({chunk, ended}, return_when=asyncio.FIRST_COMPLETED)
                if not chunk.done():
                    chunk.cancel()
                    break
                yield chunk.result()
        finally:
            for task in (*pumps, ended):
                task.cancel()
            await asyncio.gather(*pumps, ended, return_exceptions=True)
            self._close_outputs()

    async def _pump(
        self, descriptor: int, stream: int, chunks: asyncio.Queue[tuple[int, bytes]]
    ) -> None:
        while data := await read_chunk(descriptor):
            await chunks.put((stream, data))

    async def _linger(self, pumps: set[asyncio.Task[None]]) -> None:
        """Return when all output was taken, or a while after the command's end."""
        if not pumps:
            return
        taken = asyncio.ensure_future(_all(pumps))
        exited = asyncio.ensure_future(self._exited())
        try:
            await asyncio.wait({taken, exited}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({taken}, timeout=_LINGER)
        finally:
            exited.cancel()
            taken.cancel()

    async def _exited(self) -> None:
        await asyncio.shield(self._exit)

    async def write(self, data: bytes) -> None:
        while data and self._stdin >= 0:
            try:
                data = data[os.write(self._stdin, data) :]
            except BlockingIOError:
                await wait_writable(self._stdin)
            except OSError:
                return  # the command takes no more

    async def close_stdin(self) -> None:
        if self._stdin < 0:
            return
        if self._terminal:
            await self.write(_END_OF_INPUT)
            return
        os.close(self._stdin)
        self._stdin = -1

    async def resize(self, width: int, height: int) -> None:
        if self._terminal and self._stdin >= 0:
            size = struct.pack("HHHH", height, width, 0, 0)
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._stdin, termios.TIOCSWINSZ, size)

    async def wait(self) -> int:
        code = await asyncio.shield(self._exit)
        if code == GONE:
            raise ContainerGone("the container ended before the command could start")
        return code

    async def kill(self) -> None:
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        await asyncio.shield(self._exit)
        self._close_outputs()

    def _close_outputs(self) -> None:
        for descriptor in {self._stdin, *self._outputs} - {-1}:
            os.close(descriptor)
        self._stdin = -1
        self._outputs = {}


async def _all(tasks: set[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


async def start_exec(spec: ExecSpec, watch: ProcessWatch, *, stdin: bool) -> EmbeddedExecSession:
    """Start a command in a container.

    Raises:
        ContainerGone: The container ended meanwhile.
    """
    ours, theirs = socket.socketpair()
    inside: list[int] = []
    outside: list[int] = []

    try:
        given = [(theirs.fileno(), CONTROL)]
        input_end, outputs = -1, dict[int, int]()
        if not spec["tty"]:
            for stream in (1, 2):
                read, write = os.pipe()
                outputs[read] = stream
                inside.append(write)
                given.append((write, stream))
            outside += outputs
            if stdin:
                read, input_end = os.pipe()
                inside.append(read)
                outside.append(input_end)
                given.append((read, 0))
        pid = start_process("exec_process", None, descriptors=given)
        session = EmbeddedExecSession(pid, watch, ours)
    except BaseException:
        ours.close()
        for descriptor in outside:
            os.close(descriptor)
        raise
    finally:
        theirs.close()
        for descriptor in inside:
            os.close(descriptor)
    ours.setblocking(False)  # noqa: FBT003 - positional only
    await _send(ours, marshal.dumps({**spec}))
    if spec["tty"]:
        master = await _receive_terminal(ours)
        session.attach(master, {master: 1}, terminal=True)
    else:
        session.attach(input_end, outputs, terminal=False)
    return session


async def _send(control: socket.socket, data: bytes) -> None:
    try:
        await asyncio.get_running_loop().sock_sendall(control, data)
    except OSError as error:
        raise ContainerGone("the command could not be started") from error


async def _receive_terminal(control: socket.socket) -> int:
    await wait_readable(control.fileno())
    try:
        data, descriptors, _, _ = socket.recv_fds(control, 1, 1)
    except OSError:
        data, descriptors = b"", []
    if data != TERMINAL or not descriptors:
        raise ContainerGone("the container ended before the command could start")
    return descriptors[0]


async def collect(session: EmbeddedExecSession, timeout: float) -> ExecResult:
    """Run a session to its end.

    Args:
        session: A command without input.
        timeout: Seconds it may take; 0 or less is no limit.

    Raises:
        TimeoutError: It took longer, and was killed.
        ContainerGone: The container ended before it could start.
    """
    kept: dict[int, bytearray] = {1: bytearray(), 2: bytearray()}
    try:
        async with asyncio.timeout(timeout if timeout > 0 else None):
            async with contextlib.aclosing(session.output()) as output:
                async for stream, data in output:
                    kept[stream] += data[: max(0, MAX_OUTPUT - len(kept[stream]))]
            code = await session.wait()
    finally:
        await session.kill()
    return ExecResult(code, bytes(kept[1]), bytes(kept[2]))
