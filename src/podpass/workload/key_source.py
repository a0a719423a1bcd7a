"""Where issuers and keys come from: an issuer's public documents, the cluster itself, or a file.

1. Only the API server sees our own token, never the host that a discovery document points to.
2. In a cluster, keys come from the API server's own path: the `jwks_uri` of the document is for
   recipients outside and need not be reachable, or be the same host.
3. Only the first issuer has discovery documents; further ones are accepted beside it while it takes
   over from them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from podpass.workload.api_server import ApiServer
from podpass.workload.cache_control import fresh_seconds
from podpass.workload.check import Trust
from podpass.workload.discovery import (
    CONFIGURATION_PATH,
    JWKS_PATH,
    check_configuration,
    configuration_url,
    origin,
    read_configuration,
)
from podpass.workload.refusal import IssuerUnavailable
from podpass.workload.transport import Answer, HttpsTransport, Transport
from podpass.workload.trusted_keys import read_jwks

_OK = 200
_ACCEPT = {"Accept": "application/json, application/jwk-set+json"}


class Loaded(NamedTuple):
    """What a source says now, and for how many seconds; None where it does not say."""

    trust: Trust
    fresh_seconds: float | None


class KeySource(Protocol):
    """Something that can be asked for issuers and keys."""

    @property
    def issuers(self) -> frozenset[str] | None:
        """The accepted issuers, or None where the source learns them."""
        ...

    def load(self) -> Loaded:
        """Ask; IssuerUnavailable or TokenUnreadable if there is no answer. May block."""
        ...


class FixedKeys:
    """Keys that somebody else keeps up to date, for example in a file."""

    def __init__(self, jwks: bytes, *, issuer: str | Sequence[str]) -> None:
        """Read the document.

        Args:
            jwks: A JWKS document.
            issuer: Accepted issuers.

        Raises:
            IssuerUnavailable: No key of the document can be used.
            ValueError: No issuer, or an empty one.
        """
        self.issuers = _issuers(issuer)
        self._keys = read_jwks(jwks)

    def load(self) -> Loaded:
        return Loaded(Trust(self.issuers, self._keys), None)


class IssuerKeys:
    """Keys that an issuer publishes at its URL, for recipients anywhere."""

    def __init__(
        self,
        issuer: str | Sequence[str],
        *,
        jwks_uri: str = "",
        ca_file: str | os.PathLike[str] | None = None,
        transport: Transport | None = None,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            issuer: Its URL; further ones are accepted, too (rule 3).
            jwks_uri: Where the keys are, to go without the discovery document.
            ca_file: PEM bundle; by default the system's CAs.
            transport: Instead of HTTPS over `ca_file`.

        Raises:
            ValueError: No issuer, or a URL that is not https.
        """
        self.issuers = _issuers(issuer)
        self._first = issuer if isinstance(issuer, str) else issuer[0]
        origin(jwks_uri or self._first)
        self._jwks_uri = jwks_uri
        self._ask = transport or HttpsTransport(ca_file)

    def load(self) -> Loaded:
        """Ask the issuer.

        Raises:
            IssuerUnavailable: It does not answer, or not as it should.
        """
        spans = []
        jwks_uri = self._jwks_uri
        if not jwks_uri:
            url = configuration_url(self._first)
            answer = _content(self._ask("GET", url, _ACCEPT), url)
            jwks_uri = check_configuration(answer.body, self._first)
            spans.append(fresh_seconds(answer.headers))
        answer = _content(self._ask("GET", jwks_uri, _ACCEPT), jwks_uri)
        spans.append(fresh_seconds(answer.headers))
        return Loaded(Trust(self.issuers, read_jwks(answer.body)), _shortest(spans))


class ClusterKeys:
    """Keys of the cluster whose API server can be asked."""

    def __init__(self, api_server: ApiServer, *, issuer: str | Sequence[str] | None = None) -> None:
        """Prepare; nothing is asked yet.

        Args:
            api_server: Usually `ApiServer.in_cluster()`; its account may read the discovery paths,
                as all service accounts may by default.
            issuer: Accepted issuers; None takes the one that the API server announces.

        Raises:
            ValueError: An empty list of issuers, or an empty one.
        """
        self.issuers = None if issuer is None else _issuers(issuer)
        self._api_server = api_server

    def load(self) -> Loaded:
        """Ask the API server (rule 2).

        Raises:
            IssuerUnavailable: It does not answer, or not as it should.
            TokenUnreadable: There is no token to show.
        """
        spans = []
        issuers = self.issuers
        if issuers is None:
            answer = self._get(CONFIGURATION_PATH)
            issuers = frozenset([read_configuration(answer.body)[0]])
            spans.append(fresh_seconds(answer.headers))
        answer = self._get(JWKS_PATH)
        spans.append(fresh_seconds(answer.headers))
        return Loaded(Trust(issuers, read_jwks(answer.body)), _shortest(spans))

    def _get(self, path: str) -> Answer:
        return _content(self._api_server.request("GET", path), self._api_server.url + path)


def _issuers(issuer: str | Sequence[str]) -> frozenset[str]:
    issuers = frozenset([issuer] if isinstance(issuer, str) else issuer)
    if not issuers or "" in issuers:
        raise ValueError("an issuer is needed, as tokens name it in iss")
    return issuers


def _content(answer: Answer, url: str) -> Answer:
    if answer.status != _OK:
        raise IssuerUnavailable(f"{url} answered {answer.status}")
    return answer


def _shortest(spans: list[float | None]) -> float | None:
    known = [span for span in spans if span is not None]
    return min(known) if known else None
