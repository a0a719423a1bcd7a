"""The API server as a process: event loop, signals, and one clear line when it cannot run."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from typing import Any

import uvloop

from podpass.api.errors import StatusError
from podpass.apiserver.app import serve
from podpass.apiserver.audit_policy import AuditUnusable
from podpass.apiserver.external_jwt.failures import SignerUnusable
from podpass.apiserver.listeners import ListenError
from podpass.apiserver.settings import ApiServerSettings
from podpass.base.clock import SystemClock
from podpass.jose.keys import UnusableKey
from podpass.storage.compaction import Compactor
from podpass.storage.interface import StoreUnavailable
from podpass.storage.location import open_store

_START_ERRORS = (AuditUnusable, ListenError, SignerUnusable, StoreUnavailable, UnusableKey)
_log = logging.getLogger("apiserver")


class StartError(Exception):
    """The server cannot run; the text says why in one line."""


def run(settings: ApiServerSettings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        StartError: A port, a key, a certificate or the store cannot be used.
    """
    uvloop.run(_run(settings))


async def _run(settings: ApiServerSettings) -> None:
    clock = SystemClock()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        store = await open_store(settings.store_location)
    except StoreUnavailable as error:
        raise StartError(str(error)) from error
    try:
        try:
            server = await serve(settings, store, clock)
        except _START_ERRORS as error:
            raise StartError(str(error)) from error
        except StatusError as error:
            raise StartError(error.message) from error
        # What lives now lives as long as the process: no collection needs to look at it again.
        gc.collect()
        gc.freeze()
        compaction = asyncio.create_task(Compactor(store, clock=clock).run())
        stopped = asyncio.ensure_future(stop.wait())
        waiting: set[asyncio.Future[Any]] = {stopped, server.failed}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        failed = server.failed.done()
        _log.info("stopping")
        await server.stop()
        if failed:
            raise StartError(f"the watch of the store failed: {server.failed.exception()}")
        stopped.cancel()
        server.failed.cancel()
        compaction.cancel()
    finally:
        await store.close()
