"""The files of a container's log, read as one: `PATH.2`, `PATH.1`, `PATH`, oldest first.

The shim renames full files while we read. A file that we hold open keeps its inode, so what we have
read, and what follows it, can always be told. (The reference reads the newest file only.)
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


def log_files(path: Path) -> list[Path]:
    """Return the names that the files of a log may have, newest first, as far as they exist."""
    files = [path]
    while (older := Path(f"{path}.{len(files)}")).exists():
        files.append(older)
    return files


def remove_log(path: Path) -> None:
    """Remove all files of a log; none of them may be written to any more."""
    for one in log_files(path):
        one.unlink(missing_ok=True)


class LogFiles:
    """Reads the files of a log; close it at the end.

    Args:
        path: The current file.
        tail_lines: Begin so many lines before the end; None for the oldest line there is.
    """

    def __init__(self, path: Path, tail_lines: int | None = None) -> None:
        self._path = path
        self._first: deque[bytes] = deque()
        self._files = deque(self._open_newer_than(-1))
        if tail_lines is not None:
            self._go_to_tail(tail_lines)

    def lines(self) -> Iterator[bytes]:
        """Yield the lines up to the present end; the last one may lack its newline.

        Call it again for what was written since; a line without a newline goes on then.
        """
        while self._first:
            yield self._first.popleft()
        while True:
            while self._files:
                yield from iter(self._files[0].readline, b"")
                if len(self._files) == 1:
                    break
                self._files.popleft().close()
            if not self._follow_rotation():
                return

    def close(self) -> None:
        """Close all files."""
        while self._files:
            self._files.pop().close()

    def _follow_rotation(self) -> bool:
        """Tell whether there is more to read because of newer files."""
        newest = os.fstat(self._files[-1].fileno()).st_ino if self._files else -1
        try:
            if self._path.stat().st_ino == newest:
                return False
        except FileNotFoundError:
            return False
        newer = self._open_newer_than(newest)
        self._files += newer
        return bool(newer)

    def _open_newer_than(self, inode: int) -> list[BinaryIO]:
        """Open the files that were begun after the one with that inode, oldest first."""
        opened: list[BinaryIO] = []
        known = set()
        for path in log_files(self._path):
            try:
                file = path.open("rb")
            except FileNotFoundError:
                continue
            found = os.fstat(file.fileno()).st_ino
            if found == inode or found in known:  # renamed while we looked
                file.close()
                if found == inode:
                    break
                continue
            known.add(found)
            opened.insert(0, file)
        return opened

    def _go_to_tail(self, wanted: int) -> None:
        """Read the newest files, as far as needed, and keep their last lines."""
        for file in reversed(self._files):
            missing = wanted - len(self._first)
            if missing > 0:
                self._first.extendleft(reversed(deque(file, maxlen=missing)))
            file.seek(0, os.SEEK_END)
