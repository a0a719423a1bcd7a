"""Read container logs in CRI format: `TIME STREAM P|F TEXT`, one entry a line.

Entries tagged P (partial) continue with the next entry of their stream. With `follow` the reader
waits for more until the container has ended and everything is read.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from podpass.api.errors import bad_request
from podpass.api.meta import parse_time
from podpass.base.clock import Clock
from podpass.kubelet.log_files import LogFiles, log_files

_FOLLOW_INTERVAL = 0.1
"""Seconds between two looks at a log that is being followed."""
_BATCH_BYTES = 65536
"""About how much is sent at once."""
_END_BYTES = 65536
"""Of a log, in which its last lines are looked for; an entry has about 16 KiB at most."""


@dataclass(frozen=True, slots=True)
class LogOptions:
    """What of the log is wanted (`PodLogOptions`).

    Attributes:
        follow: Go on until the container ends.
        tail_lines: Only so many last lines; None for all.
        since: Only entries from then on.
        timestamps: Each line begins with its time.
        limit_bytes: Stop after so many bytes.
    """

    follow: bool = False
    tail_lines: int | None = None
    since: datetime | None = None
    timestamps: bool = False
    limit_bytes: int | None = None


def parse_log_options(query: Mapping[str, str], now: datetime) -> LogOptions:
    """Read the query parameters of a log request.

    Raises:
        StatusError: 400, a parameter is not what it should be.
    """

    def number(name: str) -> int | None:
        if name not in query:
            return None
        if not query[name].isdigit():
            raise bad_request(f"{name} must be a whole number, not {query[name]!r}")
        return int(query[name])

    since_seconds = number("sinceSeconds")
    since = now - timedelta(seconds=since_seconds) if since_seconds is not None else None
    if "sinceTime" in query:
        try:
            since = parse_time(query["sinceTime"])
        except ValueError as error:
            raise bad_request(f"sinceTime: {error}") from error
    return LogOptions(
        follow=query.get("follow") in {"true", "1"},
        tail_lines=number("tailLines"),
        since=since,
        timestamps=query.get("timestamps") in {"true", "1"},
        limit_bytes=number("limitBytes"),
    )


def render_entry(line: bytes, options: LogOptions) -> bytes:
    """Return what a client sees of one CRI line; empty for what is not wanted or not an entry."""
    parts = line.rstrip(b"\n").split(b" ", 3)
    if len(parts) < 3 or parts[2][:1] not in {b"P", b"F"}:  # noqa: PLR2004 - time, stream, tag
        return b""
    text = parts[3] if len(parts) > 3 else b""  # noqa: PLR2004
    if options.since is not None:
        try:
            # Nanoseconds are more than datetime reads.
            moment = parse_time(parts[0].decode()[:26].rstrip("Z") + "Z")
        except ValueError:
            return b""
        if moment < options.since:
            return b""
    shown = parts[0] + b" " + text if options.timestamps else text
    return shown if parts[2].startswith(b"P") else shown + b"\n"


def last_lines(path: Path, lines: int, limit: int) -> bytes:
    """Return the last lines of a log, at most `limit` bytes from its end; empty if it is gone."""
    shown: list[bytes] = []
    for file in log_files(path)[:2]:  # the newest may have just been begun
        shown = _end_of(file).splitlines(keepends=True) + shown
        if len(shown) >= lines:
            break
    return b"".join(shown[-lines:])[-limit:]


def _end_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            start = max(0, size - _END_BYTES)
            file.seek(start)
            entries = file.read().split(b"\n")[1 if start else 0 :]
    except OSError:
        return b""
    return b"".join(render_entry(entry, LogOptions()) for entry in entries)


async def read_log(
    path: Path, options: LogOptions, *, clock: Clock, is_running: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """Yield the wanted part of a log.

    Args:
        path: The log file; a missing one is an empty log.
        options: What is wanted.
        clock: For the waits of `follow`.
        is_running: Tells whether the container may still write.
    """
    left = options.limit_bytes
    async for piece in _pieces(path, options, clock, is_running):
        if left is None:
            yield piece
            continue
        yield piece[:left]
        left -= len(piece)
        if left <= 0:
            return


async def _pieces(
    path: Path, options: LogOptions, clock: Clock, is_running: Callable[[], bool]
) -> AsyncIterator[bytes]:
    files = LogFiles(path, options.tail_lines)
    try:
        pending = b""
        while True:
            was_running = is_running()
            batch = bytearray()
            for chunk in files.lines():
                pending += chunk
                if pending.endswith(b"\n"):
                    batch += render_entry(pending, options)
                    pending = b""
                if len(batch) >= _BATCH_BYTES:
                    yield bytes(batch)
                    batch.clear()
            if batch:
                yield bytes(batch)
            if not options.follow or not was_running:
                return
            await clock.sleep(_FOLLOW_INTERVAL)
    finally:
        files.close()
