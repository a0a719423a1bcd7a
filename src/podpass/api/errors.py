"""The errors that a client sees: one class, one `Status` on the wire, one constructor a reason.

The API server answers nothing else, the client raises the same class again.
Source: apimachinery `api/errors` and `metav1.Status`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from podpass.api.field_errors import FieldError, join_messages


def qualified(resource: str, group: str = "") -> str:
    """Return `deployments.apps`, or just `pods` for the core group."""
    return f"{resource}.{group}" if group else resource


class StatusError(Exception):
    """A refusal or failure that travels as a Kubernetes `Status` object.

    Attributes:
        code: HTTP status code.
        reason: Kubernetes `StatusReason`, e.g. `NotFound`; may be empty.
        message: What is wrong, where, and what to do; never contains a token or key.
        details: `StatusDetails` (name, group, kind, uid, causes, retryAfterSeconds) or None.
        continue_token: For an expired list: where a new, inconsistent one may go on; or empty.
    """

    continue_token = ""

    def __init__(
        self, code: int, reason: str, message: str, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def to_status(self) -> dict[str, Any]:
        """Return the wire form."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": self.continue_token} if self.continue_token else {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details:
            status["details"] = self.details
        status["code"] = self.code
        return status

    @classmethod
    def from_status(cls, status: dict[str, Any], *, code: int = 500) -> Self:
        """Read a `Status` that a server sent; `code` is used where it names none."""
        return cls(
            int(status.get("code") or code),
            str(status.get("reason") or ""),
            str(status.get("message") or "the server gave no message"),
            status.get("details"),
        )


def _details(name: str, kind: str, group: str = "") -> dict[str, Any]:
    details: dict[str, Any] = {}
    if name:
        details["name"] = name
    if group:
        details["group"] = group
    if kind:
        details["kind"] = kind
    return details


def bad_request(message: str) -> StatusError:
    """400: the request cannot be understood."""
    return StatusError(400, "BadRequest", message)


def unauthorized() -> StatusError:
    """401, without saying why: the reason goes to the log."""
    return StatusError(401, "Unauthorized", "Unauthorized")


def forbidden(resource: str, name: str, why: str, group: str = "") -> StatusError:
    """403 for a resource; `why` says who may not do what."""
    text = (
        f'{qualified(resource, group)} "{name}" is forbidden: {why}'
        if name
        else (f"{qualified(resource, group)} is forbidden: {why}")
    )
    return StatusError(403, "Forbidden", text, _details(name, resource, group))


def not_found(resource: str, name: str, group: str = "") -> StatusError:
    """404: no such object."""
    return StatusError(
        404,
        "NotFound",
        f'{qualified(resource, group)} "{name}" not found',
        _details(name, resource, group),
    )


def no_such_path() -> StatusError:
    """404: nothing is served at this path."""
    return StatusError(404, "NotFound", "the server could not find the requested resource", {})


def method_not_allowed(resource: str, verb: str, group: str = "") -> StatusError:
    """405: the resource is there, the verb is not."""
    return StatusError(
        405,
        "MethodNotAllowed",
        f"{verb} is not supported on resources of kind {qualified(resource, group)!r}".replace(
            "'", '"'
        ),
        _details("", resource, group),
    )


def not_acceptable(accepted: Sequence[str]) -> StatusError:
    """406: none of the representations that the client accepts is served."""
    return StatusError(
        406,
        "NotAcceptable",
        "only the following media types are accepted: " + ", ".join(accepted),
    )


def already_exists(resource: str, name: str, group: str = "") -> StatusError:
    """409: an object of this name is there."""
    return StatusError(
        409,
        "AlreadyExists",
        f'{qualified(resource, group)} "{name}" already exists',
        _details(name, resource, group),
    )


OBJECT_MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def request_timeout(message: str) -> StatusError:
    """408: the client did not send its request in time."""
    return StatusError(408, "Timeout", message)


def conflict(resource: str, name: str, why: str = OBJECT_MODIFIED, group: str = "") -> StatusError:
    """409: the precondition (resourceVersion, UID) does not hold."""
    return StatusError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {qualified(resource, group)} "{name}": {why}',
        _details(name, resource, group),
    )


def expired(message: str, continue_token: str = "") -> StatusError:
    """410: the resourceVersion or continue token is too old; list again."""
    error = StatusError(410, "Expired", message)
    error.continue_token = continue_token
    return error


def too_large(message: str) -> StatusError:
    """413: the body is over the limit."""
    return StatusError(413, "RequestEntityTooLarge", message)


def unsupported_media_type(media_type: str, accepted: Sequence[str]) -> StatusError:
    """415: the body is of a media type that is not read here."""
    return StatusError(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted)
        + (f" (got {media_type})" if media_type else ""),
    )


def invalid(kind: str, name: str, errors: Sequence[FieldError], group: str = "") -> StatusError:
    """422: the object was read, and these fields break a rule."""
    details = _details(name, kind, group)
    details["causes"] = [
        {"reason": error.reason, "message": error.body, "field": error.path} for error in errors
    ]
    return StatusError(
        422,
        "Invalid",
        f'{qualified(kind, group)} "{name}" is invalid: {join_messages(errors)}',
        details,
    )


def too_many_requests(message: str, retry_after_seconds: int = 1) -> StatusError:
    """429: come back after `retry_after_seconds`."""
    return StatusError(429, "TooManyRequests", message, {"retryAfterSeconds": retry_after_seconds})


def internal(message: str) -> StatusError:
    """500: our fault; the message names no internals."""
    return StatusError(
        500,
        "InternalError",
        f"Internal error occurred: {message}",
        {"causes": [{"message": message}]},
    )


def service_unavailable(message: str) -> StatusError:
    """503: not now; nothing was done."""
    return StatusError(503, "ServiceUnavailable", message)


def timeout(message: str, retry_after_seconds: int = 1) -> StatusError:
    """504: no answer in time; it is not known whether anything was done."""
    return StatusError(504, "Timeout", message, {"retryAfterSeconds": retry_after_seconds})


def resource_version_too_large(wanted: int, current: int) -> StatusError:
    """504: this server has not seen the resourceVersion `wanted` (yet)."""
    text = "Too large resource version"
    return StatusError(
        504,
        "Timeout",
        f"Timeout: {text}: {wanted}, current: {current}",
        {
            "causes": [{"reason": "ResourceVersionTooLarge", "message": text}],
            "retryAfterSeconds": 1,
        },
    )
