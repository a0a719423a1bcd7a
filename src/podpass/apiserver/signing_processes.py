"""Processes that sign, called up under load and dismissed when it is quiet (docs/adr/0061).

1. There are none until somebody calls them up; then one for each processor.
2. A signature goes to the first process until it has a few to make: one that is awake is cheaper
   than two that are woken in turn. When all have, it goes to the one with the fewest.
3. A process that dies takes nothing along: what it was asked for is an error, `ProcessesGone`, and
   the caller signs itself. After the last has gone the next call brings new ones.
4. After `quiet_seconds` without a signature all are dismissed.
5. A process that owes signatures and sends none for `answer_seconds` hangs: it is killed and
   replaced, and rule 3 holds for what it was asked for.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections import deque
from contextlib import suppress
from functools import partial
from typing import Final

from podpass.apiserver.signing_worker import frame, take_frames
from podpass.jose.keys import SigningKey

QUIET_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 5.0
_DEPTH: Final = 6

_log = logging.getLogger("signing")


class ProcessesGone(Exception):
    """No process is there to sign, or the one that was asked has ended."""


class _Worker(asyncio.Protocol):
    """One process and what it has to sign, in order."""

    _transport: asyncio.WriteTransport

    def __init__(self, process_id: int, answer_seconds: float) -> None:
        self.process_id = process_id
        self.hung = False
        self._answer_seconds = answer_seconds
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.asked: deque[asyncio.Future[bytes]] = deque()
        self.ended = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._unsent: list[bytes] = []
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a socket's can write

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        self._received += data
        for signature in take_frames(self._received):
            future = self.asked.popleft()
            if not future.done():
                future.set_result(signature)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - inherited
        if self._timer is not None:
            self._timer.cancel()
        while self.asked:
            future = self.asked.popleft()
            if not future.done():
                future.set_exception(ProcessesGone)
        if not self.ended.done():
            self.ended.set_result(None)

    def ask(self, data: bytes) -> asyncio.Future[bytes]:
        """Return what will be the signature of `data`, or `ProcessesGone`."""
        if not self.asked:
            self._heard = self._loop.time()
            if self._timer is None:
                self._timer = self._loop.call_later(self._answer_seconds, self._check)
        future: asyncio.Future[bytes] = self._loop.create_future()
        self.asked.append(future)
        self.send(data)
        return future

    def _check(self) -> None:  # 5
        self._timer = None
        if not self.asked:
            return
        left = self._heard + self._answer_seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check)
            return
        self.hung = True
        self._transport.abort()

    def send(self, data: bytes) -> None:
        """Hand over at the end of this turn of the loop, with what else comes in it."""
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(frame(data))

    def _flush(self) -> None:
        self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def close(self) -> None:
        self._transport.close()


class SigningProcesses:
    """Signs in processes; used from one event loop.

    Args:
        key: Handed to each process over its socket.
        count: How many there are, by default one for each processor.
        quiet_seconds: Rule 4.
        answer_seconds: Rule 5.
    """

    def __init__(
        self,
        key: SigningKey,
        *,
        count: int = 0,
        quiet_seconds: float = QUIET_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._answer_seconds = answer_seconds
        self._key = key
        self._count = count or len(os.sched_getaffinity(0))
        self._quiet_seconds = quiet_seconds
        self._workers: list[_Worker] = []
        self._calling: asyncio.Task[None] | None = None
        self._watching: set[asyncio.Task[None]] = set()
        self._used = 0.0
        self._closed = False

    @property
    def ready(self) -> bool:
        """Whether there are processes."""
        return bool(self._workers)

    @property
    def process_ids(self) -> list[int]:
        """The processes that there are."""
        return [worker.process_id for worker in self._workers]

    def call_up(self) -> None:
        """Have processes soon, if there are none."""
        if self._workers or self._closed or self._calling is not None:
            return
        self._calling = asyncio.get_running_loop().create_task(self._start())

    async def sign(self, data: bytes) -> bytes:
        """Return the signature of `data`.

        Raises:
            ProcessesGone: Rules 3 and 5.
        """
        if not self._workers:
            raise ProcessesGone
        self._used = asyncio.get_running_loop().time()
        worker = next((one for one in self._workers if len(one.asked) < _DEPTH), None)
        if worker is None:
            worker = min(self._workers, key=_load)
        return await worker.ask(data)

    def close(self) -> None:
        """Dismiss all, and have no new ones."""
        self._closed = True
        if self._calling is not None:
            self._calling.cancel()
        self._dismiss()

    def _dismiss(self) -> None:
        for worker in tuple(self._workers):
            worker.close()

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            for _ in range(self._count - len(self._workers)):
                await self._add_worker()
        except OSError as error:
            _log.warning("cannot start a process that signs, threads do: %s", error.strerror)
        finally:
            self._calling = None
        self._used = loop.time()
        loop.call_later(self._quiet_seconds, self._dismiss_if_quiet)

    async def _add_worker(self) -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with theirs:
            process_id = await asyncio.to_thread(_spawn, theirs)
        _, worker = await loop.create_connection(
            partial(_Worker, process_id, self._answer_seconds), sock=ours
        )
        worker.send(self._key.to_pem())
        self._workers.append(worker)
        watching = loop.create_task(self._watch(worker))
        self._watching.add(watching)
        watching.add_done_callback(self._watching.discard)

    async def _watch(self, worker: _Worker) -> None:
        await worker.ended
        if worker in self._workers:
            self._workers.remove(worker)
        await asyncio.to_thread(_reap, worker.process_id)
        if worker.hung and not self._closed:
            _log.warning("a process that signs did not answer and was replaced")
            if self._calling is None:
                self._calling = asyncio.get_running_loop().create_task(self._start())

    def _dismiss_if_quiet(self) -> None:
        loop = asyncio.get_running_loop()
        left = self._used + self._quiet_seconds - loop.time()
        if left > 0:
            loop.call_later(left, self._dismiss_if_quiet)
        else:
            self._dismiss()


def _load(worker: _Worker) -> int:
    return len(worker.asked)


def _spawn(theirs: socket.socket) -> int:
    number = theirs.fileno()
    # Programs that others start at this moment close what they inherit.
    theirs.set_inheritable(True)
    arguments = [sys.executable, "-m", "podpass.apiserver.signing_worker", str(number)]
    no_input = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    return os.posix_spawn(sys.executable, arguments, os.environ, file_actions=[no_input])


def _reap(process_id: int) -> None:
    # Without its connection it has nothing to do; one that is stopped would not see that.
    with suppress(ProcessLookupError):
        os.kill(process_id, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(process_id, 0)
