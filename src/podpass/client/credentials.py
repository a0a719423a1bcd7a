"""What a client shows of itself, read again whenever its files change.

1. Token and certificate files are compared by inode, size and time of change before each use, so a
   rotation (also by the swap of a projected volume's `..data`) is seen at the next request.
2. A file that cannot be read after a first success leaves the former credentials in use.
3. Nothing here is logged but file names.

Source: reference behaviour of client-go, `transport/token_source.go` and `cert_rotation.go`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import ssl
from collections.abc import Iterator
from pathlib import Path

from podpass.client.config import ClientConfig, ConfigError

_log = logging.getLogger("client")

_Stamp = tuple[tuple[int, int, int], ...]


class Credentials:
    """The TLS context and the `Authorization` header of one client."""

    def __init__(self, config: ClientConfig) -> None:
        self._config = config
        self._context: ssl.SSLContext | None = None
        self._context_stamp: _Stamp | None = None
        self._token = config.token.reveal() if config.token else ""
        self._token_stamp: _Stamp | None = None
        self._tls = config.server.startswith("https://")

    def tls_context(self) -> ssl.SSLContext | None:
        """Return the context for new connections; another object after a rotation; None for http.

        Raises:
            ConfigError: The certificates or the key cannot be loaded, and never could.
        """
        if not self._tls:
            return None
        config = self._config
        try:
            stamp = _stamp(config.ca_file, config.client_certificate_file, config.client_key_file)
            if self._context is None or stamp != self._context_stamp:
                self._context = _build_context(config)
                self._context_stamp = stamp
        except (OSError, ValueError) as error:  # SSLError is an OSError
            if self._context is None:
                raise ConfigError(f"cannot load the client's certificates: {error}") from error
            _log.warning("cannot load the new client certificates, keeping the old: %s", error)
        return self._context

    def authorization(self) -> str | None:
        """Return the `Authorization` header, or None for a client without a token.

        Raises:
            ConfigError: The token file is missing or empty, and never was readable.
        """
        path = self._config.token_file
        if path is not None:
            try:
                stamp = _stamp(path)
                if stamp != self._token_stamp:
                    self._token = _read_token(path)
                    self._token_stamp = stamp
            except (OSError, ValueError) as error:
                if not self._token:
                    raise ConfigError(f"cannot read the token file: {error}") from error
                _log.warning("cannot read the token file, keeping the old token: %s", error)
        return f"Bearer {self._token}" if self._token else None


def _stamp(*paths: Path | None) -> _Stamp:
    stats = [path.stat() for path in paths if path is not None]
    return tuple((stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in stats)


def _read_token(path: Path) -> str:
    token = path.read_text().strip()
    if not token:
        raise ValueError(f'read empty token from file "{path}"')
    if not token.isprintable() or " " in token:
        raise ValueError(f'file "{path}" does not hold one token')
    return token


def _build_context(config: ClientConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not config.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif config.ca_data is not None:
        context.load_verify_locations(cadata=config.ca_data.decode())
    elif config.ca_file is not None:
        context.load_verify_locations(cafile=config.ca_file)
    else:
        context.load_default_certs()
    if config.client_certificate_data is not None and config.client_key_data is not None:
        pem = config.client_certificate_data + b"\n" + config.client_key_data.reveal().encode()
        with _memory_file(pem) as name:
            context.load_cert_chain(name)
    elif config.client_certificate_file is not None:
        context.load_cert_chain(config.client_certificate_file, config.client_key_file)
    return context


@contextlib.contextmanager
def _memory_file(content: bytes) -> Iterator[str]:
    """Give OpenSSL, which reads keys only from files, one that is on no disk."""
    descriptor = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, content)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
