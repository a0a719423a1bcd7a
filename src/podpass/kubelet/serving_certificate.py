"""Gets the kubelet the certificate that its HTTPS server shows, and renews it.

1. It is asked for in the name of the node and for the addresses that the Node object reports.
   The certificate that is there is used at once, if it is for these.
2. Until there is one no handshake succeeds; the node is Ready all the same.
3. A new one is loaded into the server's TLS context: handshakes from then on show it, connections
   that are open go on with what they began with.

Source: kubernetes.io "TLS bootstrapping", `serverTLSBootstrap` of the KubeletConfiguration.
"""

from __future__ import annotations

import logging
import ssl
from functools import partial

from podpass.api.certificate_requests import KUBELET_SERVING
from podpass.base.clock import Clock
from podpass.base.tasks import Backoff, jitter
from podpass.client.rest import RestClient
from podpass.kubelet.certificate_file import CertificateFile, new_key
from podpass.kubelet.certificate_request import CertificateRequester

FILE_NAME = "kubelet-server-current.pem"
_FIRST_RETRY, _LONGEST_RETRY = 1.0, 32.0
"""Seconds; a try that was denied leaves a request behind."""

_log = logging.getLogger("kubelet.certificate")


class ServingCertificate:
    """Keeps the serving certificate of one node in its file and in a TLS context."""

    def __init__(
        self,
        node_name: str,
        addresses: tuple[str, ...],
        file: CertificateFile,
        context: ssl.SSLContext,
        clock: Clock,
    ) -> None:
        """Load the certificate that is there, if it fits.

        Args:
            node_name: Name of the Node object, also a DNS name of the certificate.
            addresses: IP addresses that the Node object reports.
            file: With certificate and key.
            context: Of the server.
            clock: The time.
        """
        self._names = frozenset({node_name, *addresses})
        self._file = file
        self._context = context
        self._clock = clock
        self._requester = CertificateRequester(
            kind="serving",
            signer=KUBELET_SERVING,
            usage="server auth",
            make_key=partial(new_key, node_name, serves=(node_name, *addresses)),
            file=file,
            clock=clock,
        )
        if self._fits():
            self._load()

    def _fits(self) -> bool:
        return self._file.names() == self._names

    def _load(self) -> None:
        self._context.load_cert_chain(self._file.path)

    async def rotate(self, client: RestClient) -> None:
        """Get a first certificate if there is none, and renew it in time, until cancelled.

        Args:
            client: Logs in as the node.
        """
        if not self._fits():
            await self._obtain(client)
        while True:
            await self._requester.wait_due()
            await self._obtain(client)

    async def _obtain(self, client: RestClient) -> None:
        backoff = Backoff(_FIRST_RETRY, _LONGEST_RETRY)
        while not await self._replaced(client):
            await self._clock.sleep(jitter(backoff.next_delay(), 0.5))
        self._load()

    async def _replaced(self, client: RestClient) -> bool:
        try:
            return await self._requester.replace(client)
        except OSError as error:
            _log.warning("the new serving certificate cannot be kept: %s", error)
            return False
