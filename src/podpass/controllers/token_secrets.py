"""Keeps Secrets of type `kubernetes.io/service-account-token` and their accounts in step.

1. A token Secret without its account is deleted, if the server knows of no account either.
2. Missing namespace and missing or former CA bundle are written. The token itself is made by the
   API server with that very write (docs/adr/0017). Another value of `namespace` is left alone.
3. A Secret that was deleted is taken off its account's list. Nothing is ever added to it: since
   1.24 no account gets a Secret by itself.
4. What changed meanwhile is left to the next event; after MAX_TRIES failures a key is given up.

Source: Kubernetes `pkg/controller/serviceaccount/tokens_controller.go`.
"""

from __future__ import annotations

import base64
import logging
from pathlib import Path

from podpass.api.errors import StatusError
from podpass.api.meta import annotations_of, name_of, namespace_of, resource_version_of, uid_of
from podpass.api.resources import SECRETS, SERVICE_ACCOUNTS, Object
from podpass.base.clock import Clock
from podpass.client.controller import Controller
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.controllers.refusals import is_conflict, is_not_found
from podpass.controllers.shared_informers import SharedInformers
from podpass.serviceaccount.token_secret import (
    ACCOUNT_NAME,
    ACCOUNT_UID,
    CA_KEY,
    NAMESPACE_KEY,
    TOKEN_KEY,
    TOKEN_TYPE,
    is_token_secret_of,
)

MAX_TRIES = 10
_SECRET, _REFERENCE = "secret", "reference"

_log = logging.getLogger("tokens-controller")


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def wanted_secret(secret: Object, account: Object, bundle: str) -> Object | None:
    """Return the Secret to write, or None if `secret` is as it should be (rule 2).

    Args:
        secret: A token Secret of `account`.
        account: The account.
        bundle: PEM; empty if none is to be written.
    """
    if secret.get("immutable"):
        return None
    data = secret.get("data") or {}
    changed = dict(data)
    if not data.get(NAMESPACE_KEY):
        changed[NAMESPACE_KEY] = _encoded(namespace_of(secret))
    if bundle and data.get(CA_KEY) != _encoded(bundle):
        changed[CA_KEY] = _encoded(bundle)
    annotations = annotations_of(secret) | {
        ACCOUNT_NAME: name_of(account),
        ACCOUNT_UID: uid_of(account),
    }
    if data.get(TOKEN_KEY) and changed == data and annotations == annotations_of(secret):
        return None
    return secret | {"data": changed, "metadata": secret["metadata"] | {"annotations": annotations}}


def without_reference(account: Object, secret: str) -> Object | None:
    """Return the account without a Secret in its list, or None if it is not there (rule 3)."""
    listed = account.get("secrets") or []
    kept = [one for one in listed if one.get("name") != secret]
    return account | {"secrets": kept} if len(kept) < len(listed) else None


class TokenSecretController:
    """Works on token Secrets; keys say what is to be looked at."""

    def __init__(
        self,
        client: RestClient,
        informers: SharedInformers,
        clock: Clock,
        bundle_file: Path | None,
    ) -> None:
        """Prepare.

        Args:
            client: The API server.
            informers: Secrets and accounts.
            clock: For retries.
            bundle_file: The CA bundle for `ca.crt`; None writes none.
        """
        self._client = client
        self._secrets = informers[SECRETS]
        self._accounts = informers[SERVICE_ACCOUNTS]
        self._informers = informers
        self._bundle_file = bundle_file
        self._failures: dict[str, int] = {}
        self._controller = Controller("tokens-controller", self.reconcile, clock=clock)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._informers.wait_synced(SECRETS, SERVICE_ACCOUNTS)
        self._secrets.on_change(self._secret_changed)
        self._accounts.on_change(self._account_changed)
        await self._controller.run()

    async def reconcile(self, key: str) -> None:
        """Look at one Secret, or at one reference to a Secret that is gone (rule 4).

        Raises:
            StatusError: The API server refused.
            ConnectionFailed: The API server was not reached.
        """
        what, *names = key.split("/")
        try:
            if what == _SECRET:
                await self._reconcile_secret(*names)
            else:
                await self._remove_reference(*names)
        except (StatusError, ConnectionFailed) as error:
            tries = self._failures.get(key, 0) + 1
            if tries < MAX_TRIES:
                self._failures[key] = tries
                raise
            _log.error("%s: given up: %s", key, error)
        self._failures.pop(key, None)

    async def _reconcile_secret(self, namespace: str, name: str) -> None:
        secret = self._secrets.get(namespace, name)
        if secret is None or secret.get("type") != TOKEN_TYPE:
            return
        account = await self._account_of(secret)
        try:
            if account is None:
                await self._client.delete(SECRETS, namespace, name, uid=uid_of(secret))
            elif wanted_secret(secret, account, self._bundle()) is not None:
                live = await self._client.get(SECRETS, namespace, name)
                if resource_version_of(live) != resource_version_of(secret):
                    return  # its event is under way
                wanted = wanted_secret(live, account, self._bundle())
                if wanted is not None:
                    await self._client.update(SECRETS, wanted)
        except StatusError as error:
            if not is_not_found(error) and not is_conflict(error):
                raise

    async def _account_of(self, secret: Object) -> Object | None:
        namespace, name = namespace_of(secret), annotations_of(secret).get(ACCOUNT_NAME) or ""
        cached = self._accounts.get(namespace, name)
        if cached is not None and is_token_secret_of(secret, cached):
            return cached
        try:
            live = await self._client.get(SERVICE_ACCOUNTS, namespace, name)
        except StatusError as error:
            if is_not_found(error):
                return None
            raise
        return live if is_token_secret_of(secret, live) else None

    async def _remove_reference(self, namespace: str, account: str, secret: str) -> None:
        if self._secrets.get(namespace, secret) is not None:
            return
        try:
            live = await self._client.get(SERVICE_ACCOUNTS, namespace, account)
            wanted = without_reference(live, secret)
            if wanted is not None:
                await self._client.update(SERVICE_ACCOUNTS, wanted)
        except StatusError as error:
            if not is_not_found(error):
                raise

    def _bundle(self) -> str:
        if self._bundle_file is None:
            return ""
        try:
            return self._bundle_file.read_text()
        except OSError as error:
            _log.warning("cannot read %s: %s", self._bundle_file, error.strerror)
            return ""

    def _secret_changed(self, old: Object | None, new: Object | None) -> None:
        secret = new or old
        if secret is None or secret.get("type") != TOKEN_TYPE:
            return
        namespace, name = namespace_of(secret), name_of(secret)
        if new is not None:
            self._controller.enqueue(f"{_SECRET}/{namespace}/{name}")
            return
        account = annotations_of(secret).get(ACCOUNT_NAME)
        if account:
            self._controller.enqueue(f"{_REFERENCE}/{namespace}/{account}/{name}")

    def _account_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None or (new is not None and uid_of(new) == uid_of(old)):
            return
        for secret in self._secrets.list(namespace_of(old)):
            if is_token_secret_of(secret, old):
                self._controller.enqueue(f"{_SECRET}/{namespace_of(secret)}/{name_of(secret)}")
