"""Deletes the Secrets of bootstrap tokens that have expired.

Source: Kubernetes `pkg/controller/bootstrap/tokencleaner.go`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from podpass.api.bootstrap_token import NAMESPACE, SECRET_TYPE, expiration, is_expired
from podpass.api.errors import StatusError
from podpass.api.meta import name_of, namespace_of, uid_of
from podpass.api.resources import SECRETS, Object
from podpass.base.clock import Clock
from podpass.client.controller import Controller, RetryAfter
from podpass.client.rest import RestClient

if TYPE_CHECKING:
    from podpass.controllers.shared_informers import SharedInformers

_GONE = (404, 409)


class BootstrapTokenCleaner:
    """Deletes; keys are names in kube-system."""

    def __init__(self, client: RestClient, informers: SharedInformers, clock: Clock) -> None:
        self._client = client
        self._informer = informers[SECRETS]
        self._clock = clock
        self._controller = Controller("bootstrap-token-cleaner", self.reconcile, clock=clock)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._informer.wait_synced()
        self._informer.on_change(self._changed)
        await self._controller.run()

    async def reconcile(self, name: str) -> RetryAfter | None:
        """Delete one token if its time has come, else look again when it does.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        secret = self._informer.get(NAMESPACE, name)
        if secret is None or secret.get("type") != SECRET_TYPE:
            return None
        now = self._clock.now()
        if not is_expired(secret, now):
            end = expiration(secret)
            return None if end is None else RetryAfter((end - now).total_seconds())
        try:
            await self._client.delete(SECRETS, NAMESPACE, name, uid=uid_of(secret))
        except StatusError as error:
            if error.code not in _GONE:
                raise
        return None

    def _changed(self, _old: Object | None, new: Object | None) -> None:
        if new is not None and namespace_of(new) == NAMESPACE and new.get("type") == SECRET_TYPE:
            self._controller.enqueue(name_of(new))
