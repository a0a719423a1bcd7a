"""HTTP responses of the API: JSON bytes, `Status` objects, lists put together from raw bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import orjson
from aiohttp import web

from podpass.api.errors import StatusError
from podpass.api.resources import Object

JSON = "application/json"
_NOT_CACHED = "no-cache, private"
_RETRY_AFTER = "retryAfterSeconds"


def json_response(
    body: bytes, *, code: int = 200, warnings: Sequence[str] = (), pretty: bool = False
) -> web.Response:
    """Answer with JSON that is encoded already.

    Args:
        body: The document.
        code: HTTP status.
        warnings: Texts for `Warning` headers, which kubectl prints.
        pretty: Indent for people.
    """
    if pretty:
        body = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2) + b"\n"
    response = web.Response(
        body=body, status=code, headers={"Content-Type": JSON, "Cache-Control": _NOT_CACHED}
    )
    for warning in dict.fromkeys(warnings):
        response.headers.add("Warning", warning_header(warning))
    return response


def object_response(
    obj: Object, *, code: int = 200, warnings: Sequence[str] = (), pretty: bool = False
) -> web.Response:
    """Answer with an object that is not stored."""
    return json_response(orjson.dumps(obj), code=code, warnings=warnings, pretty=pretty)


def status_response(error: StatusError, *, warnings: Sequence[str] = ()) -> web.Response:
    """Answer with a refusal."""
    response = object_response(error.to_status(), code=error.code, warnings=warnings)
    retry_after = (error.details or {}).get(_RETRY_AFTER)
    if retry_after:
        response.headers["Retry-After"] = str(retry_after)
    return response


def success_status(details: Object) -> Object:
    """Return the `Status` of a deletion that is done."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }


def text_response(
    text: str, *, code: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with plain text, as health checks do."""
    response = web.Response(text=text, status=code, headers=headers)
    response.headers["Cache-Control"] = _NOT_CACHED
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def list_body(
    api_version: str,
    kind: str,
    items: Iterable[bytes],
    *,
    resource_version: str,
    continue_token: str = "",
    remaining: int | None = None,
) -> bytes:
    """Return a list object around items that are encoded already.

    Args:
        api_version: Of the items.
        kind: Kind of one item.
        items: Each a whole JSON object.
        resource_version: Of the snapshot.
        continue_token: Where the next page starts; empty on the last.
        remaining: How many items follow, if that is known.
    """
    metadata = list_metadata(resource_version, continue_token, remaining)
    head = orjson.dumps({"kind": f"{kind}List", "apiVersion": api_version, "metadata": metadata})
    return b'%b,"items":[%b]}' % (head[:-1], b",".join(items))


def list_metadata(
    resource_version: str, continue_token: str = "", remaining: int | None = None
) -> Object:
    """Return the `ListMeta` of a list."""
    metadata: Object = {"resourceVersion": resource_version}
    if continue_token:
        metadata["continue"] = continue_token
        if remaining:
            metadata["remainingItemCount"] = remaining
    return metadata


def warning_header(text: str) -> str:
    """Return the value of a `Warning` header (RFC 7234 section 5.5, code 299)."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    escaped = clean.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{escaped}"'
