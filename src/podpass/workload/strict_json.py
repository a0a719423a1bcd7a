"""JSON objects of tokens and key documents, with one meaning only.

1. A member that stands twice is refused: two readers could choose differently (RFC 7519, section
   4).
2. `NaN` and `Infinity` are no JSON; nesting has a limit.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn


class NotStrictJSON(ValueError):
    """Not one unambiguous JSON object; the message shows none of it."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):  # 1
        raise NotStrictJSON("has a member twice")
    return members


def _no_constant(_name: str) -> NoReturn:
    raise NotStrictJSON("is not JSON")  # 2


def read_object(data: bytes) -> dict[str, Any]:
    """Return the members of a JSON object.

    Raises:
        NotStrictJSON: It is none, or breaks one of the rules.
    """
    try:
        value = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except NotStrictJSON:
        raise
    except (ValueError, RecursionError):
        raise NotStrictJSON("is not JSON") from None
    if not isinstance(value, dict):
        raise NotStrictJSON("is not an object")
    return value
