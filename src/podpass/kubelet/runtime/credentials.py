"""Who a process of a container is: user, groups, capabilities.

With real root the ids are real: files on the host show the same owner. An ordinary user has one
id only; it is shown inside as the id that was asked for, and files keep the caller's ownership.

1. After exec root has the capabilities below unless its container says otherwise, everybody else
   none, and none can be gained again.
2. Order matters: the bounding set while privileged, then groups, the group, the user.
"""

from __future__ import annotations

import os

from podpass.kubelet.runtime import kernel

ROOT_CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 29, 31})
"""What Docker and containerd leave to root, without MKNOD: there is no device cgroup here.

CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW,
SYS_CHROOT, AUDIT_WRITE, SETFCAP.
"""


def enter_user_namespace(uid: int, gid: int) -> None:
    """Make a user namespace in which the caller's ids are seen as `uid` and `gid`.

    Needs a process with one thread. Afterwards it has all capabilities in the new namespace.

    Raises:
        OSError: The kernel forbids user namespaces.
    """
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    kernel.unshare(kernel.NEW_USER)
    for file, line in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {outer_uid} 1"),
        ("gid_map", f"{gid} {outer_gid} 1"),
    ):
        descriptor = os.open(f"/proc/self/{file}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def become(
    uid: int,
    gid: int,
    groups: tuple[int, ...],
    *,
    rootful: bool,
    capabilities: frozenset[int] = ROOT_CAPABILITIES,
) -> None:
    """Turn this process, root so far, into the user of the container for good.

    Args:
        uid: User id inside.
        gid: Group id inside.
        groups: Supplementary groups; without real root they cannot be had and are left out.
        rootful: Whether the ids are real, or mapped to the one id of an ordinary user.
        capabilities: What root has after exec.

    Raises:
        OSError: The kernel refused an id.
    """
    if rootful:
        kernel.keep_capabilities(capabilities)
        os.setgroups(sorted({gid, *groups}))
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    else:
        if (uid, gid) != (0, 0):
            enter_user_namespace(uid, gid)
        kernel.keep_capabilities(capabilities)
