"""Addresses for the pods of this node.

An address is handed out in turn, so that one that was just given back rests as long as possible.
After a restart of the kubelet the runtime's sandboxes tell which ones are in use.
"""

from __future__ import annotations

import ipaddress

_FIRST_HOST = 2
"""Behind the network's own address and its gateway."""


class NoAddressLeft(Exception):
    """All addresses of the node's range are in use."""


class PodAddresses:
    """The addresses of one node's pods."""

    def __init__(self, cidr: str) -> None:
        """Prepare.

        Raises:
            ValueError: `cidr` is not a network.
        """
        self._network = ipaddress.ip_network(cidr)
        self._used: set[str] = set()
        self._next = _FIRST_HOST

    def take(self) -> str:
        """Return a free address.

        Raises:
            NoAddressLeft: There is none.
        """
        last = self._network.num_addresses - 2  # behind it is the broadcast address
        for _ in range(_FIRST_HOST, last + 1):
            address = str(self._network[self._next])
            self._next = self._next + 1 if self._next < last else _FIRST_HOST
            if address not in self._used:
                self._used.add(address)
                return address
        raise NoAddressLeft(f"all pod addresses of {self._network} are in use")

    def keep(self, address: str) -> None:
        """Note an address that is in use already."""
        self._used.add(address)

    def release(self, address: str) -> None:
        """Take an address back."""
        self._used.discard(address)
