"""The controller manager process: stands by for the lease, and leads when it has it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket

from podpass.base.clock import Clock, SystemClock
from podpass.base.tasks import new_uid
from podpass.client.config import ClientConfig, in_cluster_config, load_kubeconfig
from podpass.client.leader import LeaderElector
from podpass.client.rest import RestClient
from podpass.controllers.settings import ControllerManagerSettings

_log = logging.getLogger("controller-manager")


def client_config(settings: ControllerManagerSettings) -> ClientConfig:
    """Return how to reach the API server.

    Raises:
        ConfigError: The kubeconfig is unusable, or there is none and this is not a pod.
    """
    if settings.kubeconfig is not None:
        return load_kubeconfig(settings.kubeconfig)
    return in_cluster_config(os.environ)


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
    client = RestClient(client_config(settings), user_agent="kube-controller-manager")
    async with client:
        work = asyncio.create_task(run(settings, client, SystemClock()))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, work.cancel)
        try:
            await work
        except asyncio.CancelledError:
            _log.info("stopped")
