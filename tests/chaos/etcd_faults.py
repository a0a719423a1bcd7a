"""What happens to an etcd of several members while others write to it."""

from __future__ import annotations

import asyncio
import time

from storage.etcd_server import EtcdCluster, EtcdMember

PATIENCE = 60.0


async def leader_of(etcd: EtcdCluster) -> EtcdMember:
    """Wait for a leader and return it.

    Raises:
        AssertionError: None was elected in time.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        for member in etcd.members:
            if await asyncio.to_thread(member.is_leader):
                return member
        assert time.monotonic() < deadline, "etcd has no leader"
        await asyncio.sleep(0.02)


async def come_back(etcd: EtcdCluster, members: list[EtcdMember]) -> None:
    """Start members again, and wait until all are well."""
    for member in members:
        member.start()
    for member in etcd.members:
        await asyncio.to_thread(member.wait_healthy)


async def lose_leader(etcd: EtcdCluster, *, seconds: float) -> None:
    """Kill the leader; it comes back after some time."""
    leader = await leader_of(etcd)
    leader.kill()
    await asyncio.sleep(seconds)
    assert await leader_of(etcd) is not leader
    await come_back(etcd, [leader])


async def lose_quorum(etcd: EtcdCluster, *, seconds: float) -> None:
    """Kill all members but one, the leader among them; they come back after some time."""
    leader = await leader_of(etcd)
    others = [member for member in etcd.members if member is not leader]
    killed = [leader, *others[:-1]]
    for member in killed:
        member.kill()
    await asyncio.sleep(seconds)
    await come_back(etcd, killed)
