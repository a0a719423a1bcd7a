"""hostPath volumes: a file or directory of the node, if it is what the pod expects.

Source: Kubernetes v1.36, `pkg/volume/hostpath/host_path.go`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

_CHECKS: dict[str, tuple[Callable[[Path], bool], str]] = {
    "Directory": (Path.is_dir, "a directory"),
    "DirectoryOrCreate": (Path.is_dir, "a directory"),
    "File": (Path.is_file, "a file"),
    "FileOrCreate": (Path.is_file, "a file"),
    "Socket": (Path.is_socket, "a socket file"),
    "CharDevice": (Path.is_char_device, "a character device"),
    "BlockDevice": (Path.is_block_device, "a block device"),
}


class HostPathRefused(Exception):
    """What is at the path is not what the pod expects."""


def prepare_host_path(path: Path, type_: str) -> None:
    """Check a host path, and create it where its type says so.

    Args:
        path: On the node.
        type_: `hostPath.type`; empty means that anything will do, and a missing directory is made.

    Raises:
        HostPathRefused: The check failed, or the path cannot be created.
    """
    try:
        if type_ in ("", "DirectoryOrCreate") and not path.exists():
            path.mkdir(parents=True, mode=0o755)
        if type_ == "FileOrCreate" and not path.exists():
            path.touch(mode=0o644)
    except OSError as error:
        raise HostPathRefused(f"cannot create {path}: {error.strerror}") from error
    if not type_:
        return
    if type_ not in _CHECKS:
        raise HostPathRefused(f"hostPath type {type_!r} is unknown")
    check, what = _CHECKS[type_]
    if not check(path):
        raise HostPathRefused(f"hostPath type check failed: {path} is not {what}")
