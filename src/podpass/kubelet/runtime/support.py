"""Whether containers can run on this machine, and what to do when they cannot."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from podpass.kubelet.runtime.bubblewrap import Overlay, is_rootful, try_container
from podpass.kubelet.runtime.interface import RuntimeFailure
from podpass.kubelet.runtime.removal import remove_tree

_SETTINGS = (
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "sysctl kernel.unprivileged_userns_clone=1",
    ),
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=15000"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)


def check_sandbox_support() -> None:
    """Make sure that containers can run here, by running a tiny one.

    Raises:
        RuntimeFailure: They cannot; says why and what to do.
    """
    if not hasattr(os, "pidfd_open"):
        raise RuntimeFailure("containers need Linux 5.8 or newer")
    directory = Path(tempfile.mkdtemp(prefix="podpass-"))
    try:
        problem = try_container(directory, Overlay.IN_MEMORY)
    finally:
        remove_tree(directory)
    if problem is not None:
        raise RuntimeFailure(explain(problem, rootful=is_rootful(), settings=_SETTINGS, read=_read))


def explain(
    problem: str,
    *,
    rootful: bool,
    settings: Sequence[tuple[str, str, str]],
    read: Callable[[str], str | None],
) -> str:
    """Turn bubblewrap's complaint into words on what to do.

    Args:
        problem: What bubblewrap said.
        rootful: Whether we are root.
        settings: File of a kernel setting, its value that is in the way, what changes it.
        read: Returns the content of such a file, or None.
    """
    remedies = [command for file, bad, command in settings if read(file) == bad]
    if remedies and not rootful:
        return (
            f"this machine does not let ordinary users make containers ({problem}); "
            f"as root, run: {'; '.join(remedies)}; or run podpass as root"
        )
    if "overlay" in problem:
        return (
            f"the kernel has no overlay file system for this user ({problem}); "
            "load it (modprobe overlay), use Linux 5.11 or newer, or run podpass as root"
        )
    return (
        f"containers cannot run here ({problem}); inside another container it must be privileged "
        "or allow user namespaces and mounts"
    )


def _read(file: str) -> str | None:
    try:
        return Path(file).read_text().strip()
    except OSError:
        return None
