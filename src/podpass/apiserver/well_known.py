"""The discovery document and the keys of the issuer, rendered once.

Where the configuration does not allow them (an issuer that is not https, say) the server says so
in its log and the paths do not exist. Source: Kubernetes `pkg/routes/openidmetadata.go`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from podpass.jose.key_set import KeySet
from podpass.serviceaccount.discovery import (
    CONFIGURATION_PATH,
    JWKS_PATH,
    NoDiscovery,
    configuration_document,
    resolve_jwks_uri,
)

CACHE_CONTROL = "public, max-age=3600"

_log = logging.getLogger("well-known")


@dataclass(frozen=True, slots=True)
class Document:
    """One document as it is sent.

    Attributes:
        body: The JSON.
        headers: Content-Type and Cache-Control.
    """

    body: bytes
    headers: dict[str, str]


def render_documents(
    *, issuer: str, jwks_uri: str, external_address: str, keys: KeySet
) -> dict[str, Document]:
    """Return the documents by path, none if they cannot be served.

    Args:
        issuer: The issuer that signs.
        jwks_uri: Configured URL of the keys, or empty.
        external_address: `host:port` of this server.
        keys: All trusted keys.
    """
    try:
        uri = resolve_jwks_uri(jwks_uri, external_address)
        configuration = configuration_document(issuer, uri, keys)
    except NoDiscovery as error:
        _log.error("the issuer's discovery documents are not served: %s", error)
        return {}
    cached = {"Cache-Control": CACHE_CONTROL}
    return {
        CONFIGURATION_PATH: Document(configuration, {"Content-Type": "application/json", **cached}),
        JWKS_PATH: Document(keys.to_jwks(), {"Content-Type": "application/jwk-set+json", **cached}),
    }
