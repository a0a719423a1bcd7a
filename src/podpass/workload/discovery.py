"""The discovery document of an issuer, and which URLs may be asked.

1. The document names exactly the issuer that was asked for (OpenID Connect Discovery 1.0, 4.3).
2. Keys come over https; plain http is for loopback only.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from podpass.workload.refusal import IssuerUnavailable
from podpass.workload.strict_json import NotStrictJSON, read_object

CONFIGURATION_PATH = "/.well-known/openid-configuration"
JWKS_PATH = "/openid/v1/jwks"


def configuration_url(issuer: str) -> str:
    """Return where an issuer publishes its discovery document."""
    return issuer.rstrip("/") + CONFIGURATION_PATH


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a URL that may be asked (rule 2).

    Raises:
        ValueError: It may not.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("not a URL") from None
    host = parts.hostname or ""
    if not host or parts.username is not None:
        raise ValueError("not a URL of a host")
    if parts.scheme == "https":
        return "https", host, 443 if port is None else port
    if parts.scheme == "http" and _is_loopback(host):
        return "http", host, 80 if port is None else port
    raise ValueError("not an https URL")


def read_configuration(document: bytes) -> tuple[str, str]:
    """Return issuer and key URL of a discovery document.

    Raises:
        IssuerUnavailable: It is no such document.
    """
    try:
        members = read_object(document)
    except NotStrictJSON as error:
        raise IssuerUnavailable(f"the discovery document {error}") from None
    issuer, jwks_uri = members.get("issuer"), members.get("jwks_uri")
    if not isinstance(issuer, str) or not issuer or not isinstance(jwks_uri, str):
        raise IssuerUnavailable("the discovery document lacks issuer or jwks_uri")
    try:
        origin(jwks_uri)
    except ValueError as error:
        raise IssuerUnavailable(f"the jwks_uri of the discovery document is {error}") from None
    return issuer, jwks_uri


def check_configuration(document: bytes, issuer: str) -> str:
    """Return the key URL of the discovery document of `issuer` (rule 1).

    Raises:
        IssuerUnavailable: It is no such document, or another issuer's.
    """
    named, jwks_uri = read_configuration(document)
    if named != issuer:
        raise IssuerUnavailable(
            f"the discovery document is of the issuer {named!r}, not of {issuer!r}"
        )
    return jwks_uri


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
