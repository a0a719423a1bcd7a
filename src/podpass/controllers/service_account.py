"""Keeps a service account `default` in every active namespace.

Source: Kubernetes, `pkg/controller/serviceaccount/serviceaccounts_controller.go`.
"""

from __future__ import annotations

from podpass.api.errors import StatusError
from podpass.api.meta import is_terminating, name_of, namespace_of
from podpass.api.resources import NAMESPACES, SERVICE_ACCOUNTS, Object
from podpass.base.clock import Clock
from podpass.client.controller import Controller
from podpass.client.rest import RestClient
from podpass.controllers.refusals import is_creation_pointless
from podpass.controllers.shared_informers import SharedInformers

DEFAULT_ACCOUNT = "default"


def is_active(namespace: Object) -> bool:
    """Tell whether objects may be created in a namespace."""
    phase = (namespace.get("status") or {}).get("phase")
    return phase == "Active" and not is_terminating(namespace)


class ServiceAccountController:
    """Creates missing default accounts; keys are namespaces."""

    def __init__(self, client: RestClient, informers: SharedInformers, clock: Clock) -> None:
        self._client = client
        self._informers = informers
        self._controller = Controller("service-account", self.reconcile, clock=clock)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._informers.wait_synced(NAMESPACES, SERVICE_ACCOUNTS)
        self._informers[NAMESPACES].on_change(self._namespace_changed)
        self._informers[SERVICE_ACCOUNTS].on_change(self._account_changed)
        await self._controller.run()

    async def reconcile(self, namespace: str) -> None:
        """Create the default account of one namespace if it is missing.

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        found = self._informers[NAMESPACES].get(None, namespace)
        if found is None or not is_active(found):
            return
        if self._informers[SERVICE_ACCOUNTS].get(namespace, DEFAULT_ACCOUNT) is not None:
            return
        account = {
            "apiVersion": SERVICE_ACCOUNTS.api_version,
            "kind": SERVICE_ACCOUNTS.kind,
            "metadata": {"name": DEFAULT_ACCOUNT, "namespace": namespace},
        }
        try:
            await self._client.create(SERVICE_ACCOUNTS, account)
        except StatusError as error:
            if not is_creation_pointless(error):
                raise

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:  # noqa: ARG002
        if new is not None:
            self._controller.enqueue(name_of(new))

    def _account_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None and name_of(old) == DEFAULT_ACCOUNT:
            self._controller.enqueue(namespace_of(old))
