"""One HTTPS request with the standard library: no redirects, no proxies, answers of limited size.

Bring your own `Transport` where a proxy is needed. Blocking; asyncio callers use a thread.
"""

from __future__ import annotations

import http.client
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from podpass.workload.discovery import origin
from podpass.workload.refusal import IssuerUnavailable

MAXIMUM_ANSWER = 1024 * 1024
"""Bytes."""
TIMEOUT = 10.0
"""Seconds for each wait of a request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said.

    Attributes:
        status: HTTP status code.
        headers: Names in lower case.
        body: All of it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """Something that can ask a server."""

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Return the answer; IssuerUnavailable if there is none."""
        ...


class HttpsTransport:
    """Asks servers whose certificate chains to a CA file, or to the system's CAs."""

    def __init__(
        self, ca_file: str | os.PathLike[str] | None = None, timeout: float = TIMEOUT
    ) -> None:
        """Prepare; nothing is read or opened yet.

        Args:
            ca_file: PEM bundle, read again when it changes; None for the system's.
            timeout: Seconds.
        """
        self._ca_file = None if ca_file is None else Path(ca_file)
        self._timeout = timeout
        self._kept: tuple[object, ssl.SSLContext] | None = None

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Ask.

        Raises:
            IssuerUnavailable: No connection, no answer, too large an answer, or a URL that may not
                be asked.
        """
        try:
            scheme, host, port = origin(url)
            connection = (
                http.client.HTTPSConnection(
                    host, port, timeout=self._timeout, context=self._context()
                )
                if scheme == "https"
                else http.client.HTTPConnection(host, port, timeout=self._timeout)
            )
            try:
                return _ask(connection, method, url, headers, body)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:  # SSLError is an OSError
            raise IssuerUnavailable(f"cannot ask {url}: {_words(error)}") from error

    def _context(self) -> ssl.SSLContext:
        stamp = None
        if self._ca_file is not None:
            status = self._ca_file.stat()
            stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        kept = self._kept
        if kept is not None and kept[0] == stamp:
            return kept[1]
        context = ssl.create_default_context(cafile=self._ca_file)
        self._kept = (stamp, context)
        return context


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | None,
) -> Answer:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request(method, target, body, dict(headers))
    response = connection.getresponse()
    content = response.read(MAXIMUM_ANSWER + 1)
    if len(content) > MAXIMUM_ANSWER:
        raise ValueError(f"the answer has more than {MAXIMUM_ANSWER} bytes")
    return Answer(
        response.status, {name.lower(): value for name, value in response.getheaders()}, content
    )


def _words(error: Exception) -> str:
    """Return the reason without bytes that the server sent."""
    if isinstance(error, http.client.HTTPException):
        return f"the answer is not HTTP ({type(error).__name__})"
    return str(getattr(error, "strerror", "") or error)
