"""Members of an etcd that are killed like any other process, and come back a little later."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from storage.etcd_server import EtcdCluster, EtcdMember

MEMBER = "etcd"
WEIGHT = 8
AWAY = 2.0
"""Seconds until a member that was killed is started again, as a service manager does."""


class EtcdMembers:
    """Three of them; the quorum is lost when two are away.

    Args:
        directory: For their data.
    """

    def __init__(self, directory: Path) -> None:
        self._cluster = EtcdCluster(directory, members=3)
        self._away: dict[EtcdMember, asyncio.Task[None]] = {}

    @property
    def option(self) -> str:
        """For `podpass up`."""
        return f"--etcd={','.join(self._cluster.endpoints)}"

    @property
    def running(self) -> list[EtcdMember]:
        """Those that are not away."""
        return [one for one in self._cluster.members if one not in self._away]

    async def start(self) -> None:
        """Start all, and wait until they are well."""
        await asyncio.to_thread(self._cluster.start)

    def kill(self, members: Sequence[EtcdMember]) -> None:
        """Kill some; each comes back by itself."""
        for member in members:
            member.kill()
            self._away[member] = asyncio.create_task(self._come_back(member))

    async def whole(self) -> None:
        """Return when all are there again.

        Raises:
            AssertionError: One does not start.
        """
        await asyncio.gather(*self._away.values())
        for member in self._cluster.members:
            await asyncio.to_thread(member.wait_healthy)

    def end(self) -> None:
        """Kill all for good."""
        for task in self._away.values():
            task.cancel()
        self._cluster.kill()

    async def _come_back(self, member: EtcdMember) -> None:
        await asyncio.sleep(AWAY)
        member.start()
        del self._away[member]
