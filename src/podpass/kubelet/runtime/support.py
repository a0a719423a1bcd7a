"""Whether containers can run on this machine, and what to do when they cannot."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from podpass.kubelet.runtime.bubblewrap import Overlay, is_rootful, try_container
from podpass.kubelet.runtime.interface import RuntimeFailure
from podpass.kubelet.runtime.removal import remove_tree

_ADVICE = (
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
    if problem is None:
        return
    hints = []
    for file, bad, command in _ADVICE:
        try:
            value = Path(file).read_text().strip()
        except OSError:
            continue
        if value == bad:
            hints.append(command)
    if hints and not is_rootful():
        raise RuntimeFailure(
            f"this machine does not let ordinary users make containers ({problem}); "
            f"as root, run: {'; '.join(hints)}; or run podpass as root"
        )
    if "overlay" in problem:
        raise RuntimeFailure(
            f"the kernel has no overlay file system for this user ({problem}); "
            "load it (modprobe overlay), use Linux 5.11 or newer, or run podpass as root"
        )
    raise RuntimeFailure(
        f"containers cannot run here ({problem}); inside another container it must be privileged "
        "or allow user namespaces and mounts"
    )
