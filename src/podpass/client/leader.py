"""Leader election by a Lease: at most one process leads.

1. A lease that names nobody, or whose holder did not renew it for its whole duration (measured by
   our own clock since we saw it change, so clocks need not agree), may be taken.
2. The holder renews every `retry_period`; when that fails for `renew_deadline` it stops to lead,
   before others may start.
3. A holder that ends in good order empties the lease, so that the next one leads at once.

Spans are in seconds. Source: client-go, `tools/leaderelection`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from podpass.api.errors import StatusError
from podpass.api.meta import format_micro_time, resource_version_of
from podpass.api.resources import LEASES, Object
from podpass.base.clock import Clock
from podpass.base.tasks import Backoff, jitter
from podpass.client.config import ConfigError
from podpass.client.rest import ConnectionFailed, RestClient

_log = logging.getLogger("leader")

_RELEASE_SECONDS = 2.0
_FIRST_RETRY_SECONDS = 0.1


class LeaderElector:
    """Takes part in the election for one lease."""

    def __init__(
        self,
        client: RestClient,
        *,
        namespace: str,
        name: str,
        identity: str,
        clock: Clock,
        lease_duration: float = 15.0,
        renew_deadline: float = 10.0,
        retry_period: float = 2.0,
    ) -> None:
        """Prepare; `run` takes part.

        Args:
            client: The API server.
            namespace: Namespace of the lease.
            name: Name of the lease.
            identity: Who we are; must differ between processes.
            clock: For waiting and for the times in the lease.
            lease_duration: How long a silent holder is waited for.
            renew_deadline: How long a holder that cannot renew goes on; below the duration.
            retry_period: Time between two renewals, and between two looks of a standby.
        """
        self.identity = identity
        self._client = client
        self._namespace = namespace
        self._name = name
        self._clock = clock
        self._lease_duration = lease_duration
        self._renew_deadline = renew_deadline
        self._retry_period = retry_period
        self._observed: Object | None = None
        self._observed_version = ""
        self._observed_at = 0.0
        self._leading = False
        self._failure = ""

    @property
    def leading(self) -> bool:
        """Whether this process leads now."""
        return self._leading

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Stand by, and run `lead` whenever we are the leader, until cancelled.

        `lead` is cancelled when the lease is lost. What it raises ends the run.
        """
        while True:
            await self._acquire()
            _log.info("%s: leading as %s", self._name, self.identity)
            self._leading = True
            try:
                await self._hold(lead)
            finally:
                self._leading = False
                await asyncio.shield(self._release())
            _log.warning("%s: lost the lease", self._name)

    async def _acquire(self) -> None:
        failures = Backoff(_FIRST_RETRY_SECONDS, self._retry_period)
        while not await self._try_acquire_or_renew():
            if self._failure:
                delay = failures.next_delay()
            else:
                failures.reset()
                left = self._observed_at + self._duration_of_holder() - self._clock.monotonic()
                delay = min(self._retry_period, max(left, _FIRST_RETRY_SECONDS))
            await self._clock.sleep(jitter(delay, 0.2))

    async def _hold(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Run `lead` as long as the lease is renewed in time."""
        work = asyncio.ensure_future(lead())
        renewal = asyncio.create_task(self._renew())
        try:
            await asyncio.wait({work, renewal}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, renewal):
                task.cancel()
            await asyncio.gather(work, renewal, return_exceptions=True)
        if not work.cancelled():
            work.result()
        if not renewal.cancelled():
            renewal.result()

    async def _renew(self) -> None:
        """Return when the lease could not be renewed for `renew_deadline`, or is another's."""
        renewed = self._clock.monotonic()
        while True:
            await self._clock.sleep(self._retry_period)
            try:
                left = renewed + self._renew_deadline - self._clock.monotonic()
                async with asyncio.timeout(max(left, 0.05)):
                    succeeded = await self._try_acquire_or_renew()
            except TimeoutError:
                return
            if succeeded:
                renewed = self._clock.monotonic()
            elif self._held_by_another() or (
                self._clock.monotonic() - renewed >= self._renew_deadline
            ):
                return

    async def _try_acquire_or_renew(self) -> bool:
        try:
            if self._leading and self._observed is not None and not self._held_by_another():
                with contextlib.suppress(StatusError):  # changed or gone: look at it below
                    await self._claim(self._observed)
                    self._failure = ""
                    return True
            held = await self._take_lease()
        except (StatusError, ConnectionFailed, ConfigError) as error:
            if str(error) != self._failure:  # said once, not at every try
                _log.info("%s: %s", self._name, error)
            self._failure = str(error)
            return False
        self._failure = ""
        return held

    async def _take_lease(self) -> bool:
        try:
            lease = await self._client.get(LEASES, self._namespace, self._name)
        except StatusError as error:
            if error.code != 404:  # noqa: PLR2004 - NotFound
                raise
            await self._create_lease()
            return True
        self._observe(lease)
        if _holder(lease) not in ("", self.identity) and not self._expired():
            return False
        await self._claim(lease)
        return True

    async def _claim(self, lease: Object) -> None:
        spec = self._claimed(
            lease.get("spec") or {}, self._clock.now(), mine=_holder(lease) == self.identity
        )
        self._observe(await self._client.update(LEASES, lease | {"spec": spec}))

    async def _create_lease(self) -> None:
        lease = {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": self._claimed({}, self._clock.now(), mine=False),
        }
        self._observe(await self._client.create(LEASES, lease))

    def _claimed(self, spec: Object, now: datetime, *, mine: bool) -> Object:
        time = format_micro_time(now)
        claimed = spec | {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": round(self._lease_duration),
            "renewTime": time,
        }
        if not mine:
            claimed["acquireTime"] = time
            claimed["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + bool(spec)
        return claimed

    def _observe(self, lease: Object) -> None:
        if resource_version_of(lease) != self._observed_version:
            self._observed_version = resource_version_of(lease)
            self._observed_at = self._clock.monotonic()
        self._observed = lease

    def _held_by_another(self) -> bool:
        return self._observed is not None and _holder(self._observed) not in ("", self.identity)

    def _duration_of_holder(self) -> float:
        spec = (self._observed or {}).get("spec") or {}
        return float(spec.get("leaseDurationSeconds") or self._lease_duration)

    def _expired(self) -> bool:
        return self._clock.monotonic() - self._observed_at >= self._duration_of_holder()

    async def _release(self) -> None:
        """Empty the lease, if it is still ours."""
        now = format_micro_time(self._clock.now())
        freed = {
            "holderIdentity": "",
            "leaseDurationSeconds": 1,
            "renewTime": now,
            "acquireTime": now,
        }
        with contextlib.suppress(StatusError, ConnectionFailed, ConfigError, TimeoutError):
            async with asyncio.timeout(_RELEASE_SECONDS):
                lease = await self._client.get(LEASES, self._namespace, self._name)
                if _holder(lease) == self.identity:
                    spec = (lease.get("spec") or {}) | freed
                    self._observe(await self._client.update(LEASES, lease | {"spec": spec}))


def _holder(lease: Object) -> str:
    return str((lease.get("spec") or {}).get("holderIdentity") or "")
