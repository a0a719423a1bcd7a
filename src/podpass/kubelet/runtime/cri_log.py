"""The log file of a container in CRI's format: `TIME stdout F text`, one line an entry.

A line longer than MAX_LINE bytes is written in parts marked `P`, the last one `F`. Runs in the
shim, so it imports next to nothing.

Source: Kubernetes, "CRI: log management for container stdout/stderr streams" design document.
"""

# Runs in a small process: no pathlib, no contextlib.
# ruff: noqa: SIM105
from __future__ import annotations

import os
import time

MAX_LINE = 16384
"""Bytes of text in one entry."""


def timestamp(nanoseconds: int) -> bytes:
    """Return nanoseconds since the epoch as RFC 3339 with nine digits, in UTC."""
    seconds, fraction = divmod(nanoseconds, 1_000_000_000)
    return b"%s.%09dZ" % (
        time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode(),
        fraction,
    )


def entries(stream: bytes, data: bytes, at: bytes, *, ended: bool) -> tuple[bytes, bytes]:
    """Split what a stream has sent into log entries.

    Args:
        stream: `stdout` or `stderr`.
        data: The rest of the last call and what came since.
        at: Time of the entries, from `timestamp`.
        ended: Whether the stream has ended, so that a last line needs no newline.

    Returns:
        The entries, and the start of a line that is not complete yet.
    """
    head = b"%s %s " % (at, stream)
    lines = data.split(b"\n")
    rest = lines.pop()
    out = [_entry(head, line) for line in lines]
    while len(rest) > MAX_LINE:
        out.append(b"%sP %s\n" % (head, rest[:MAX_LINE]))
        rest = rest[MAX_LINE:]
    if ended and rest:
        out.append(_entry(head, rest))
        rest = b""
    return b"".join(out), rest


def _entry(head: bytes, line: bytes) -> bytes:
    parts = []
    while len(line) > MAX_LINE:
        parts.append(b"%sP %s\n" % (head, line[:MAX_LINE]))
        line = line[MAX_LINE:]
    return b"".join([*parts, b"%sF %s\n" % (head, line)])


class LogWriter:
    """Appends what the streams of a container send to its log file.

    A full disk loses entries and never stops the container. A file that has reached its size
    becomes `PATH.1`, that one `PATH.2`, and so on up to the last that is kept.

    Args:
        path: The current file.
        max_bytes: Size at which it is rotated; 0 for never.
        max_files: How many files are kept, the current one included.
    """

    def __init__(self, path: str, max_bytes: int = 0, max_files: int = 1) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._rest = {b"stdout": b"", b"stderr": b""}
        self._open()

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o640)
        self._size = os.fstat(self._descriptor).st_size

    def feed(self, stream: bytes, data: bytes) -> None:
        """Take what `stream` has sent; no bytes mean that it has ended."""
        text, self._rest[stream] = entries(
            stream, self._rest[stream] + data, timestamp(time.time_ns()), ended=not data
        )
        while text:
            try:
                written = os.write(self._descriptor, text)
            except OSError:
                return
            text = text[written:]
            self._size += written
        if 0 < self._max_bytes <= self._size:
            try:
                self._rotate()
            except OSError:
                pass  # go on with the file that is open

    def _rotate(self) -> None:
        names = [self._path, *(f"{self._path}.{n}" for n in range(1, self._max_files))]
        if len(names) == 1:
            os.unlink(self._path)  # noqa: PTH108 - no pathlib in the shim
        for target, source in zip(reversed(names), reversed(names[:-1]), strict=False):
            try:
                os.rename(source, target)  # noqa: PTH104 - no pathlib in the shim
            except FileNotFoundError:
                pass
        former = self._descriptor
        self._open()
        os.close(former)
