"""The operator process: stands by for the lease, and leads when it has it."""

from __future__ import annotations

import asyncio
import socket

from podpass.base.clock import Clock
from podpass.base.tasks import new_uid
from podpass.client.events import EventRecorder
from podpass.client.leader import LeaderElector
from podpass.client.process import own_config, run_until_stopped
from podpass.client.rest import RestClient
from podpass.operator import names
from podpass.operator.cert_sync import CertSyncController
from podpass.operator.config_controllers import (
    BoundSATokenSignerController,
    TargetConfigController,
)
from podpass.operator.installer_controller import InstallerController
from podpass.operator.issuer_controllers import ConfigObserver, ServiceAccountIssuerController
from podpass.operator.live import Live
from podpass.operator.node_controller import NodeController
from podpass.operator.objects import OperatorObjects
from podpass.operator.operator_status import OperatorStatus
from podpass.operator.parts import Parts
from podpass.operator.prune_controller import PruneController
from podpass.operator.revision_controller import RevisionController
from podpass.operator.settings import OperatorSettings
from podpass.operator.sync_loop import SyncLoop
from podpass.operator.watching_controllers import (
    ClusterOperatorController,
    StaticPodHealthController,
)


async def run_controllers(settings: OperatorSettings, client: RestClient, clock: Clock) -> None:
    """Run all controllers until cancelled."""
    live = Live(client, clock)
    recorder = EventRecorder(client, names.OPERATOR, clock)
    parts = Parts(
        live=live,
        status=OperatorStatus(client, clock, settings.profile),
        objects=OperatorObjects(client, recorder),
        settings=settings,
        clock=clock,
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(live.run())
        group.create_task(recorder.run())
        await live.wait_synced()
        for loop in _loops(parts, client):
            group.create_task(loop.run())


def _loops(parts: Parts, client: RestClient) -> list[SyncLoop]:
    loops = [
        ConfigObserver(parts).loop(),
        TargetConfigController(parts).loop(),
        BoundSATokenSignerController(parts).loop(),
        RevisionController(parts).loop(),
        NodeController(parts).loop(),
        InstallerController(parts).loop(),
        StaticPodHealthController(parts).loop(),
        PruneController(parts).loop(),
        CertSyncController(parts).loop(),
        ClusterOperatorController(parts, client).loop(),
    ]
    if parts.settings.profile.trust is not None:
        trust = parts.settings.profile.trust
        loops.append(ServiceAccountIssuerController(parts, trust).loop())
    return loops


async def run(settings: OperatorSettings, client: RestClient, clock: Clock) -> None:
    """Take part in the election and run the controllers while leading, until cancelled."""

    async def lead() -> None:
        await run_controllers(settings, client, clock)

    if not settings.leader_elect:
        await lead()
        return
    elector = LeaderElector(
        client,
        namespace=names.OPERATOR_NAMESPACE,
        name=names.OPERATOR_LEASE,
        identity=f"{socket.gethostname()}_{new_uid()}",
        clock=clock,
        lease_duration=settings.lease_duration,
        renew_deadline=settings.renew_deadline,
        retry_period=settings.retry_period,
    )
    await elector.run(lead)


async def main(settings: OperatorSettings) -> None:
    """Run until SIGTERM or SIGINT; the lease is given back before this returns.

    Raises:
        ConfigError: The API server's address or our credentials are unusable.
    """

    async def work(client: RestClient, clock: Clock) -> None:
        await run(settings, client, clock)

    await run_until_stopped(own_config(settings.kubeconfig), names.OPERATOR, work)
