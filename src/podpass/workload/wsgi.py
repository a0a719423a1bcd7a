"""WSGI: requests get in with a good token only.

The application finds the Identity in `environ["podpass.identity"]`; the token itself is taken out
of the environment, so that no log of the application can hold it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from podpass.workload.bearer import bearer_token, denial
from podpass.workload.identity import Identity
from podpass.workload.refusal import WorkloadError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

IDENTITY = "podpass.identity"
_HEADER = "HTTP_AUTHORIZATION"


class Verifies(Protocol):
    """Verifier and TokenReviewVerifier."""

    def verify(self, token: str) -> Identity:
        """Return whom the token speaks for."""
        ...


class BearerWSGI:
    """Middleware around an application."""

    def __init__(self, app: WSGIApplication, verifier: Verifies) -> None:
        """Guard `app` with `verifier`."""
        self._app = app
        self._verifier = verifier

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Let a request in, or answer it."""
        shown = [environ[_HEADER]] if _HEADER in environ else []
        try:
            identity = self._verifier.verify(bearer_token(shown))
        except WorkloadError as error:
            answer = denial(error)
            start_response(answer.line, list(answer.headers))
            return [answer.body]
        inner = {name: value for name, value in environ.items() if name != _HEADER}
        return self._app({**inner, IDENTITY: identity}, start_response)
