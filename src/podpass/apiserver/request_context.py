"""One request on its way: what it is about, who sent it, and its query parameters.

Bad parameters are 400, as the decoders of `metav1.*Options` have it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from aiohttp import http_exceptions, web

from podpass.api import errors
from podpass.api.codec import FieldValidation
from podpass.api.meta import UserInfo
from podpass.apiserver.audit_event import AUDIT_ID, RequestAudit
from podpass.apiserver.plain_request import HttpRequest, PlainRequest
from podpass.apiserver.representation import Representation
from podpass.apiserver.request_info import RequestInfo, is_true

MAX_BODY_BYTES = 3 * 1024 * 1024
"""Largest request body, as kube-apiserver has it."""

BODY_SECONDS = 30.0
"""How long a client may take to send the body of a request."""

_CONTINUE = "100-continue"
_MAX_NUMBER = (1 << 63) - 1
_MAX_DIGITS = 19

_FIELD_VALIDATIONS: dict[str, FieldValidation] = {
    "Strict": "Strict",
    "Warn": "Warn",
    "Ignore": "Ignore",
}
ANONYMOUS = UserInfo("system:anonymous", groups=("system:unauthenticated",))


def first_values(query: str) -> dict[str, str]:
    """Return the first value of each query parameter."""
    values: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        values.setdefault(key, value)
    return values


@dataclass(slots=True)
class RequestContext:
    """A request as the handlers see it.

    Attributes:
        http: The request itself, for headers, body and upgrade.
        info: What it is about.
        query: First value of each query parameter.
        raw_query: The query as sent.
        user: Who sent it; anonymous until authentication is done.
        representation: What the client accepts.
        warnings: Texts for `Warning` headers.
        audit_annotations: Facts for the audit log.
        stream: The response of a handler that streams; once it is prepared no error can follow.
        audit_id: Names the request in the audit log and in its answer.
        audit: Follows the request for the audit log, if it is logged.
    """

    http: HttpRequest
    info: RequestInfo
    query: dict[str, str]
    raw_query: str
    user: UserInfo = ANONYMOUS
    representation: Representation = field(default_factory=Representation)
    warnings: list[str] = field(default_factory=list)
    audit_annotations: dict[str, str] = field(default_factory=dict)
    stream: web.StreamResponse | None = None
    audit_id: str = ""
    audit: RequestAudit | None = None

    def begin_stream(self, response: web.StreamResponse) -> None:
        """Note the response of a handler that streams, before it is prepared."""
        self.stream = response
        response.headers[AUDIT_ID] = self.audit_id
        if self.audit is not None:
            self.audit.started(response)

    @property
    def streaming(self) -> web.BaseRequest:
        """The request of a handler that streams its answer or takes the connection over."""
        if isinstance(self.http, PlainRequest):
            raise TypeError("a stream answers a plain request")
        return self.http

    @property
    def pretty(self) -> bool:
        """Whether the client asked for indented JSON."""
        return "pretty" in self.query and self.query["pretty"] not in {"false", "0"}

    @property
    def dry_run(self) -> bool:
        """Whether nothing may be written.

        Raises:
            StatusError: 400, the value is not `All`.
        """
        value = self.query.get("dryRun", "")
        if value not in {"", "All"}:
            raise errors.bad_request(
                f'invalid dry run option: dryRun: Unsupported value: "{value}": '
                'supported values: "All"'
            )
        return value == "All"

    @property
    def field_validation(self) -> FieldValidation:
        """What happens to unknown fields; `Warn` unless the client says otherwise.

        Raises:
            StatusError: 400, the value is none of the three.
        """
        value = self.query.get("fieldValidation") or "Warn"
        known = _FIELD_VALIDATIONS.get(value)
        if known is not None:
            return known
        raise errors.bad_request(
            f'fieldValidation: Unsupported value: "{value}": '
            'supported values: "Ignore", "Strict", "Warn"'
        )

    def flag(self, name: str) -> bool:
        """Return a boolean parameter; absent is false."""
        return is_true(self.query.get(name))

    def number(self, name: str) -> int | None:
        """Return a non-negative integer parameter, or None if it is absent.

        Raises:
            StatusError: 400, it is something else.
        """
        text = self.query.get(name, "")
        if not text:
            return None
        value = read_number(text)
        if value is None:
            raise errors.bad_request(f'invalid {name}: "{text}" is not a non-negative integer')
        return value

    def resource_version(self) -> int | None:
        """Return the parameter `resourceVersion`, or None if it is absent.

        Raises:
            StatusError: 400, it is no revision of ours.
        """
        text = self.query.get("resourceVersion", "")
        if not text:
            return None
        value = read_number(text)
        if value is None:
            raise errors.bad_request(f'invalid resource version: "{text}"')
        return value

    async def body(self) -> bytes:
        """Read the request body.

        Raises:
            StatusError: 400, it is cut off or badly chunked; 408, it takes longer than
                BODY_SECONDS; 413, it is larger than MAX_BODY_BYTES.
        """
        http = self.http
        body = http.body if isinstance(http, PlainRequest) else await _received(http)
        if self.audit is not None:
            self.audit.took_body(body)
        return body


def read_number(text: str) -> int | None:
    """Return a non-negative integer of at most 63 bits, or None if `text` is something else."""
    if not text.isascii() or not text.isdigit() or len(text) > _MAX_DIGITS:
        return None
    value = int(text)
    return value if value <= _MAX_NUMBER else None


async def _received(http: web.BaseRequest) -> bytes:
    if (http.content_length or 0) > MAX_BODY_BYTES:
        raise _body_too_large()
    if http.headers.get("Expect", "").lower() == _CONTINUE:
        await http.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        http.writer.output_size = 0  # the response itself has not begun
    received = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in http.content.iter_any():
                received += chunk
                if len(received) > MAX_BODY_BYTES:
                    raise _body_too_large()
    except TimeoutError as error:
        raise errors.request_timeout(
            f"the request body did not arrive within {BODY_SECONDS:g} s"
        ) from error
    except (web.RequestPayloadError, http_exceptions.PayloadEncodingError) as error:
        raise errors.bad_request("the request body is malformed HTTP") from error
    return bytes(received)


def _body_too_large() -> errors.StatusError:
    return errors.too_large(f"limit is {MAX_BODY_BYTES}: the request body is too large")
