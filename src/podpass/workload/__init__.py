"""For those who hold a bound service account token, and for those who accept one.

Works with any Kubernetes cluster and uses no other part of podpass but `jose` and `base`. Importing
it is cheap: every name below is loaded on first use, the adapters for HTTP clients only from their
own modules (`httpx_auth`, `requests_auth`, `aiohttp_middleware`, `grpc_credentials`).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podpass.workload.api_server import ApiServer
    from podpass.workload.asgi import BearerASGI
    from podpass.workload.identity import Identity, ObjectRef
    from podpass.workload.key_cache import CacheRules
    from podpass.workload.key_source import ClusterKeys, FixedKeys, IssuerKeys
    from podpass.workload.refusal import (
        IssuerUnavailable,
        Reason,
        TokenRefused,
        TokenUnreadable,
        WorkloadError,
    )
    from podpass.workload.review_verifier import AsyncTokenReviewVerifier, TokenReviewVerifier
    from podpass.workload.token_file import TokenFile
    from podpass.workload.verifier import AsyncVerifier, Verifier
    from podpass.workload.wsgi import BearerWSGI

_HOME = {
    "ApiServer": "api_server",
    "AsyncTokenReviewVerifier": "review_verifier",
    "AsyncVerifier": "verifier",
    "BearerASGI": "asgi",
    "BearerWSGI": "wsgi",
    "CacheRules": "key_cache",
    "ClusterKeys": "key_source",
    "FixedKeys": "key_source",
    "Identity": "identity",
    "IssuerKeys": "key_source",
    "IssuerUnavailable": "refusal",
    "ObjectRef": "identity",
    "Reason": "refusal",
    "TokenFile": "token_file",
    "TokenRefused": "refusal",
    "TokenReviewVerifier": "review_verifier",
    "TokenUnreadable": "refusal",
    "Verifier": "verifier",
    "WorkloadError": "refusal",
}
"""Name to the module that defines it."""

__all__ = [
    "ApiServer",
    "AsyncTokenReviewVerifier",
    "AsyncVerifier",
    "BearerASGI",
    "BearerWSGI",
    "CacheRules",
    "ClusterKeys",
    "FixedKeys",
    "Identity",
    "IssuerKeys",
    "IssuerUnavailable",
    "ObjectRef",
    "Reason",
    "TokenFile",
    "TokenRefused",
    "TokenReviewVerifier",
    "TokenUnreadable",
    "Verifier",
    "WorkloadError",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
