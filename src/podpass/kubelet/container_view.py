"""What a running container sees where its volumes are mounted.

A mount holds on to a directory, not to its path: if the directory on the host is replaced, the
container goes on seeing the former one, and nothing that is written on the host reaches it. Device
and inode tell the two apart.

Paths inside a container are resolved by the kernel with the container's root as the root
(`RESOLVE_IN_ROOT`): a link such as `/var/run` must not lead back into the host.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_SYS_OPENAT2 = 437
_RESOLVE_IN_ROOT = 0x10
_RESOLVE_NO_MAGICLINKS = 0x02


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def open_in_container(pid: int, container_path: str) -> int:
    """Open a directory as the process `pid` sees it; returns a file descriptor.

    Raises:
        OSError: The process is gone, the path is not there, or we may not look.
    """
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        how = _OpenHow(
            os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC,
            0,
            _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS,
        )
        library = ctypes.CDLL(None, use_errno=True)
        path = container_path.lstrip("/").encode() or b"."
        descriptor: int = library.syscall(
            ctypes.c_long(_SYS_OPENAT2), root, path, ctypes.byref(how), ctypes.sizeof(how)
        )
        if descriptor < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), container_path)
        return descriptor
    finally:
        os.close(root)


def sees(descriptor: int, directory: Path) -> bool:
    """Tell whether an open directory is the one at `directory`.

    Raises:
        OSError: `directory` cannot be looked at.
    """
    inside, outside = os.fstat(descriptor), directory.stat()
    return (inside.st_dev, inside.st_ino) == (outside.st_dev, outside.st_ino)
