"""The kubelet's HTTPS server as a part of the kubelet: loaded late, with a certificate of its own.

The certificate is in files that were given, or the kubelet asks for it (`serving_certificate`).
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from podpass.base.lazy_server import serve_on_demand, server_context
from podpass.client.rest import RestClient
from podpass.kubelet.node_services import NodeServices
from podpass.kubelet.pod_manager import PodManager

if TYPE_CHECKING:
    from aiohttp.web import AppRunner

    from podpass.kubelet.serving_certificate import ServingCertificate


class NodeServer:
    """Serves logs and commands of one node's containers."""

    def __init__(self, listener: socket.socket, services: NodeServices, pods: PodManager) -> None:
        """Prepare; nothing is served yet.

        Raises:
            ValueError: The settings name no certificate or no client CA.
            OSError: The client CA is missing.
            ssl.SSLError: A file is damaged.
        """
        settings = services.settings
        own = settings.tls_cert_file is not None and settings.tls_private_key_file is not None
        if settings.client_ca_file is None or own == settings.rotate_server_certificates:
            raise ValueError("the server needs a client CA, and one certificate with its key")
        self._listener = listener
        self._services = services
        self._pods = pods
        self._runner: AppRunner | None = None
        self._context: ssl.SSLContext | None = None
        self._certificate: ServingCertificate | None = None
        if settings.rotate_server_certificates:
            self._context = server_context(settings.client_ca_file)
            self._certificate = self._own_certificate(self._context)

    def _own_certificate(self, context: ssl.SSLContext) -> ServingCertificate:
        from podpass.kubelet.certificate_file import CertificateFile  # noqa: PLC0415 - see app
        from podpass.kubelet.serving_certificate import (  # noqa: PLC0415
            FILE_NAME,
            ServingCertificate,
        )

        settings = self._services.settings
        file = CertificateFile(settings.certificate_directory.absolute() / FILE_NAME)
        return ServingCertificate(
            settings.node_name, (settings.node_ip,), file, context, self._services.clock
        )

    async def run(self) -> None:
        """Wait for the first caller, then serve; returns once it serves."""
        await serve_on_demand(self._listener, self._serve)

    async def rotate(self, client: RestClient) -> None:
        """Keep the certificate fresh until cancelled, if it is the kubelet's to ask for."""
        if self._certificate is not None:
            await self._certificate.rotate(client)

    async def close(self) -> None:
        """End the server."""
        if self._runner is not None:
            await self._runner.cleanup()
        self._listener.close()

    async def _serve(self, listener: socket.socket) -> None:
        """Load the server, now that somebody asks."""
        from aiohttp import web  # noqa: PLC0415 - see lazy_server

        from podpass.kubelet.pod_finder import PodFinder  # noqa: PLC0415
        from podpass.kubelet.server import KubeletServer  # noqa: PLC0415

        services = self._services
        finder = PodFinder(self._pods, services.cache)
        metrics = services.metrics
        metrics.show_process()
        metrics.show_pods(services.cache)
        server = KubeletServer(finder, services.runtime, services.clock, metrics.registry)
        self._runner = web.AppRunner(server.app(), access_log=None)
        await self._runner.setup()
        context = self._context or self._given_context()
        await web.SockSite(self._runner, listener, ssl_context=context).start()

    def _given_context(self) -> ssl.SSLContext:
        settings = self._services.settings
        assert settings.client_ca_file is not None  # noqa: S101 - see __init__
        assert settings.tls_cert_file is not None  # noqa: S101
        context = server_context(settings.client_ca_file)
        context.load_cert_chain(settings.tls_cert_file, settings.tls_private_key_file)
        return context
