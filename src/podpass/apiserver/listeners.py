"""Sockets and TLS of the API server.

1. The address that this server advertises is its own: in use means refused.
2. Every other address is shared (SO_REUSEPORT): the API servers of all nodes answer there, the
   kernel spreads the connections.
3. A client certificate is optional; one of another CA ends the handshake.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from podpass.apiserver.settings import ApiServerSettings

BACKLOG = 1024


class ListenError(Exception):
    """An address, a socket path or a certificate cannot be used; the text is one clear line."""


@dataclass(slots=True)
class Listeners:
    """Bound sockets that do not listen yet.

    Attributes:
        own: For this server alone; they come first, so that probes see the start.
        shared: With the other API servers; they come when this one is ready.
    """

    own: list[socket.socket] = field(default_factory=list)
    shared: list[socket.socket] = field(default_factory=list)

    def close(self) -> None:
        """Close all sockets that no server took over."""
        for one in (*self.own, *self.shared):
            one.close()


def tls_context(settings: ApiServerSettings) -> ssl.SSLContext:
    """Return the TLS side of the server (rule 3).

    Raises:
        ListenError: A file is missing or damaged.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Clients of the API keep connections and do not resume sessions: tickets would be waste.
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(settings.tls_certificate_file, settings.tls_private_key_file)
        if settings.client_ca_file is not None:
            context.load_verify_locations(settings.client_ca_file)
            context.verify_mode = ssl.CERT_OPTIONAL
    except OSError as error:
        raise ListenError(
            f"cannot load {settings.tls_certificate_file}, {settings.tls_private_key_file} or "
            f"{settings.client_ca_file}: {error}"
        ) from error
    return context


def bind(settings: ApiServerSettings) -> Listeners:
    """Bind all addresses and the unix socket (rules 1 and 2).

    Raises:
        ListenError: One of them is in use or not allowed.
    """
    listeners = Listeners()
    own_address = settings.advertise_address or settings.bind_addresses[0]
    try:
        for address in settings.bind_addresses:
            shared = address != own_address
            bound = _bind_tcp(address, settings.secure_port, shared=shared)
            (listeners.shared if shared else listeners.own).append(bound)
        if settings.unix_socket is not None:
            listeners.shared.append(_bind_unix(settings.unix_socket))
    except ListenError:
        listeners.close()
        raise
    return listeners


def _bind_tcp(address: str, port: int, *, shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.settimeout(0)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
    except OSError as error:
        bound.close()
        why = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise ListenError(f"cannot listen on {address} port {port}: {why}") from error
    return bound


def _bind_unix(path: Path) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.settimeout(0)
        # What a killed server left behind; a live one is the same node's and is being replaced.
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        bound.bind(str(path))
        path.chmod(0o666)  # TLS and credentials guard it; pods run as any user
    except OSError as error:
        bound.close()
        raise ListenError(f"cannot listen on {path}: {error}") from error
    return bound
