"""Which capabilities the root user of a container has, by the names of capabilities(7)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from podpass.kubelet.runtime.credentials import ROOT_CAPABILITIES
from podpass.kubelet.runtime.interface import RuntimeFailure

NAMES: Final = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID"),
    *("SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW"),
    *("IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT"),
    *("SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD"),
    *("LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG"),
    *("WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE"),
)
"""In the order of their numbers."""
_ALL = "ALL"


def capability_set(add: Iterable[str], drop: Iterable[str]) -> frozenset[int]:
    """Return the numbers of what root has; `ALL` comes before single names.

    Raises:
        RuntimeFailure: A name is unknown.
    """
    added, dropped = [_plain(one) for one in add], [_plain(one) for one in drop]
    numbers = set(range(len(NAMES))) if _ALL in added else set(ROOT_CAPABILITIES)
    if _ALL in dropped:
        numbers.clear()
    numbers -= {_number(one) for one in dropped if one != _ALL}
    numbers |= {_number(one) for one in added if one != _ALL}
    return frozenset(numbers)


def _plain(name: str) -> str:
    return name.upper().removeprefix("CAP_")


def _number(name: str) -> int:
    if name not in NAMES:
        raise RuntimeFailure(f'unknown capability "CAP_{name}"')
    return NAMES.index(name)
