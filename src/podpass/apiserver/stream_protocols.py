"""Websocket subprotocols: what a client offers, and the bearer token that may hide among them.

A browser cannot set headers, so Kubernetes reads a token from the subprotocol
`base64url.bearer.authorization.k8s.io.TOKEN`; another one must be offered beside it.
Source: apiserver `authentication/request/websocket`.
"""

from __future__ import annotations

import base64
import binascii

from podpass.api import errors
from podpass.apiserver.plain_request import HttpRequest

BEARER_PROTOCOL_PREFIX = "base64url.bearer.authorization.k8s.io."


def offered_protocols(request: HttpRequest) -> list[str]:
    """Return the subprotocols that the client offers, in its order."""
    header = ",".join(request.headers.getall("Sec-WebSocket-Protocol", ()))
    return [one for part in header.split(",") if (one := part.strip())]


def bearer_from_protocols(request: HttpRequest) -> str | None:
    """Return an `Authorization` value made from the subprotocols, or None if there is no token.

    Raises:
        StatusError: 401, the token cannot be decoded or stands alone.
    """
    if "Sec-WebSocket-Protocol" not in request.headers:
        return None
    protocols = offered_protocols(request)
    tokens = [one for one in protocols if one.startswith(BEARER_PROTOCOL_PREFIX)]
    if not tokens:
        return None
    encoded = tokens[0].removeprefix(BEARER_PROTOCOL_PREFIX)
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        token = raw.decode()
    except (binascii.Error, ValueError) as error:
        raise errors.unauthorized() from error
    if len(tokens) != 1 or len(protocols) == 1:
        raise errors.unauthorized()
    return f"Bearer {token}"
