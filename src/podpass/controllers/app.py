"""The controller manager process: stands by for the lease, and leads when it has it."""

from __future__ import annotations

import os
import socket

from podpass.base.clock import Clock
from podpass.base.tasks import new_uid
from podpass.client.leader import LeaderElector
from podpass.client.process import own_config, run_until_stopped
from podpass.client.rest import RestClient
from podpass.controllers.serving import serving
from podpass.controllers.settings import ControllerManagerSettings


def _elector(
    settings: ControllerManagerSettings, client: RestClient, clock: Clock
) -> LeaderElector:
    return LeaderElector(
        client,
        namespace=settings.leader_elect_resource_namespace,
        name=settings.leader_elect_resource_name,
        identity=f"{os.environ.get('NODE_NAME') or socket.gethostname()}_{new_uid()}",
        clock=clock,
        lease_duration=settings.leader_elect_lease_duration,
        renew_deadline=settings.leader_elect_renew_deadline,
        retry_period=settings.leader_elect_retry_period,
    )


async def run(settings: ControllerManagerSettings, client: RestClient, clock: Clock) -> None:
    """Take part in the election and run the controllers while leading, until cancelled.

    Raises:
        OSError: The address of the server is not this machine's.
    """
    elector = _elector(settings, client, clock) if settings.leader_elect else None
    async with serving(settings, client, elector):
        await _work(settings, client, clock, elector)


async def _work(
    settings: ControllerManagerSettings,
    client: RestClient,
    clock: Clock,
    elector: LeaderElector | None,
) -> None:
    async def lead() -> None:
        from podpass.controllers.leading import run_controllers  # noqa: PLC0415 - see there

        await run_controllers(client, clock, settings)

    if elector is None:
        await lead()
    else:
        await elector.run(lead)


async def main(settings: ControllerManagerSettings) -> None:
    """Run until SIGTERM or SIGINT; the lease is given back before this returns.

    Raises:
        ConfigError: The API server's address or our credentials are unusable.
        OSError: The address of the server is not this machine's.
    """

    async def work(client: RestClient, clock: Clock) -> None:
        await run(settings, client, clock)

    await run_until_stopped(own_config(settings.kubeconfig), "kube-controller-manager", work)
