"""Bootstrap tokens: what a new node logs in with until it has a certificate of its own.

A token is `ID.SECRET`; it stands in the Secret `bootstrap-token-ID` of kube-system:

1. The Secret has the type of bootstrap tokens, its name is that of `token-id`, and it is not being
   deleted.
2. `token-id` and `token-secret` are those of the token, compared in constant time.
3. `expiration`, an RFC 3339 time, has not come; without one the token lasts. One that cannot be
   read counts as come.
4. `usage-bootstrap-authentication` is `true`.
5. `auth-extra-groups` are names below `system:bootstrappers:`; one that is not spoils the token.

Source: kubernetes.io "Authenticating with Bootstrap Tokens".
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from datetime import datetime
from typing import Final

from podpass.api.meta import UserInfo, format_time, is_terminating, name_of, parse_time
from podpass.api.resources import SECRETS, Object

SECRET_TYPE: Final = "bootstrap.kubernetes.io/token"  # noqa: S105 - the name of a type
NAMESPACE: Final = "kube-system"
NAME_PREFIX: Final = "bootstrap-token-"
USER_PREFIX: Final = "system:bootstrap:"
GROUP: Final = "system:bootstrappers"

ID_LENGTH: Final = 6
SECRET_LENGTH: Final = 16

_TOKEN: Final = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_EXTRA_GROUP: Final = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")


class UnusableBootstrapToken(Exception):
    """The token is not accepted; the message says why and holds nothing of it."""


def split_token(token: str) -> tuple[str, str] | None:
    """Return ID and secret of a token, None if it does not look like one."""
    match = _TOKEN.fullmatch(token)
    return (match[1], match[2]) if match else None


def secret_name(token_id: str) -> str:
    """Return the name of the Secret that keeps a token."""
    return NAME_PREFIX + token_id


def _text(secret: Object, key: str) -> str:
    value = (secret.get("data") or {}).get(key)
    if not isinstance(value, str):
        return ""
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def is_expired(secret: Object, now: datetime) -> bool:
    """Tell whether the time of a token has come (rule 3)."""
    text = _text(secret, "expiration")
    if not text:
        return False
    try:
        return parse_time(text) <= now
    except ValueError:
        return True


def expiration(secret: Object) -> datetime | None:
    """Return when a token ends, None if it never does or the time cannot be read."""
    try:
        return parse_time(_text(secret, "expiration"))
    except ValueError:
        return None


def extra_groups(text: str) -> tuple[str, ...]:
    """Read `auth-extra-groups`: names with commas between (rule 5).

    Raises:
        UnusableBootstrapToken: One is not a group that a token may give.
    """
    groups = tuple(dict.fromkeys(text.split(","))) if text else ()
    for group in groups:
        if not _EXTRA_GROUP.fullmatch(group):
            raise UnusableBootstrapToken("it has a group that bootstrap tokens cannot give")
    return groups


def user_of(secret: Object, token_id: str, token_secret: str, now: datetime) -> UserInfo:
    """Return who the bearer of a token is.

    Args:
        secret: What is stored as `secret_name(token_id)`.
        token_id: First part of the token.
        token_secret: Second part of the token.
        now: Time of the request.

    Raises:
        UnusableBootstrapToken: A rule is broken.
    """
    if secret.get("type") != SECRET_TYPE or is_terminating(secret):  # 1
        raise UnusableBootstrapToken("its secret is of another type, or is being deleted")
    same_id = hmac.compare_digest(_text(secret, "token-id").encode(), token_id.encode())
    same_secret = hmac.compare_digest(_text(secret, "token-secret").encode(), token_secret.encode())
    if not (same_id and same_secret) or name_of(secret) != secret_name(token_id):  # 1, 2
        raise UnusableBootstrapToken("it is not what its secret says")
    if is_expired(secret, now):
        raise UnusableBootstrapToken("it has expired")
    if _text(secret, "usage-bootstrap-authentication") != "true":  # 4
        raise UnusableBootstrapToken("it is not for authentication")
    groups = extra_groups(_text(secret, "auth-extra-groups"))
    return UserInfo(USER_PREFIX + token_id, groups=(GROUP, *groups))


def make_secret(
    token_id: str, token_secret: str, *, expires: datetime | None, description: str = ""
) -> Object:
    """Return the Secret of a new token, for nodes that join."""
    data = {
        "token-id": token_id,
        "token-secret": token_secret,
        "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true",
    }
    if expires is not None:
        data["expiration"] = format_time(expires)
    if description:
        data["description"] = description
    return {
        "apiVersion": SECRETS.api_version,
        "kind": SECRETS.kind,
        "metadata": {"name": secret_name(token_id), "namespace": NAMESPACE},
        "type": SECRET_TYPE,
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()},
    }
