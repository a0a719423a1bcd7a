"""An issuer of tokens that publishes its keys, as a `Transport` that tests can take away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from podpass.jose import base64url, jws
from podpass.jose.keys import ES256, SigningKey, generate_signing_key
from podpass.testing.fake_clock import START
from podpass.workload.refusal import IssuerUnavailable
from podpass.workload.transport import Answer

ISSUER = "https://issuer.example"
AUDIENCE = "vault"
LIFE = 3600
"""Seconds."""


def bound_claims(now: datetime = START, **changes: Any) -> dict[str, Any]:
    """Return the claims of a good token of the pod app-0; a change to None takes one away."""
    at = int(now.timestamp())
    claims = {
        "aud": [AUDIENCE],
        "exp": at + LIFE,
        "iat": at,
        "iss": ISSUER,
        "jti": "7f1b",
        "kubernetes.io": {
            "namespace": "shop",
            "node": {"name": "n1", "uid": "N"},
            "pod": {"name": "app-0", "uid": "P"},
            "serviceaccount": {"name": "app", "uid": "S"},
        },
        "nbf": at,
        "sub": "system:serviceaccount:shop:app",
    } | changes
    return {name: value for name, value in claims.items() if value is not None}


def encoded(value: object) -> str:
    """Return JSON, or bytes as they are, as a part of a token."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64url.encode(data)


def signed(
    claims: object, key: SigningKey, *, header: Mapping[str, Any] | bytes | None = None
) -> str:
    """Return a token with any header and any claims, its signature right.

    Args:
        claims: An object, or the bytes of the second part.
        key: Who signs.
        header: An object or bytes; by default the one of an API server.
    """
    if header is None:
        header = {"alg": key.public.algorithm.name, "kid": key.public.key_id}
    first = encoded(header if isinstance(header, bytes) else dict(header))
    second = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return jws.sign(second, key, header=first)


class FakeIssuer:
    """Signs, and answers for discovery and keys.

    Attributes:
        keys: What the key document lists; the first one signs.
        headers: Of every answer.
        requests: The URLs that were asked for.
        shown: The `Authorization` header of each request, empty if there was none.
        away: Why there is no answer, or empty.
        issuer: What the discovery document names.
    """

    def __init__(self, *keys: SigningKey, issuer: str = ISSUER) -> None:
        """Publish `keys`, or a new one."""
        self.keys = list(keys) or [generate_signing_key(ES256)]
        self.headers: dict[str, str] = {"cache-control": "public, max-age=3600"}
        self.requests: list[str] = []
        self.shown: list[str] = []
        self.away = ""
        self.issuer = issuer

    def token(self, now: datetime = START, **changes: Any) -> str:
        """Return a token of `bound_claims`."""
        return signed(bound_claims(now, **changes), self.keys[0])

    def jwks(self) -> bytes:
        return json.dumps({"keys": [key.public.to_jwk() for key in self.keys]}).encode()

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        del method, body
        self.requests.append(url)
        self.shown.append(headers.get("Authorization", ""))
        if self.away:
            raise IssuerUnavailable(self.away)
        if url.endswith("/.well-known/openid-configuration"):
            document = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/openid/v1/jwks"}
            return Answer(200, self.headers, json.dumps(document).encode())
        return Answer(200, self.headers, self.jwks())
