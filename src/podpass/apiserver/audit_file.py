"""Writes the lines of the audit log, in a thread of its own.

1. Requests wait for nothing: lines go through a queue, and are written in batches. A line that
   finds the queue full, or the disk, is lost and counted; the API goes on.
2. The file is readable by its owner alone. Over `maximum_bytes` it is renamed to `NAME-TIME.EXT`;
   of such files `backups` are kept, and none older than `days`; 0 keeps all.
3. A line that was written in part is ended before the next.

Source of names and limits: kube-apiserver `--audit-log-*`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from podpass.apiserver.audit_policy import AuditUnusable

QUEUE_LINES = 10_000
_BATCH_LINES = 500
_CLOSE_SECONDS = 2.0
_STDOUT = "-"

_log = logging.getLogger("audit")


class AuditFile:
    """The log of one process.

    Attributes:
        lost: Lines that were not written.
    """

    def __init__(
        self,
        path: str,
        *,
        now: Callable[[], datetime],
        maximum_bytes: int = 0,
        backups: int = 0,
        days: int = 0,
    ) -> None:
        """Open the file.

        Args:
            path: The file; `-` is standard output.
            now: For names and ages of old files.
            maximum_bytes: See rule 2; 0 is no limit.
            backups: See rule 2.
            days: See rule 2.

        Raises:
            AuditUnusable: The file cannot be written.
        """
        self.lost = 0
        self._path = None if path == _STDOUT else Path(path)
        self._now = now
        self._maximum = maximum_bytes
        self._backups = backups
        self._days = days
        self._torn = False
        self._failing = False
        self._queue: queue.Queue[bytes | None] = queue.Queue(QUEUE_LINES)
        try:
            self._file, self._size = self._open()
        except OSError as error:
            raise AuditUnusable(f"cannot write the audit log {path}: {error.strerror}") from error
        self._thread = threading.Thread(target=self._run, name="audit log", daemon=True)
        self._thread.start()

    def write(self, line: bytes) -> None:
        """Have a line, with its end, written soon; never waits."""
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self.lost += 1

    def close(self) -> None:
        """Write what is waiting, for a short time."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=_CLOSE_SECONDS)
        self._thread.join(_CLOSE_SECONDS)

    def _open(self) -> tuple[BinaryIO, int]:
        if self._path is None:
            return sys.stdout.buffer, 0
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(descriptor, "ab", buffering=0), os.fstat(descriptor).st_size

    def _run(self) -> None:
        ended = False
        while not ended:
            lines = [self._queue.get()]
            while len(lines) < _BATCH_LINES and not self._queue.empty():
                lines.append(self._queue.get())
            ended = lines[-1] is None
            batch = [line for line in lines if line is not None]
            if batch:
                self._write_batch(batch)
        if self._path is not None:
            self._file.close()

    def _write_batch(self, batch: list[bytes]) -> None:
        data = b"".join(batch)
        try:
            if self._maximum and self._size and self._size + len(data) > self._maximum:
                self._rotate()
            if self._torn:  # 3
                data = b"\n" + data
            self._put(data)
        except OSError as error:
            self.lost += len(batch)
            if not self._failing:
                _log.error("audit events are lost: %s", error.strerror)
            self._failing = True
            return
        self._torn = self._failing = False

    def _put(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            written = self._file.write(rest)
            self._torn = True
            self._size += written
            rest = rest[written:]
        if self._path is None:
            self._file.flush()

    def _rotate(self) -> None:
        assert self._path is not None  # noqa: S101 - only files have a maximum
        stamp = self._now().strftime("%Y-%m-%dT%H-%M-%S.%f")[:-3]
        self._path.rename(self._path.with_name(f"{self._path.stem}-{stamp}{self._path.suffix}"))
        self._file.close()
        self._file, self._size = self._open()
        self._torn = False
        self._prune()

    def _prune(self) -> None:
        assert self._path is not None  # noqa: S101 - see _rotate
        pattern = f"{self._path.stem}-*{self._path.suffix}"
        old = sorted(self._path.parent.glob(pattern), reverse=True)
        if self._days:
            limit = (self._now() - timedelta(days=self._days)).strftime("%Y-%m-%dT%H-%M-%S")
            first = f"{self._path.stem}-{limit}"
            for one in [one for one in old if one.name < first]:
                one.unlink()
                old.remove(one)
        if self._backups:
            for one in old[self._backups :]:
                one.unlink()
