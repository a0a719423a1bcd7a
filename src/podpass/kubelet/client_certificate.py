"""Gets the kubelet its client certificate, first with a bootstrap token, then with itself.

1. Until a new certificate is in the file, the old one is used: also when no API server answers.
2. One that has run out meanwhile logs nobody in: then the bootstrap token is used once more.
3. Nothing restarts: the client sees at its next request that the file changed.

Source: kubernetes.io "TLS bootstrapping", "Configure Certificate Rotation for the Kubelet".
"""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from podpass.api.certificate_requests import KUBELET_CLIENT
from podpass.base.clock import Clock
from podpass.base.tasks import Backoff, jitter
from podpass.client.config import ConfigError, load_kubeconfig
from podpass.client.rest import RestClient
from podpass.kubelet.certificate_file import CertificateFile, new_key
from podpass.kubelet.certificate_request import CertificateRequester

_FIRST_RETRY, _LONGEST_RETRY = 1.0, 15.0
"""Seconds; without a certificate the node is not Ready."""

_log = logging.getLogger("kubelet.certificate")


class ClientCertificate:
    """Keeps the client certificate of one node."""

    def __init__(self, node_name: str, file: CertificateFile, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._requester = CertificateRequester(
            kind="client",
            signer=KUBELET_CLIENT,
            usage="client auth",
            make_key=partial(new_key, node_name),
            file=file,
            clock=clock,
        )

    @property
    def path(self) -> Path:
        """The file with certificate and key."""
        return self._file.path

    def is_good(self) -> bool:
        """Tell whether there is a certificate that has not run out."""
        return self._requester.is_good()

    async def obtain(self, client: RestClient) -> None:
        """Get a first certificate; tries until there is one.

        Args:
            client: Logs in with a bootstrap token.

        Raises:
            OSError: The file cannot be written.
        """
        backoff = Backoff(_FIRST_RETRY, _LONGEST_RETRY)
        while not await self._requester.replace(client):
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
            await self._requester.wait_due()
            backoff = Backoff(_FIRST_RETRY, _LONGEST_RETRY)
            while not await self._renewed(client, bootstrap_kubeconfig):
                await self._clock.sleep(jitter(backoff.next_delay(), 0.5))

    async def _renewed(self, client: RestClient, bootstrap_kubeconfig: Path) -> bool:
        if self.is_good():
            return await self._requester.replace(client)
        try:
            config = load_kubeconfig(bootstrap_kubeconfig)  # 2
        except ConfigError as error:
            _log.warning("the client certificate has run out, and %s", error)
            return False
        async with RestClient(config, user_agent="podpass-kubelet") as newcomer:
            return await self._requester.replace(newcomer)
