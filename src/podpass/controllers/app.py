"""The controller manager process: stands by for the lease, and leads when it has it."""

from __future__ import annotations

import os
import socket

from podpass.base.clock import Clock
from podpass.base.tasks import new_uid
from podpass.client.leader import LeaderElector
from podpass.client.process import own_config, run_until_stopped
from podpass.client.rest import RestClient
from podpass.controllers.settings import ControllerManagerSettings


async def run(settings: ControllerManagerSettings, client: RestClient, clock: Clock) -> None:
    """Take part in the election and run the controllers while leading, until cancelled."""

    async def lead() -> None:
        from podpass.controllers.leading import run_controllers  # noqa: PLC0415 - see there

        await run_controllers(client, clock, settings)

    if not settings.leader_elect:
        await lead()
        return
    elector = LeaderElector(
        client,
        namespace=settings.leader_elect_resource_namespace,
        name=settings.leader_elect_resource_name,
        identity=f"{os.environ.get('NODE_NAME') or socket.gethostname()}_{new_uid()}",
        clock=clock,
        lease_duration=settings.leader_elect_lease_duration,
        renew_deadline=settings.leader_elect_renew_deadline,
        retry_period=settings.leader_elect_retry_period,
    )
    await elector.run(lead)


async def main(settings: ControllerManagerSettings) -> None:
    """Run until SIGTERM or SIGINT; the lease is given back before this returns.

    Raises:
        ConfigError: The API server's address or our credentials are unusable.
    """

    async def work(client: RestClient, clock: Clock) -> None:
        await run(settings, client, clock)

    await run_until_stopped(own_config(settings.kubeconfig), "kube-controller-manager", work)
