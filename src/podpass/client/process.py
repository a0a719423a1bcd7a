"""A process that talks to the API until it is stopped: how it logs in, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

from podpass.base.clock import Clock, SystemClock
from podpass.client.config import ClientConfig, in_cluster_config, load_kubeconfig
from podpass.client.rest import RestClient

Work = Callable[[RestClient, Clock], Awaitable[None]]


def own_config(kubeconfig: Path | None) -> ClientConfig:
    """Return how to reach the API server: by a kubeconfig, or as a pod.

    Raises:
        ConfigError: The kubeconfig is unusable, or there is none and this is not a pod.
    """
    if kubeconfig is not None:
        return load_kubeconfig(kubeconfig)
    return in_cluster_config(os.environ)


async def run_until_stopped(config: ClientConfig, user_agent: str, work: Work) -> None:
    """Do the work until SIGTERM or SIGINT cancels it; what it gives back is given back before."""
    async with RestClient(config, user_agent=user_agent) as client:

        async def run() -> None:
            await work(client, SystemClock())

        task = asyncio.create_task(run())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            logging.getLogger(user_agent).info("stopped")
