"""Puts the parts of an API server together, and runs them.

1. Own address first (probes see the start), then the store's caches and the bootstrap policy, then
   the addresses that are shared with other servers.
2. Stop: not ready, go on for the shutdown delay while each answer ends its connection, then take
   no more connections, end watches, let requests finish.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from podpass.api.errors import StatusError
from podpass.apiserver.auditing import Auditor, open_auditor
from podpass.apiserver.bootstrap_policy import ensure_bootstrap_policy
from podpass.apiserver.composition import Foundation, compose
from podpass.apiserver.custom_resources_controller import DefinitionController
from podpass.apiserver.health import Check, HealthChecks, NotHealthy, ping
from podpass.apiserver.kubelet_client import KubeletClient
from podpass.apiserver.legacy_token_tracking import LegacyTokenTracking
from podpass.apiserver.listeners import Listeners, bind, tls_context
from podpass.apiserver.metrics import Metrics
from podpass.apiserver.overload.connection_limit import maximum_connections
from podpass.apiserver.server import HttpServer
from podpass.apiserver.settings import ApiServerSettings
from podpass.apiserver.signing import Signing, open_signing
from podpass.base.clock import Clock
from podpass.storage.cached_objects import CachedObjects
from podpass.storage.interface import Store
from podpass.storage.objects import ObjectStore

STOP_GRACE_SECONDS = 5.0
"""How long running requests may go on after the last connection was taken."""

_log = logging.getLogger("apiserver")


class ApiServer:
    """A whole API server over a store.

    Attributes:
        flow: Answers requests; what tests without sockets call.
        failed: Set to the error of a background task that must not end.
    """

    def __init__(
        self,
        settings: ApiServerSettings,
        store: Store,
        clock: Clock,
        signing: Signing,
        metrics: Metrics,
        auditor: Auditor | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._stopping = asyncio.Event()
        self._ready = False
        self._started = False
        self._policy_done = False
        self._objects = ObjectStore(store)
        self._cached = CachedObjects(self._objects, clock=clock)
        self._signing = signing
        self._auditor = auditor
        self._kubelets = KubeletClient(settings, self._cached)
        self._http: HttpServer | None = None
        self._feeding: asyncio.Task[None] | None = None
        self._tracking: asyncio.Task[None] | None = None
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.flow = compose(
            Foundation(
                settings=settings,
                cached=self._cached,
                signing=signing,
                metrics=metrics,
                kubelets=self._kubelets,
                health=self._health(),
                stopping=self._stopping,
                is_started=lambda: self._started,
                is_draining=lambda: self._started and not self._ready,
                auditor=auditor,
                clock=clock,
            )
        )

    async def start(self, listeners: Listeners) -> None:
        """Serve; returns when the server is ready (rule 1).

        Raises:
            StatusError: The store does not answer.
        """
        self._http = HttpServer(
            self.flow.handle,
            tls_context(self._settings),
            self._clock,
            maximum_connections=maximum_connections(),
        )
        for bound in listeners.own:
            await self._http.listen(bound)
        self._feeding = asyncio.create_task(self._feed(), name="watch caches")
        self._feeding.add_done_callback(self._feeding_ended)
        await self._prepare_unless_failed()
        tracking = LegacyTokenTracking(self._objects, self._cached, self._clock)
        self._tracking = asyncio.create_task(tracking.run(), name="legacy token tracking")
        self._started = self._ready = True
        for bound in listeners.shared:
            await self._http.listen(bound)
        _log.info("serving on %s", ", ".join(self._addresses()))

    async def stop(self) -> None:
        """Stop gracefully (rule 2); safe to call more than once."""
        self._ready = False
        if self._stopping.is_set():
            return
        delay = self._settings.shutdown_delay_duration.total_seconds()
        if delay:
            await self._clock.sleep(delay)
        self._stopping.set()
        if self._http is not None:
            await self._http.stop(STOP_GRACE_SECONDS)
        await self._kubelets.close()
        for task in (self._tracking, self._feeding):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        self._signing.close()
        if self._auditor is not None:
            await asyncio.to_thread(self._auditor.close)

    async def _feed(self) -> None:
        definitions = DefinitionController(self._cached, self._clock)
        defining = asyncio.create_task(definitions.run(), name="custom resources")
        try:
            await self._cached.run()
        finally:
            defining.cancel()
            await asyncio.gather(defining, return_exceptions=True)

    async def _prepare(self) -> None:
        await ensure_bootstrap_policy(self._objects, self._clock)
        self._policy_done = True
        await self._cached.wait_ready()
        newest = await self._objects.current_revision()
        for cache in tuple(self._cached.caches.values()):
            await cache.wait_for(newest, STOP_GRACE_SECONDS)

    async def _prepare_unless_failed(self) -> None:
        """Prepare, unless the watch of the store ends before."""
        preparing = asyncio.ensure_future(self._prepare())
        waiting: set[asyncio.Future[None]] = {preparing, self.failed}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not preparing.done():
            preparing.cancel()
            await self.failed
        await preparing

    def _feeding_ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._stopping.is_set() or self.failed.done():
            return
        error = task.exception() or RuntimeError("the watch of the store ended")
        self.failed.set_exception(error)

    def _addresses(self) -> list[str]:
        port = self._settings.secure_port
        shown = [f"https://{address}:{port}" for address in self._settings.bind_addresses]
        if self._settings.unix_socket is not None:
            shown.append(str(self._settings.unix_socket))
        return shown

    def _health(self) -> HealthChecks:
        live: dict[str, Check] = {"ping": ping}
        ready: dict[str, Check] = {
            "ping": ping,
            "storage": self._check_storage,
            "informer-sync": partial(_check, lambda: self._cached.ready, "caches are not filled"),
            "poststarthook/rbac/bootstrap-roles": partial(
                _check, lambda: self._policy_done, "bootstrap policy is not written"
            ),
            "start": partial(_check, lambda: self._ready, "not started, or stopping"),
        }
        return HealthChecks({"livez": live, "readyz": ready, "healthz": ready})

    async def _check_storage(self) -> None:
        try:
            await self._objects.current_revision()
        except StatusError as error:
            raise NotHealthy(error.message) from error


async def _check(holds: Callable[[], bool], why: str) -> None:
    if not holds():
        raise NotHealthy(why)


async def build_app(settings: ApiServerSettings, store: Store, clock: Clock) -> ApiServer:
    """Return an API server over `store`, not started.

    Raises:
        UnusableKey: A service account key cannot be read.
        SignerUnusable: The external signer is not there, or cannot be used.
        AuditUnusable: The audit policy is bad, or the log cannot be written.
    """
    metrics = Metrics()
    auditor = open_auditor(settings, metrics, clock)
    signing = await open_signing(settings, clock, metrics.external_jwt)
    return ApiServer(settings, store, clock, signing, metrics, auditor)


async def serve(settings: ApiServerSettings, store: Store, clock: Clock) -> ApiServer:
    """Bind, build and start an API server.

    Raises:
        ListenError: An address or a certificate cannot be used.
        UnusableKey: A service account key cannot be read.
        SignerUnusable: The external signer is not there, or cannot be used.
        AuditUnusable: The audit policy is bad, or the log cannot be written.
        StatusError: The store does not answer.
    """
    listeners = bind(settings)
    try:
        server = await build_app(settings, store, clock)
        await server.start(listeners)
    except BaseException:
        listeners.close()
        raise
    return server
