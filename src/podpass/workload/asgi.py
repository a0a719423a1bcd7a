"""ASGI: requests and websockets get in with a good token only.

The application finds the Identity in `scope["podpass.identity"]`; the token itself is taken out of
the headers, so that no log of the application can hold it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from podpass.workload.bearer import Denial, bearer_token, denial
from podpass.workload.identity import Identity
from podpass.workload.refusal import WorkloadError

IDENTITY = "podpass.identity"
_HEADER = b"authorization"
_POLICY_VIOLATION = 1008

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class AsyncVerifies(Protocol):
    """AsyncVerifier and AsyncTokenReviewVerifier."""

    async def verify(self, token: str) -> Identity:
        """Return whom the token speaks for."""
        ...


class BearerASGI:
    """Middleware around an application."""

    def __init__(self, app: App, verifier: AsyncVerifies) -> None:
        """Guard `app` with `verifier`."""
        self._app = app
        self._verifier = verifier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name.lower() != _HEADER]
        shown = [
            value.decode("latin-1") for name, value in scope["headers"] if name.lower() == _HEADER
        ]
        try:
            identity = await self._verifier.verify(bearer_token(shown))
        except WorkloadError as error:
            await _deny(scope, denial(error), receive, send)
            return
        await self._app({**scope, "headers": headers, IDENTITY: identity}, receive, send)


async def _deny(scope: Scope, answer: Denial, receive: Receive, send: Send) -> None:
    kind = "http.response"
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        kind = "websocket.http.response"
        if kind not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
    headers = [(name.lower().encode(), value.encode()) for name, value in answer.headers]
    await send({"type": f"{kind}.start", "status": answer.status, "headers": headers})
    await send({"type": f"{kind}.body", "body": answer.body})
