"""Claims to Identity: every claim that is there has the right type, every needed one is there.

1. `aud` is a text or a list of texts. `exp`, `nbf`, `iat` and `warnafter` are numbers of seconds.
2. A bound token has `exp` and `kubernetes.io` with namespace and account; `sub` names the same
   account, so that nobody is misled who reads only that.
3. Texts can be encoded as UTF-8, so that a log line can hold them.

Source: RFC 7519, section 4.1; KEP-1205.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from podpass.workload.identity import Identity, ObjectRef, username
from podpass.workload.refusal import Reason, TokenRefused

_PRIVATE = "kubernetes.io"
_Claims = Mapping[str, Any]


def read_issuer(claims: _Claims) -> str:
    """Return `iss`.

    Raises:
        TokenRefused: There is none, or it is no text.
    """
    return _text(claims, "iss")


def read_identity(claims: _Claims) -> Identity:
    """Return whom the claims name; whether to believe them is for the caller to know.

    Raises:
        TokenRefused: MALFORMED for a wrong type, NOT_BOUND where rule 2 fails.
    """
    private = _object(claims, _PRIVATE)
    account = None if private is None else _reference(private, "serviceaccount")
    if private is None or account is None or not account.uid:
        raise _not_bound("the token names no service account with its UID")
    namespace = _text(private, "namespace")
    if _text(claims, "sub") != username(namespace, account.name):
        raise _not_bound("subject and service account of the token differ")
    expires_at = _time(claims, "exp")
    if expires_at is None:
        raise _not_bound("the token never expires")
    return Identity(
        issuer=read_issuer(claims),
        namespace=namespace,
        service_account=account,
        audiences=_audiences(claims),
        expires_at=expires_at,
        pod=_reference(private, "pod"),
        secret=_reference(private, "secret"),
        node=_reference(private, "node"),
        issued_at=_time(claims, "iat"),
        not_before=_time(claims, "nbf"),
        warn_after=_time(private, "warnafter"),
        token_id=_text(claims, "jti") if "jti" in claims else "",
    )


def _wrong(name: str) -> TokenRefused:
    return TokenRefused(Reason.MALFORMED, f"the claim {name} is missing or of the wrong type")


def _not_bound(message: str) -> TokenRefused:
    return TokenRefused(Reason.NOT_BOUND, message)


def _checked(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise _wrong(name)
    try:
        value.encode()
    except UnicodeEncodeError:  # 3
        raise _wrong(name) from None
    return value


def _text(claims: _Claims, name: str) -> str:
    return _checked(claims.get(name), name)


def _object(claims: _Claims, name: str) -> dict[str, Any] | None:
    value = claims.get(name)
    if value is not None and not isinstance(value, dict):
        raise _wrong(name)
    return value


def _reference(claims: _Claims, name: str) -> ObjectRef | None:
    value = _object(claims, name)
    if value is None:
        return None
    return ObjectRef(_text(value, "name"), _text(value, "uid") if "uid" in value else "")


def _audiences(claims: _Claims) -> tuple[str, ...]:
    value = claims.get("aud", [])
    if isinstance(value, str):
        return (_checked(value, "aud"),)
    if not isinstance(value, list):
        raise _wrong("aud")
    return tuple(_checked(one, "aud") for one in value)


def _time(claims: _Claims, name: str) -> datetime | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(name)
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        raise _wrong(name) from None
