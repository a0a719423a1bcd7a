"""The network of a pod: a loopback interface that has the pod's addresses.

Spoken to the kernel directly (ioctl and rtnetlink(7)), since `ip` is not everywhere.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct

_LOOPBACK = b"lo"
_LOOPBACK_INDEX = 1  # the first interface of every network namespace
_GET_FLAGS = 0x8913
_SET_FLAGS = 0x8914
_INTERFACE_UP = 0x1
_NEW_ADDRESS = 20
_REQUEST_CREATE_ACK = 0x1 | 0x4 | 0x400
_ATTRIBUTE_ADDRESS = 1
_ATTRIBUTE_LOCAL = 2
_SCOPE_GLOBAL = 0


def bring_up_loopback() -> None:
    """Switch the loopback interface of this network namespace on; 127.0.0.1 works then."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", _LOOPBACK, 0)
        answer = fcntl.ioctl(control, _GET_FLAGS, request)
        flags = struct.unpack_from("16sH", answer)[1] | _INTERFACE_UP
        fcntl.ioctl(control, _SET_FLAGS, struct.pack("16sH14x", _LOOPBACK, flags))


def add_loopback_address(address: str) -> None:
    """Give the loopback interface one more IPv4 address, alone in its network (/32).

    Raises:
        OSError: Not an address, or the kernel refused it.
    """
    packed = socket.inet_aton(address)
    attributes = b"".join(
        struct.pack("HH4s", 8, kind, packed) for kind in (_ATTRIBUTE_LOCAL, _ATTRIBUTE_ADDRESS)
    )
    body = struct.pack("BBBBI", socket.AF_INET, 32, 0, _SCOPE_GLOBAL, _LOOPBACK_INDEX) + attributes
    header = struct.pack("IHHII", 16 + len(body), _NEW_ADDRESS, _REQUEST_CREATE_ACK, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.send(header + body)
        code = -struct.unpack_from("i", netlink.recv(4096), 16)[0]
    if code not in (0, errno.EEXIST):
        raise OSError(code, f"cannot add address {address}: {os.strerror(code)}")


def allow_low_ports() -> None:
    """Let every user bind ports below 1024 in this network namespace, as containerd does."""
    try:
        descriptor = os.open(
            "/proc/sys/net/ipv4/ip_unprivileged_port_start", os.O_WRONLY | os.O_CLOEXEC
        )
    except OSError:
        return  # a read-only /proc/sys: then only root may
    try:
        os.write(descriptor, b"0")
    except OSError:
        pass
    finally:
        os.close(descriptor)
