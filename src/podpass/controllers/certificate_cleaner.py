"""Deletes requests for certificates that are over: answered an hour ago, or pending for a day.

Source: Kubernetes `pkg/controller/certificates/cleaner/cleaner.go`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from podpass.api.errors import StatusError
from podpass.api.meta import name_of, parse_time, uid_of
from podpass.api.resources import CERTIFICATE_SIGNING_REQUESTS, Object
from podpass.base.clock import Clock
from podpass.client.rest import ConnectionFailed, RestClient

if TYPE_CHECKING:
    from podpass.controllers.shared_informers import SharedInformers

PENDING_LIFE = timedelta(hours=24)
ANSWERED_LIFE = timedelta(hours=1)
POLL_SECONDS = 600.0


def is_over(request: Object, now: datetime) -> bool:
    """Tell whether nobody needs this request any more; its age counts from its last condition."""
    conditions = (request.get("status") or {}).get("conditions") or ()
    created = (request.get("metadata") or {}).get("creationTimestamp")
    times = [one.get("lastUpdateTime") or created for one in conditions] or [created]
    life = ANSWERED_LIFE if conditions else PENDING_LIFE
    try:
        return now - max(parse_time(str(one)) for one in times) > life
    except ValueError:
        return False


class CertificateRequestCleaner:
    """Looks at all requests now and then."""

    def __init__(self, client: RestClient, informers: SharedInformers, clock: Clock) -> None:
        self._client = client
        self._informer = informers[CERTIFICATE_SIGNING_REQUESTS]
        self._clock = clock

    async def run(self) -> None:
        """Work until cancelled."""
        await self._informer.wait_synced()
        while True:
            for request in self._informer.list():
                if is_over(request, self._clock.now()):
                    await self._delete(request)
            await self._clock.sleep(POLL_SECONDS)

    async def _delete(self, request: Object) -> None:
        try:
            await self._client.delete(
                CERTIFICATE_SIGNING_REQUESTS, None, name_of(request), uid=uid_of(request)
            )
        except (StatusError, ConnectionFailed):
            return  # the next round
