"""The documents with which a recipient checks tokens by itself.

1. The issuer is an https URL without query and fragment; so is the URL of the keys.
2. Without a URL of its own, the key document is announced at the server's external address.
3. There is at least one key; all keys are shown, also those that no longer sign.

Source: OpenID Connect Discovery 1.0, section 3; Kubernetes `pkg/serviceaccount/openidmetadata.go`,
`NewOpenIDMetadataProvider`.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

import orjson

from podpass.jose.key_set import KeySet

CONFIGURATION_PATH = "/.well-known/openid-configuration"
JWKS_PATH = "/openid/v1/jwks"


class NoDiscovery(ValueError):
    """The documents cannot be served with this configuration."""


def _split(url: str, what: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise NoDiscovery(f"{what} is not a URL: {error}") from None


def check_issuer(issuer: str) -> None:
    """Make sure that the issuer can be announced (rule 1).

    Raises:
        NoDiscovery: It cannot.
    """
    if not issuer:
        raise NoDiscovery("empty issuer URL")
    url = _split(issuer, "issuer URL")
    if url.scheme != "https":
        raise NoDiscovery(f"issuer URL must use https scheme, got: {issuer}")
    if "?" in issuer.partition("#")[0]:
        raise NoDiscovery(f"issuer URL may not include a query, got: {issuer}")
    if "#" in issuer:
        raise NoDiscovery(f"issuer URL may not include a fragment, got: {issuer}")


def resolve_jwks_uri(jwks_uri: str, external_address: str) -> str:
    """Return the URL at which the keys are announced (rules 1 and 2).

    Args:
        jwks_uri: The configured URL, or empty.
        external_address: `host` or `host:port` of the server, or empty.

    Raises:
        NoDiscovery: Neither is given, or the URL does not use https.
    """
    if jwks_uri:
        if _split(jwks_uri, "jwksURI").scheme != "https":
            raise NoDiscovery(f"jwksURI requires https scheme, parsed as: {jwks_uri}")
        return jwks_uri
    if not external_address:
        raise NoDiscovery(
            "either the JWKS URI or the default external address, or both, must be set"
        )
    if "/" in external_address:
        raise NoDiscovery(f"external address must be host or host:port, got: {external_address}")
    return f"https://{external_address}{JWKS_PATH}"


def configuration_document(issuer: str, jwks_uri: str, keys: KeySet) -> bytes:
    """Return the discovery document.

    Args:
        issuer: The issuer that signs.
        jwks_uri: From `resolve_jwks_uri`.
        keys: All trusted keys.

    Raises:
        NoDiscovery: The issuer cannot be announced, or there is no key (rules 1 and 3).
    """
    check_issuer(issuer)
    if not len(keys):
        raise NoDiscovery("no keys provided for validating keyset")
    return orjson.dumps(
        {
            "issuer": issuer,
            "jwks_uri": jwks_uri,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": keys.algorithm_names(),
        }
    )
