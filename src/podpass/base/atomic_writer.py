"""Replaces the files of a directory in one step, while others read them.

The files live in a directory of their own, named after the time of writing. The link `..data`
points to it, and the visible names are links through `..data`, so that renaming that one link
changes everything at once:

```text
token -> ..data/token
..data -> ..2026_01_02_03_04_05.123456789
..2026_01_02_03_04_05.123456789/token
```

1. The directory itself is never re-created: a mount of it in a container stays good.
2. Only contents are compared; if they are equal, no file is touched.
3. What a crash left behind (`..data_tmp`, unlinked directories, missing links) is repaired.
4. The superseded directory outlives the switch until `prune`, for readers who are on their way.
5. Calls for one directory must not overlap.

Source: Kubernetes, `pkg/volume/util/atomic_writer.go`.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

DATA_LINK = "..data"
NEW_DATA_LINK = "..data_tmp"
MAXIMUM_PATH = 4096
"""Bytes of a path."""
MAXIMUM_NAME = 255
"""Bytes of one element of a path."""

_TIMESTAMPED = re.compile(r"\.\.\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.\d+")


class InvalidPath(ValueError):
    """A path of the payload cannot be a file of the directory."""


@dataclass(frozen=True, slots=True)
class ProjectedFile:
    """One file to write.

    Attributes:
        content: All of it.
        mode: Permission bits, independent of the umask.
        owner: UID to give it to; None leaves it to the writer.
    """

    content: bytes
    mode: int
    owner: int | None = None


def clean_path(path: str) -> str:
    """Return `path` without empty and `.` elements.

    Raises:
        InvalidPath: It is empty, absolute, too long, or leaves the directory.
    """
    if not path:
        raise InvalidPath("invalid path: must not be empty")
    if path.startswith("/"):
        raise InvalidPath(f"invalid path: must be relative path: {path}")
    if len(path.encode()) > MAXIMUM_PATH:
        raise InvalidPath(f"invalid path: must be less than or equal to {MAXIMUM_PATH} characters")
    elements = [element for element in path.split("/") if element not in ("", ".")]
    if not elements:
        raise InvalidPath("invalid path: must not be empty")
    for element in elements:
        if element == "..":
            raise InvalidPath(f"invalid path: must not contain '..': {path}")
        if len(element.encode()) > MAXIMUM_NAME:
            raise InvalidPath(
                f"invalid path: filenames must be less than or equal to {MAXIMUM_NAME} characters"
            )
    if elements[0].startswith(".."):
        raise InvalidPath(f"invalid path: must not start with '..': {path}")
    return "/".join(elements)


class AtomicWriter:
    """Writes the files of one directory."""

    def __init__(self, directory: Path) -> None:
        """Prepare; `directory` must exist before `write`."""
        self._directory = directory

    def read(self) -> dict[str, ProjectedFile]:
        """Return what is published, or nothing before the first write.

        Raises:
            OSError: The directory cannot be read.
        """
        current = self._current()
        return {} if current is None else _read_tree(current)

    @property
    def published(self) -> bool:
        """Whether there was a first write."""
        return self._current() is not None

    def write(
        self,
        payload: Mapping[str, ProjectedFile],
        *,
        now: datetime,
        before_publish: Callable[[Path], None] | None = None,
    ) -> bool:
        """Make `payload` the content of the directory.

        Args:
            payload: Relative path to file.
            now: Names the new directory.
            before_publish: Called with the new directory while nobody sees it yet.

        Returns:
            Whether anything was written.

        Raises:
            InvalidPath: A path of the payload is refused; nothing was changed.
            OSError: The disk refused; the former content stays published.
        """
        files = {clean_path(path): file for path, file in payload.items()}
        old = self._current()
        old_files = {} if old is None else _read_tree(old)
        changed = (
            old is None
            or old_files.keys() != files.keys()
            or any(old_files[path].content != file.content for path, file in files.items())
        )
        if changed:
            new = self._make_directory(now)
            try:
                for path, file in files.items():
                    _write_file(new, path, file)
                if before_publish is not None:
                    before_publish(new)
                self._publish(new)
            except BaseException:
                shutil.rmtree(new, ignore_errors=True)
                raise
        self._link_names(files)
        return changed

    def prune(self) -> None:
        """Remove superseded directories."""
        current = self._current()
        for entry in [*os.scandir(self._directory)]:
            if (
                _TIMESTAMPED.fullmatch(entry.name)
                and entry.is_dir(follow_symlinks=False)
                and (current is None or entry.name != current.name)
            ):
                shutil.rmtree(entry.path, ignore_errors=True)

    def _current(self) -> Path | None:
        """Return the published directory; a link to nowhere, or out of here, counts as none."""
        try:
            name = str((self._directory / DATA_LINK).readlink())
        except OSError:
            return None
        target = self._directory / name
        if not _TIMESTAMPED.fullmatch(name) or target.is_symlink() or not target.is_dir():
            return None
        return target

    def _make_directory(self, now: datetime) -> Path:
        name = f"..{now:%Y_%m_%d_%H_%M_%S}.{secrets.randbelow(10**9)}"
        new = self._directory / name
        new.mkdir()
        new.chmod(0o755)
        return new

    def _publish(self, new: Path) -> None:
        link = self._directory / NEW_DATA_LINK
        with contextlib.suppress(FileNotFoundError):
            link.unlink()  # rule 3
        link.symlink_to(new.name)
        try:
            link.rename(self._directory / DATA_LINK)
        except OSError:
            link.unlink(missing_ok=True)
            raise

    def _link_names(self, files: Mapping[str, ProjectedFile]) -> None:
        owners: dict[str, int | None] = {}
        for path, file in files.items():
            owners.setdefault(path.partition("/")[0], file.owner)
        for name, owner in owners.items():
            link = self._directory / name
            if not os.path.lexists(link):
                link.symlink_to(f"{DATA_LINK}/{name}")
                if owner is not None:
                    give_to(link, owner, -1)
        for entry in [*os.scandir(self._directory)]:
            if entry.name.startswith("..") or entry.name in owners or not entry.is_symlink():
                continue
            link = self._directory / entry.name
            if str(link.readlink()) == f"{DATA_LINK}/{entry.name}":
                link.unlink()


def give_to(path: Path, owner: int, group: int) -> None:
    """Change owner and group of a file or link; -1 keeps it.

    An ordinary user may not; inside the user's own namespace the files are readable all the same.
    """
    with contextlib.suppress(PermissionError, OSError):
        os.chown(path, owner, group, follow_symlinks=False)


def _write_file(root: Path, path: str, file: ProjectedFile) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(file.content)
        os.fchmod(opened.fileno(), file.mode)
    if file.owner is not None:
        give_to(target, file.owner, -1)


def _read_tree(root: Path) -> dict[str, ProjectedFile]:
    found = {}
    for directory, _, names in os.walk(root):
        for name in names:
            path = Path(directory) / name
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                found[str(path.relative_to(root))] = ProjectedFile(
                    path.read_bytes(), stat.S_IMODE(status.st_mode), status.st_uid
                )
    return found
