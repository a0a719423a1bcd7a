"""Gets the kubelet its client certificate, first with a bootstrap token, then with itself.

1. The key is made here and goes nowhere but into the file (`certificate_file`).
2. A request that is denied, fails or waits too long is given up, and another one made later.
3. Until a new certificate is in the file, the old one is used: also when no API server answers.
4. One that has run out meanwhile logs nobody in: then the bootstrap token is used once more.
5. Nothing restarts: the client sees at its next request that the file changed.

Source: kubernetes.io "TLS bootstrapping", "Configure Certificate Rotation for the Kubelet".
"""

from __future__ import annotations

import base64
import binascii
import logging
from pathlib import Path

from podpass.api.certificate_requests import DENIED, FAILED, KUBELET_CLIENT, has_condition
from podpass.api.errors import StatusError
from podpass.api.meta import name_of
from podpass.api.resources import CERTIFICATE_SIGNING_REQUESTS, Object
from podpass.base.clock import Clock
from podpass.base.tasks import Backoff, jitter, random_suffix
from podpass.client.config import ConfigError, load_kubeconfig
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.kubelet.certificate_file import CertificateFile, NewKey, UnusableCertificate, new_key
from podpass.kubelet.certificate_rotation import EARLIEST_SHARE, LATEST_SHARE

ANSWER_SECONDS = 900.0
"""How long an answer is waited for."""
LONGEST_SLEEP = 600.0
"""Seconds; a clock that is stepped is noticed after that."""
_FIRST_POLL, _LONGEST_POLL = 0.1, 5.0
_FIRST_RETRY, _LONGEST_RETRY = 1.0, 15.0

_log = logging.getLogger("kubelet.certificate")


class NotIssued(Exception):
    """The request was denied, failed, or nobody answered it."""


class ClientCertificate:
    """Keeps the client certificate of one node."""

    def __init__(self, node_name: str, file: CertificateFile, clock: Clock) -> None:
        self._node_name = node_name
        self._file = file
        self._clock = clock

    @property
    def path(self) -> Path:
        """The file with certificate and key."""
        return self._file.path

    def is_good(self) -> bool:
        """Tell whether there is a certificate that has not run out."""
        life = self._file.life()
        return life is not None and life.is_good(self._clock.now())

    async def obtain(self, client: RestClient) -> None:
        """Get a first certificate; tries until there is one.

        Args:
            client: Logs in with a bootstrap token.

        Raises:
            OSError: The file cannot be written.
        """
        backoff = Backoff(_FIRST_RETRY, _LONGEST_RETRY)
        while not await self._try(client):
            await self._clock.sleep(jitter(backoff.next_delay(), 0.5))

    async def rotate(self, client: RestClient, bootstrap_kubeconfig: Path) -> None:
        """Renew the certificate in time, again and again, until cancelled.

        Args:
            client: Logs in with the certificate in the file.
            bootstrap_kubeconfig: For when that has run out.

        Raises:
            OSError: The file cannot be written.
        """
        while True:
            share = EARLIEST_SHARE * jitter(1.0, LATEST_SHARE / EARLIEST_SHARE - 1)
            await self._wait_due(min(share, LATEST_SHARE))
            backoff = Backoff(_FIRST_RETRY, _LONGEST_RETRY)
            while not await self._renewed(client, bootstrap_kubeconfig):
                await self._clock.sleep(jitter(backoff.next_delay(), 0.5))

    async def _renewed(self, client: RestClient, bootstrap_kubeconfig: Path) -> bool:
        if self.is_good():
            return await self._try(client)
        try:
            config = load_kubeconfig(bootstrap_kubeconfig)  # 4
        except ConfigError as error:
            _log.warning("the client certificate has run out, and %s", error)
            return False
        async with RestClient(config, user_agent="podpass-kubelet") as newcomer:
            return await self._try(newcomer)

    async def _wait_due(self, share: float) -> None:
        while (life := self._file.life()) is not None:
            wait = life.until_rotation(self._clock.now(), share).total_seconds()
            if wait <= 0:
                return
            await self._clock.sleep(min(wait, LONGEST_SLEEP))

    async def _try(self, client: RestClient) -> bool:
        try:
            key = new_key(self._node_name)
            life = self._file.replace(key.key_pem, await self._signed(client, key))
        except (NotIssued, UnusableCertificate, ConnectionFailed, ConfigError) as error:
            _log.warning("no new client certificate yet: %s", error)
            return False
        except StatusError as error:
            _log.warning("no new client certificate yet: %s", error.message)
            return False
        _log.info("the client certificate is good until %s", life.not_after.isoformat())
        return True

    async def _signed(self, client: RestClient, key: NewKey) -> bytes:
        made = await client.create(CERTIFICATE_SIGNING_REQUESTS, _request(key))
        name = name_of(made)
        backoff = Backoff(_FIRST_POLL, _LONGEST_POLL)
        deadline = self._clock.monotonic() + ANSWER_SECONDS
        while self._clock.monotonic() < deadline:
            try:
                current = await client.get(CERTIFICATE_SIGNING_REQUESTS, None, name)
            except ConnectionFailed as error:
                _log.debug("not yet: %s", error)
            else:
                if certificate := _certificate(current):
                    return certificate
            await self._clock.sleep(jitter(backoff.next_delay(), 0.2))
        raise NotIssued(f"nobody answered {name}")


def _request(key: NewKey) -> Object:
    return {
        "apiVersion": CERTIFICATE_SIGNING_REQUESTS.api_version,
        "kind": CERTIFICATE_SIGNING_REQUESTS.kind,
        "metadata": {"name": f"csr-{random_suffix(8)}"},
        "spec": {
            "request": base64.b64encode(key.request_pem).decode(),
            "signerName": KUBELET_CLIENT,
            "usages": ["digital signature", "client auth"],
        },
    }


def _certificate(request: Object) -> bytes | None:
    """Return the certificate of a request, None if there is none yet.

    Raises:
        NotIssued: There will be none.
    """
    for kind in (DENIED, FAILED):
        if has_condition(request, kind):
            raise NotIssued(f"{name_of(request)} is {kind}")
    text = (request.get("status") or {}).get("certificate")
    if not text:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise NotIssued(f"{name_of(request)} has no readable certificate") from None
