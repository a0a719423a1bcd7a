"""The discovery document and the keys of the issuer, rendered when the keys change.

Where the configuration does not allow them (an issuer that is not https, say) the server says so
in its log and the paths do not exist. Source: Kubernetes `pkg/routes/openidmetadata.go`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from podpass.serviceaccount.discovery import (
    CONFIGURATION_PATH,
    JWKS_PATH,
    NoDiscovery,
    configuration_document,
    resolve_jwks_uri,
)
from podpass.serviceaccount.trusted_keys import TrustedKeys

_log = logging.getLogger("well-known")


@dataclass(frozen=True, slots=True)
class Document:
    """One document as it is sent.

    Attributes:
        body: The JSON.
        headers: Content-Type, and Cache-Control when it is sent.
    """

    body: bytes
    headers: dict[str, str]


class IssuerDocuments(Mapping[str, Document]):
    """The documents by path, as they are to be sent now; none if they cannot be served.

    If they cannot be rendered after a change of the keys, the former ones stay.
    """

    def __init__(
        self, *, issuer: str, jwks_uri: str, external_address: str, keys: TrustedKeys
    ) -> None:
        """Render the documents for the first time.

        Args:
            issuer: The issuer that signs.
            jwks_uri: Configured URL of the keys, or empty.
            external_address: `host:port` of this server.
            keys: Their published ones are shown.
        """
        self._issuer = issuer
        self._jwks_uri = jwks_uri
        self._external_address = external_address
        self._keys = keys
        self._rendered_keys = keys.published
        self._rendered = self._render()

    def __getitem__(self, path: str) -> Document:
        document = self._current()[path]
        cached = {"Cache-Control": f"public, max-age={self._keys.max_age()}"}
        return Document(document.body, document.headers | cached)

    def __iter__(self) -> Iterator[str]:
        return iter(self._current())

    def __len__(self) -> int:
        return len(self._current())

    def _current(self) -> Mapping[str, Document]:
        if self._keys.published is not self._rendered_keys:
            self._rendered_keys = self._keys.published
            self._rendered = self._render() or self._rendered
        return self._rendered

    def _render(self) -> dict[str, Document]:
        keys = self._rendered_keys
        try:
            uri = resolve_jwks_uri(self._jwks_uri, self._external_address)
            configuration = configuration_document(self._issuer, uri, keys)
        except NoDiscovery as error:
            _log.error("the issuer's discovery documents cannot be rendered: %s", error)
            return {}
        return {
            CONFIGURATION_PATH: Document(configuration, {"Content-Type": "application/json"}),
            JWKS_PATH: Document(keys.to_jwks(), {"Content-Type": "application/jwk-set+json"}),
        }
