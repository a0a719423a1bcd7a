"""HTTP as it comes over the wire: what is no request gets a `Status` and its connection goes.

1. A request line or a header that is too long is 414 and 431, everything else that cannot be
   parsed 400. Nothing of it is repeated, in the answer or in the log: it may hold a token.
2. Text that is not UTF-8, in the request line or a header, is 400 before anybody works with it.
3. Bodies are taken as they are; a compressed one is not unpacked.
4. What is left of a body that nobody wanted is read for a moment only, so that the answer reaches
   a client that is still sending; of a large one nothing more is read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from aiohttp import http_exceptions, web

from podpass.api.errors import StatusError, bad_request
from podpass.apiserver.responses import status_response

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

MAX_LINE_BYTES: Final = 32 * 1024
MAX_HEADER_BYTES: Final = 64 * 1024
LINGER_SECONDS: Final = 0.5
LINGER_BYTES: Final = 256 * 1024
"""The largest body that is read to its end though nobody wanted it."""

_GIVEN_UP: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})

_log = logging.getLogger("apiserver")


class StatusServer(web.Server):
    """Makes the protocol of each connection.

    Args:
        handler: Answers every request; raises nothing but cancellation.
        idle_seconds: How long a connection may wait for its next request, headers included.
    """

    def __init__(self, handler: Handler, *, idle_seconds: float) -> None:
        # A watch that nobody reads must end with its connection.
        super().__init__(_guarded(handler), handler_cancellation=True)
        self._idle_seconds = idle_seconds

    def __call__(self) -> web.RequestHandler:
        return _Protocol(
            self,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=self._idle_seconds,
            access_log=None,  # type: ignore[arg-type]  # the stubs forget that it may be off
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            lingering_time=LINGER_SECONDS,
            auto_decompress=False,
        )


def _guarded(handler: Handler) -> Handler:
    """Return `handler` behind rule 2 and before rule 4."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        for text in (request.raw_path, *request.headers.values()):
            if not text.isascii() and not _is_text(text):
                refused = status_response(bad_request("the request is not UTF-8 text"))
                refused.force_close()
                return refused
        response = await handler(request)
        if not request.content.is_eof() and _gives_up(request, response):
            response.force_close()
            if isinstance(request.protocol, _Protocol):
                request.protocol.stop_reading()
        return response

    return answer


def _gives_up(request: web.BaseRequest, response: web.StreamResponse) -> bool:
    """Tell whether the rest of the body is too large, or too slow, to be read."""
    return response.status in _GIVEN_UP or (request.content_length or 0) > LINGER_BYTES


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # bytes that are not UTF-8 arrive as lone surrogates
        return False
    return True


class _Protocol(web.RequestHandler):
    __slots__ = ("_deaf",)

    _deaf: bool

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._deaf = False
        super().connection_made(transport)

    def stop_reading(self) -> None:
        """Read nothing more, and drop the connection when the answer has had time to leave."""
        self._deaf = True
        if self.transport is not None:
            self.transport.pause_reading()
            # An orderly end of TLS would wait for what the client still sends.
            self._loop.call_later(LINGER_SECONDS, self.transport.abort)

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - inherited
        if not self._deaf:
            super().resume_reading(resume_parser)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,  # noqa: ARG002 - follows from the exception
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - quotes the request
    ) -> web.StreamResponse:
        """Answer what the parser refused (rule 1)."""
        _log.debug("a request of %s is refused: %s", request.remote, type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        response = status_response(refusal(exc))
        response.force_close()
        return response


def refusal(error: BaseException | None) -> StatusError:
    """Return what a client is told about a request that cannot be parsed."""
    if isinstance(error, http_exceptions.LineTooLong):
        if error.args[1] == MAX_LINE_BYTES:
            return StatusError(
                HTTPStatus.REQUEST_URI_TOO_LONG,
                "BadRequest",
                f"the request line is longer than {MAX_LINE_BYTES} bytes",
            )
        return StatusError(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "BadRequest",
            f"a header of the request is longer than {MAX_HEADER_BYTES} bytes",
        )
    if isinstance(error, http_exceptions.BadHttpMessage) and "Too many headers" in str(error):
        return StatusError(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "BadRequest",
            "the request has too many headers",
        )
    if isinstance(error, http_exceptions.HttpProcessingError):
        return StatusError(HTTPStatus.BAD_REQUEST, "BadRequest", "the request is malformed HTTP")
    return StatusError(HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError", "Internal error occurred")
