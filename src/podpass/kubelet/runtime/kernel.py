"""System calls that the standard library of Python 3.11 does not offer.

Runs in the runtime's small processes (`python -I -S`), so it imports next to nothing. Every
function raises OSError with the kernel's errno. Numbers are those of linux/sched.h
and linux/prctl.h, the same on all architectures.
"""

from __future__ import annotations

import ctypes
import os

NEW_MOUNT = 0x00020000
NEW_UTS = 0x04000000
NEW_IPC = 0x08000000
NEW_USER = 0x10000000
NEW_PID = 0x20000000
NEW_NET = 0x40000000

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_LAST_CAPABILITY = 63

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the namespaces of `flags` for new ones; NEW_PID counts for later children."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def join_namespaces(descriptor: int, flags: int) -> None:
    """Enter the namespaces of `flags` that a process has, given its pidfd (Linux 5.8)."""
    _check(_libc.setns(ctypes.c_int(descriptor), ctypes.c_int(flags)), "setns")


def set_hostname(name: str) -> None:
    """Set the host name of this UTS namespace; the kernel takes 64 bytes."""
    encoded = name.encode()[:64]
    _check(_libc.sethostname(encoded, ctypes.c_size_t(len(encoded))), "sethostname")


def die_with_parent() -> None:
    """Ask for SIGKILL when the parent ends; forgotten when the user id changes."""
    _prctl(_PR_SET_PDEATHSIG, 9)


def name_process(name: str) -> None:
    """Show `name` (15 bytes at most) in `ps` and `top`."""
    _check(_libc.prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode()[:15]), 0, 0, 0), "prctl")


def keep_capabilities(keep: frozenset[int]) -> None:
    """Make `keep` all that this process and its children can ever have.

    Call it while still privileged and before the user id changes; what is not in `keep` leaves
    the bounding set, and no_new_privs closes the way back through setuid programs.
    """
    for capability in range(_LAST_CAPABILITY + 1):
        if capability not in keep and _prctl_result(_PR_CAPBSET_DROP, capability) < 0:
            if ctypes.get_errno() == 22:  # noqa: PLR2004 - EINVAL: the kernel knows no more
                break
            _check(-1, "prctl")
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def reset_signals() -> None:
    """Give SIGPIPE and SIGXFSZ, which Python ignores, back their meaning before an exec."""
    for number in (13, 25):
        _libc.signal(ctypes.c_int(number), ctypes.c_void_p(0))


def _prctl_result(option: int, value: int) -> int:
    result: int = _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0)
    return result


def _prctl(option: int, value: int) -> None:
    _check(_prctl_result(option, value), "prctl")
