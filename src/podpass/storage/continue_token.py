"""Where a paged list goes on: a revision and the last key, opaque to clients.

A token of revision INCONSISTENT goes on in the newest state instead of the first page's.
Source: apiserver `storage/continue.go`; the token here is our own.
"""

from __future__ import annotations

import base64
import binascii

import orjson

from podpass.api import errors

INCONSISTENT = -1
_VERSION = "podpass/v1"


def encode_continue(revision: int, start: str) -> str:
    """Return the token that goes on behind the key `start` (relative to the list's prefix)."""
    document = orjson.dumps({"v": _VERSION, "rv": revision, "start": start})
    return base64.urlsafe_b64encode(document).decode().rstrip("=")


def decode_continue(token: str) -> tuple[int, str]:
    """Read a token; returns revision and relative key.

    Raises:
        StatusError: 400, this is not a token of ours.
    """
    try:
        document = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        version, revision, start = document["v"], document["rv"], document["start"]
    except (binascii.Error, ValueError, LookupError, TypeError) as error:
        raise errors.bad_request("continue key is not valid: it cannot be decoded") from error
    if version != _VERSION:
        raise errors.bad_request(
            f'continue key is not valid: server does not recognize this encoded version "{version}"'
        )
    if type(revision) is not int or revision < INCONSISTENT or revision == 0:
        raise errors.bad_request("continue key is not valid: incorrect encoded resourceVersion")
    if not isinstance(start, str) or not start:
        raise errors.bad_request("continue key is not valid: it names no start")
    return revision, start
