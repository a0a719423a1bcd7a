"""Paths as a container sees them: links are followed inside its root, never on the host.

`/var/run/secrets` becomes `/run/secrets` where `/var/run` is a link to `/run`, whatever the host's
`/run` may be.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

_MAX_LINKS = 40
"""As the kernel has it (path_resolution(7))."""


class PathLoop(Exception):
    """Too many links on the way."""


class InnerPaths:
    """What is mounted where in a root file system that is yet to be made.

    Args:
        trees: Mount point to the host directories (or the file) seen there, the topmost first.
    """

    def __init__(self, trees: Sequence[tuple[str, tuple[Path, ...]]]) -> None:
        self._trees = list(trees)

    def mount(self, point: str, *sources: Path) -> None:
        """Note that `sources`, the topmost first, are seen at `point` from now on."""
        self._trees.append((point, sources))

    def resolve(self, path: str) -> str:
        """Return `path` without links, `.` and `..`; what does not exist stays as it is.

        Raises:
            PathLoop: Links point in circles.
        """
        pending = _parts(path)[::-1]
        done: list[str] = []
        links = 0
        while pending:
            part = pending.pop()
            if part == "..":
                del done[-1:]
                continue
            target = self._read_link("/" + "/".join([*done, part]))
            if target is None:
                done.append(part)
                continue
            links += 1
            if links > _MAX_LINKS:
                raise PathLoop(f"too many levels of symbolic links in {path}")
            if target.startswith("/"):
                done.clear()
            pending += _parts(target)[::-1]
        return "/" + "/".join(done)

    def tree(self, path: str) -> tuple[str, tuple[Path, ...]]:
        """Return the mount point above a resolved path, and what is seen there."""
        best = self._trees[0]
        for point, sources in self._trees:
            below = path == point or path.startswith(point.rstrip("/") + "/")
            if below and len(point) >= len(best[0]):
                best = (point, sources)
        return best

    def find(self, path: str) -> Path | None:
        """Return what a resolved path is on the host, or None when there is nothing."""
        point, sources = self.tree(path)
        for source in sources:
            candidate = source / path[len(point) :].lstrip("/") if path != point else source
            if os.path.lexists(candidate):
                return candidate
        return None

    def _read_link(self, path: str) -> str | None:
        found = self.find(path)
        if found is None or path == self.tree(path)[0] or not found.is_symlink():
            return None
        return str(found.readlink())


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]
