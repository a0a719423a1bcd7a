"""A real API server on a free loopback port, with its own CA, for tests.

The same code as `podpass apiserver`, over a store of the test's choice. Keys are made anew each
time and live in the directory that the test gives.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp

from podpass.apiserver.app import ApiServer, build_app
from podpass.apiserver.listeners import bind
from podpass.apiserver.settings import ApiServerSettings
from podpass.base.clock import Clock, SystemClock
from podpass.bootstrap.certificates import (
    Authority,
    ensure_authority,
    ensure_certificate,
    ensure_signing_key,
)
from podpass.storage.interface import Store

ISSUER = "https://kubernetes.default.svc"


@dataclass(frozen=True, slots=True)
class TestPki:
    """The certificates of one test cluster.

    Attributes:
        directory: Where the files are.
        authority: The CA.
    """

    __test__ = False  # not a test class, whatever pytest thinks of its name

    directory: Path
    authority: Authority

    @classmethod
    def make(cls, directory: Path, *, algorithm: str = "ES256") -> TestPki:
        """Make a CA, the server's certificate and an administrator's.

        Args:
            directory: Where the files go; made if missing.
            algorithm: Of the service account key; ES256 is made faster than RS256.
        """
        directory.mkdir(parents=True, exist_ok=True)
        now = SystemClock().now()
        pki = cls(directory, ensure_authority(directory, now=now))
        ensure_certificate(
            pki.authority,
            directory,
            "apiserver",
            "kube-apiserver",
            now=now,
            addresses=["127.0.0.1"],
            names=["localhost"],
        )
        ensure_signing_key(directory, algorithm)
        pki.client("admin", organizations=["system:masters"])
        return pki

    def client(self, name: str, *, organizations: Sequence[str] = ()) -> tuple[Path, Path]:
        """Return certificate and key of a user, made on first use."""
        stem = name.replace(":", "_")
        ensure_certificate(
            self.authority,
            self.directory,
            stem,
            name,
            now=SystemClock().now(),
            organizations=organizations,
        )
        return self.directory / f"{stem}.crt", self.directory / f"{stem}.key"

    def client_context(
        self, name: str = "", *, organizations: Sequence[str] = ()
    ) -> ssl.SSLContext:
        """Return the TLS side of a client, with a certificate if a name is given."""
        context = ssl.create_default_context(cafile=str(self.directory / "ca.crt"))
        if name:
            context.load_cert_chain(*self.client(name, organizations=organizations))
        return context

    def settings(self, *, port: int = 0) -> ApiServerSettings:
        """Return settings of a server that uses these files."""
        directory = self.directory
        return ApiServerSettings(
            secure_port=port,
            tls_certificate_file=directory / "apiserver.crt",
            tls_private_key_file=directory / "apiserver.key",
            client_ca_file=directory / "ca.crt",
            kubelet_client_certificate=directory / "admin.crt",
            kubelet_client_key=directory / "admin.key",
            kubelet_certificate_authority=directory / "ca.crt",
            service_account_issuers=(ISSUER,),
            service_account_signing_key_file=directory / "sa.key",
            service_account_key_files=(directory / "sa.pub",),
        )


@dataclass(frozen=True, slots=True)
class RunningApiServer:
    """A server that answers.

    Attributes:
        server: The server.
        url: Where it is.
        pki: Its certificates.
    """

    server: ApiServer
    url: str
    pki: TestPki

    def session(
        self, name: str = "", *, organizations: Sequence[str] = (), token: str = ""
    ) -> aiohttp.ClientSession:
        """Return an HTTP session: of a user with a certificate, a bearer token, or nobody."""
        context = self.pki.client_context(name, organizations=organizations)
        return aiohttp.ClientSession(
            self.url,
            connector=aiohttp.TCPConnector(ssl=context),
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )

    def admin(self) -> aiohttp.ClientSession:
        """Return a session of the administrator."""
        return self.session("admin", organizations=["system:masters"])


@asynccontextmanager
async def running_api_server(
    store: Store,
    pki: TestPki,
    *,
    settings: ApiServerSettings | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[RunningApiServer]:
    """Start a server on a free port, and stop it."""
    chosen = settings or pki.settings()
    listeners = bind(chosen)
    port = listeners.own[0].getsockname()[1]
    try:
        server = await build_app(replace(chosen, secure_port=port), store, clock or SystemClock())
    except BaseException:
        listeners.close()
        raise
    try:
        await server.start(listeners)
        yield RunningApiServer(server, f"https://127.0.0.1:{port}", pki)
    finally:
        await server.stop()
        listeners.close()
        server.failed.cancel()
