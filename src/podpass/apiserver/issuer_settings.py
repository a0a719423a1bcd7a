"""What of the issuer's settings cannot be, and what is only odd; told before the server starts.

1. An issuer is not empty, stands once, and is a URL if there is a colon in it.
2. The URL of the keys uses https.
3. A maximum below the lifetime that is extended to, or that triggers it, is odd.

Source: Kubernetes `pkg/kubeapiserver/options/authentication.go`, `Validate`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from podpass.apiserver.settings import ApiServerSettings
from podpass.serviceaccount.issuance import EXTENDED_EXPIRATION_SECONDS, WARN_AFTER_SECONDS

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_NOT_IN_URLS = re.compile(r"[\x00-\x20\x7f]|%(?![0-9A-Fa-f]{2})")


def problems(settings: ApiServerSettings) -> list[str]:
    """Return why a server with these settings cannot be, in words (rules 1 and 2)."""
    return [
        *_issuer_problems(settings.service_account_issuers),
        *_jwks_problems(settings.service_account_jwks_uri),
    ]


def oddities(settings: ApiServerSettings) -> list[str]:
    """Return what should be warned of (rule 3)."""
    maximum = settings.service_account_max_token_expiration
    if not maximum or not settings.service_account_extend_token_expiration:
        return []
    seconds = int(maximum.total_seconds())
    if seconds < WARN_AFTER_SECONDS:
        text = (
            "service-account-extend-token-expiration is true, but nothing is extended: "
            f"service-account-max-token-expiration cuts to {seconds} seconds, which is less than "
            f"{WARN_AFTER_SECONDS}"
        )
        return [text]
    if seconds < EXTENDED_EXPIRATION_SECONDS:
        text = (
            "service-account-extend-token-expiration is true: tokens of pods live "
            f"{EXTENDED_EXPIRATION_SECONDS} seconds, longer than "
            f"service-account-max-token-expiration, which is {seconds}"
        )
        return [text]
    return []


def _issuer_problems(issuers: Sequence[str]) -> Iterator[str]:
    for index, issuer in enumerate(issuers):
        if not issuer:
            yield "service-account-issuer should not be an empty string"
        elif issuer in issuers[:index]:
            yield f'service-account-issuer "{issuer}" is already specified'
        elif ":" in issuer and not _is_url(issuer):
            yield f"service-account-issuer \"{issuer}\" contained a ':' but was not a valid URL"


def _jwks_problems(uri: str) -> Iterator[str]:
    if not uri:
        return
    if not _is_url(uri):
        yield f"service-account-jwks-uri must be a valid URL: {uri}"
    elif urlsplit(uri).scheme != "https":
        yield f"service-account-jwks-uri requires https scheme, parsed as: {uri}"


def _is_url(text: str) -> bool:
    if _NOT_IN_URLS.search(text) or not _SCHEME.match(text):
        return False
    try:
        _ = urlsplit(text).port  # reading it checks it
    except ValueError:
        return False
    return True
