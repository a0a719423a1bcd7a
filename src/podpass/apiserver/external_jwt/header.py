"""The header that a signer puts before the claims.

An object with no more than `alg`, `kid` and `typ`; `typ` is `JWT`; `kid` has 1 to 1024 bytes; `alg`
is one of the four that are issued. Source: Kubernetes `pkg/serviceaccount/externaljwt/plugin`,
`validateJWTHeader`.
"""

from __future__ import annotations

import orjson

from podpass.apiserver.external_jwt.failures import BadAnswer
from podpass.jose import base64url
from podpass.jose.keys import ALGORITHMS

MAX_KEY_ID_BYTES = 1024
_MEMBERS = ("alg", "kid", "typ")
_SHOWN = 32
"""Characters of a foreign value that an error shows."""


def check_header(header: str) -> str:
    """Return the key id of a header that may stand in a token.

    Raises:
        BadAnswer: It may not; the text says why.
    """
    try:
        members = orjson.loads(base64url.decode(header))
    except orjson.JSONDecodeError:
        raise BadAnswer("while parsing header JSON: not JSON") from None
    except ValueError:
        raise BadAnswer("while unwrapping header: not base64url") from None
    if not isinstance(members, dict):
        raise BadAnswer("while parsing header JSON: not an object")
    for name, value in members.items():
        if name not in _MEMBERS:
            raise BadAnswer(f'while parsing header JSON: json: unknown field "{name[:_SHOWN]}"')
        if value is not None and not isinstance(value, str):
            raise BadAnswer(f"while parsing header JSON: {name} is not a string")
    algorithm, key_id, kind = (members.get(name) or "" for name in _MEMBERS)
    if kind != "JWT":
        raise BadAnswer("bad type")
    if not key_id:
        raise BadAnswer("key id missing")
    if len(key_id.encode()) > MAX_KEY_ID_BYTES:
        raise BadAnswer("key id longer than 1 kb")
    if algorithm not in ALGORITHMS:
        raise BadAnswer(f'bad signing algorithm "{algorithm[:_SHOWN]}"')
    return str(key_id)
