"""The controller manager listens for who reads its metrics; the server is loaded when one comes.

A server that cannot start is logged, and the controllers work without it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from podpass.base.lazy_server import StartServer, listen, serve_on_demand, server_context
from podpass.client.leader import LeaderElector
from podpass.client.rest import RestClient
from podpass.controllers.settings import ControllerManagerSettings

_log = logging.getLogger("server")


@asynccontextmanager
async def serving(
    settings: ControllerManagerSettings, client: RestClient, elector: LeaderElector | None
) -> AsyncIterator[int]:
    """Serve metrics and health meanwhile, if there is a certificate; gives the port, 0 for none.

    Args:
        settings: Address, port and files.
        client: Asks the API server who calls, and what they may.
        elector: Knows whether this process leads; None: it does.

    Raises:
        OSError: The address is not this machine's, or no port is free.
    """
    certificate, client_ca = settings.tls_cert_file, settings.client_ca_file
    if certificate is None or client_ca is None:
        yield 0
        return
    with listen(settings.bind_address, settings.secure_port) as listener:
        async with AsyncExitStack() as started:

            async def start(listener: socket.socket) -> None:
                from aiohttp import web  # noqa: PLC0415 - see lazy_server

                from podpass.controllers.metrics import manager_metrics  # noqa: PLC0415
                from podpass.controllers.metrics_server import metrics_app  # noqa: PLC0415

                context = server_context(client_ca)
                context.load_cert_chain(certificate, settings.tls_private_key_file)
                app = metrics_app(client, manager_metrics(elector))
                runner = web.AppRunner(app, access_log=None)
                started.push_async_callback(runner.cleanup)
                await runner.setup()
                await web.SockSite(runner, listener, ssl_context=context).start()

            waiting = asyncio.create_task(_start_on_demand(listener, start))
            try:
                yield listener.getsockname()[1]
            finally:
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)


async def _start_on_demand(listener: socket.socket, start: StartServer) -> None:
    try:
        await serve_on_demand(listener, start)
    except Exception:  # noqa: BLE001 - whatever it is, the controllers go on
        _log.exception("metrics are not served")
        listener.close()
