"""Applies a layer of a container image to a root file system.

1. Names are relative to the root; `..` is refused, and a link on the way is followed inside the
   root only, so nothing outside can be reached.
2. `.wh.NAME` removes NAME of lower layers, `.wh..wh..opq` all that lower layers put into its
   directory.
3. What a layer brings replaces what was there, a directory only if one of the two is not one.
4. Device files, setuid and setgid bits are left out; owners are set only by root.

Source: OCI image-spec v1.1, "Filesystem Layers".
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from pathlib import Path

from podpass.kubelet.runtime.inner_path import InnerPaths, PathLoop

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


class LayerRefused(Exception):
    """The layer tries to leave its root, or is malformed."""


def apply_layer(archive: tarfile.TarFile, root: Path) -> None:
    """Unpack `archive` over `root`.

    Raises:
        LayerRefused: See rule 1.
        OSError: The disk refused.
    """
    inside = InnerPaths([("/", (root,))])
    written: set[Path] = set()
    for member in archive:
        parts = [part for part in member.name.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise LayerRefused(f"{member.name} leaves the root")
        if not parts:
            continue
        *parents, name = parts
        try:
            directory = root / inside.resolve("/" + "/".join(parents)).lstrip("/")
        except PathLoop as error:
            raise LayerRefused(str(error)) from error
        _make_directories(directory, root)
        path = directory / name
        if name == _OPAQUE:
            for child in directory.iterdir():
                if child not in written:
                    _remove(child)
        elif name.startswith(_WHITEOUT):
            _remove(directory / name.removeprefix(_WHITEOUT))
        elif _unpack(archive, member, path, inside, root):
            written |= {path} | _ancestors(path, root)


def _ancestors(path: Path, root: Path) -> set[Path]:
    return {root / parent for parent in path.relative_to(root).parents}


def _make_directories(directory: Path, root: Path) -> None:
    for part in reversed([directory, *directory.parents]):
        if part.is_relative_to(root) and not part.is_dir():
            _remove(part)
            part.mkdir(mode=0o755)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _unpack(
    archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path, inside: InnerPaths, root: Path
) -> bool:
    keep = member.isdir() and path.is_dir() and not path.is_symlink()
    if not keep:
        _remove(path)
    if member.isdir():
        if not keep:
            path.mkdir()
    elif member.isreg():
        source = archive.extractfile(member)
        with path.open("xb") as target:
            if source is not None:
                shutil.copyfileobj(source, target)
    elif member.issym():
        path.symlink_to(member.linkname)
    elif member.islnk():
        head, _, name = ("/" + member.linkname.strip("/")).rpartition("/")
        if ".." in member.linkname.split("/"):
            raise LayerRefused(f"{member.name} links to {member.linkname}, out of the root")
        source_path = root / inside.resolve(head or "/").lstrip("/") / name
        os.link(source_path, path, follow_symlinks=False)
        return True
    elif member.isfifo():
        os.mkfifo(path)
    else:
        return False
    rootful = os.geteuid() == 0
    if rootful:
        os.chown(path, member.uid, member.gid, follow_symlinks=False)
    if not member.issym():
        own = 0 if rootful else stat.S_IRWXU if member.isdir() else stat.S_IRUSR | stat.S_IWUSR
        path.chmod((member.mode & 0o1777) | own)
        os.utime(path, (member.mtime, member.mtime))
    return True
