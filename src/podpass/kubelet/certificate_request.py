"""Asks the API server to sign a kubelet's new key, and waits for the answer.

1. The key is made here and goes nowhere but into its file (`certificate_file`).
2. A request that is denied, fails or waits too long is given up; the next try makes another one,
   with another key.

Source: kubernetes.io "Certificates and Certificate Signing Requests".
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Callable
from dataclasses import dataclass

from podpass.api.certificate_requests import DENIED, FAILED, has_condition
from podpass.api.errors import StatusError
from podpass.api.meta import name_of
from podpass.api.resources import CERTIFICATE_SIGNING_REQUESTS, Object
from podpass.base.clock import Clock
from podpass.base.tasks import Backoff, jitter, random_suffix
from podpass.client.config import ConfigError
from podpass.client.rest import ConnectionFailed, RestClient
from podpass.kubelet.certificate_file import CertificateFile, NewKey, UnusableCertificate
from podpass.kubelet.certificate_rotation import EARLIEST_SHARE, LATEST_SHARE

ANSWER_SECONDS = 900.0
"""How long an answer is waited for."""
LONGEST_SLEEP = 600.0
"""Seconds; a clock that is stepped is noticed after that."""
_FIRST_POLL, _LONGEST_POLL = 0.1, 5.0

_log = logging.getLogger("kubelet.certificate")


class NotIssued(Exception):
    """The request was denied, failed, or nobody answered it."""


@dataclass(frozen=True, slots=True)
class CertificateRequester:
    """Gets one kind of certificate into one file.

    Attributes:
        kind: `client` or `serving`, for log lines.
        signer: Who signs.
        usage: `client auth` or `server auth`.
        make_key: Makes a key with the request for its certificate.
        file: Where both go.
        clock: The time.
    """

    kind: str
    signer: str
    usage: str
    make_key: Callable[[], NewKey]
    file: CertificateFile
    clock: Clock

    def is_good(self) -> bool:
        """Tell whether there is a certificate that has not run out."""
        life = self.file.life()
        return life is not None and life.is_good(self.clock.now())

    async def replace(self, client: RestClient) -> bool:
        """Try once to put a new certificate into the file; tells whether it is there.

        Raises:
            OSError: The file cannot be written.
        """
        try:
            key = self.make_key()
            life = self.file.replace(key.key_pem, await self._signed(client, key))
        except (NotIssued, UnusableCertificate, ConnectionFailed, ConfigError) as error:
            _log.warning("no new %s certificate yet: %s", self.kind, error)
            return False
        except StatusError as error:
            _log.warning("no new %s certificate yet: %s", self.kind, error.message)
            return False
        _log.info("the %s certificate is good until %s", self.kind, life.not_after.isoformat())
        return True

    async def wait_due(self) -> None:
        """Return when it is time to ask for the next certificate; at once if there is none."""
        share = EARLIEST_SHARE * jitter(1.0, LATEST_SHARE / EARLIEST_SHARE - 1)
        share = min(share, LATEST_SHARE)
        while (life := self.file.life()) is not None:
            wait = life.until_rotation(self.clock.now(), share).total_seconds()
            if wait <= 0:
                return
            await self.clock.sleep(min(wait, LONGEST_SLEEP))

    async def _signed(self, client: RestClient, key: NewKey) -> bytes:
        made = await client.create(CERTIFICATE_SIGNING_REQUESTS, self._request(key))
        name = name_of(made)
        backoff = Backoff(_FIRST_POLL, _LONGEST_POLL)
        deadline = self.clock.monotonic() + ANSWER_SECONDS
        while self.clock.monotonic() < deadline:
            try:
                current = await client.get(CERTIFICATE_SIGNING_REQUESTS, None, name)
            except ConnectionFailed as error:
                _log.debug("not yet: %s", error)
            else:
                if certificate := _certificate(current):
                    return certificate
            await self.clock.sleep(jitter(backoff.next_delay(), 0.2))
        raise NotIssued(f"nobody answered {name}")

    def _request(self, key: NewKey) -> Object:
        return {
            "apiVersion": CERTIFICATE_SIGNING_REQUESTS.api_version,
            "kind": CERTIFICATE_SIGNING_REQUESTS.kind,
            "metadata": {"name": f"csr-{random_suffix(8)}"},
            "spec": {
                "request": base64.b64encode(key.request_pem).decode(),
                "signerName": self.signer,
                "usages": ["digital signature", self.usage],
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
