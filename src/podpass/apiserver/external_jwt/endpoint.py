"""`--service-account-signing-endpoint`: where the signer listens.

1. A path of a unix socket, relative or absolute.
2. `@name` is an abstract socket of Linux; the name is of `[A-Za-z0-9_-]`, in parts with single
   dots between them.

Source: Kubernetes `pkg/kubeapiserver/options/authentication.go`.
"""

from __future__ import annotations

import re

from podpass.apiserver.external_jwt.failures import SignerUnusable

_ABSTRACT = re.compile(r"@[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_MAX_SOCKET_PATH = 107
"""Bytes that Linux has for the name of a unix socket."""


def grpc_target(endpoint: str) -> str:
    """Return the endpoint as gRPC names it.

    Raises:
        SignerUnusable: It is no name for a socket.
    """
    if not endpoint or "\0" in endpoint:
        raise SignerUnusable("service-account-signing-endpoint names no socket")
    if len(endpoint.encode()) > _MAX_SOCKET_PATH:
        raise SignerUnusable(
            f"service-account-signing-endpoint is longer than {_MAX_SOCKET_PATH} bytes, which is "
            "all that a unix socket can have"
        )
    if endpoint.startswith("@"):
        if not _ABSTRACT.fullmatch(endpoint):
            raise SignerUnusable(
                f'service-account-signing-endpoint "{endpoint}" is no abstract socket: after @ '
                "come letters, digits, - and _, with single dots between"
            )
        return f"unix-abstract:{endpoint[1:]}"
    return f"unix:{endpoint}"
