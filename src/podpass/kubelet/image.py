"""What an image is to the embedded runtime: a root file system and how to start it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that an image brings along.

    Attributes:
        content: Its bytes, or the target when `link`.
        mode: Permission bits.
        link: Whether it is a symbolic link.
    """

    content: bytes
    mode: int = 0o644
    link: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """A root file system and how to start it.

    Attributes:
        name: Complete name, or the short name of a built-in image.
        id: Identity of the content, `sha256:...`.
        size: Bytes on disk.
        root: Unpacked root file system; None for one made of the host's programs.
        files: Path inside to file, on top of the root.
        directories: Path inside to permission bits, on top of the root.
        binds: Host paths and where they are seen read-only.
        entrypoint: Program and first arguments.
        command: Further arguments, which a container's `args` replace.
        environment: Variables.
        working_directory: Absolute path, or empty for `/`.
        user: `uid`, `name`, `uid:gid` or `name:group`; empty for root.
        stop_signal: Signal number that asks the program to end.
    """

    name: str
    id: str
    size: int
    root: Path | None = None
    files: Mapping[str, ImageFile] = field(default_factory=dict)
    directories: Mapping[str, int] = field(default_factory=dict)
    binds: tuple[tuple[Path, str], ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_directory: str = ""
    user: str = ""
    stop_signal: int = 15

    def account(self, uid: int | None = None, gid: int | None = None) -> Account:
        """Return who a container of this image runs as.

        Args:
            uid: User id that replaces the image's.
            gid: Group id that replaces the image's.

        Raises:
            LookupError: The image names a user or group that it does not have.
        """
        user, _, group = self.user.partition(":")
        passwd = self._table("etc/passwd")
        if uid is not None:
            user, group = str(uid), ""
        entry = next((e for e in passwd if user and user in (e[0], e[2])), None)
        if entry is None and user and not user.isdigit():
            raise LookupError(f"unable to find user {user}: no matching entries in passwd file")
        if entry is None and not user:
            entry = next((e for e in passwd if e[2] == "0"), None)
        found_uid = int(entry[2]) if entry else int(user or 0)
        found_gid = int(entry[3]) if entry and entry[3].isdigit() else 0
        if group:
            found_gid = self._group_id(group)
        home = entry[5] if entry and len(entry) > 5 and entry[5] else ""  # noqa: PLR2004
        return Account(found_uid, found_gid if gid is None else gid, home or "/")

    def _group_id(self, group: str) -> int:
        if group.isdigit():
            return int(group)
        for entry in self._table("etc/group"):
            if entry[0] == group:
                return int(entry[2])
        raise LookupError(f"unable to find group {group}: no matching entries in group file")

    def _table(self, path: str) -> list[list[str]]:
        """Return the rows of passwd or group, never through a link out of the image."""
        if self.root is None:
            file = self.files.get("/" + path)
            text = file.content.decode() if file else ""
        else:
            try:
                with os.fdopen(os.open(self.root / path, os.O_RDONLY | os.O_NOFOLLOW)) as opened:
                    text = opened.read()
            except OSError:
                text = ""
        rows = [line.split(":") for line in text.splitlines()]
        return [row for row in rows if len(row) > 3 and row[2].isdigit()]  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class Account:
    """Who a process in a container is.

    Attributes:
        uid: User id.
        gid: Group id.
        home: Home directory.
    """

    uid: int
    gid: int
    home: str
