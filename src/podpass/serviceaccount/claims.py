"""The claims of a bound token: what is in them, and how they look as JSON.

1. Times are whole seconds, cut, not rounded; this module alone knows them as integers.
2. `aud` is written as a list, or not at all when empty; a plain string is read as a list of one.
3. The binding stands in `kubernetes.io`; a binding that is absent is left out.
4. A token is bound to one object; a pod's token may name the node as well.

Source: Kubernetes `pkg/serviceaccount/claims.go`, `Claims`, and KEP-1205, KEP-4193.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

USERNAME_PREFIX = "system:serviceaccount:"
_PRIVATE = "kubernetes.io"


class MalformedClaims(ValueError):
    """The payload is not what a token of ours can hold; the message shows no value of it."""


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """Name and UID of an object, the UID empty where it is not known."""

    name: str
    uid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClaims:
    """Everything that a bound token says.

    Attributes:
        issuer: `iss`.
        subject: `sub`.
        audiences: `aud`; empty if the token names none.
        issued_at: `iat`.
        not_before: `nbf`.
        expires_at: `exp`.
        token_id: `jti`, empty in tokens of old servers.
        namespace: Namespace of account, pod and secret.
        service_account: The account.
        pod: The pod that the token is bound to.
        secret: The secret that the token is bound to.
        node: The node that the token is bound to, or that the pod is on.
        warn_after: When the holder of an extended token should have had a new one.
    """

    issuer: str
    subject: str = ""
    audiences: tuple[str, ...] = ()
    issued_at: datetime | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    token_id: str = ""
    namespace: str = ""
    service_account: ObjectRef = ObjectRef("")
    pod: ObjectRef | None = None
    secret: ObjectRef | None = None
    node: ObjectRef | None = None
    warn_after: datetime | None = None

    def __post_init__(self) -> None:
        if self.secret is not None and (self.pod is not None or self.node is not None):
            # 4
            raise ValueError("internal error, token can only be bound to one object type")


def username(namespace: str, name: str) -> str:
    """Return the user name of a service account."""
    return f"{USERNAME_PREFIX}{namespace}:{name}"


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())  # 1


def _reference(ref: ObjectRef) -> dict[str, str]:
    return {"name": ref.name, "uid": ref.uid} if ref.uid else {"name": ref.name}


def encode_claims(claims: TokenClaims) -> bytes:
    """Return the payload of a token, keys sorted."""
    private: dict[str, Any] = {
        "namespace": claims.namespace,
        "serviceaccount": _reference(claims.service_account),
    }
    for key, ref in (("pod", claims.pod), ("secret", claims.secret), ("node", claims.node)):
        if ref is not None:  # 3
            private[key] = _reference(ref)
    if claims.warn_after is not None:
        private["warnafter"] = _seconds(claims.warn_after)
    payload: dict[str, Any] = {"iss": claims.issuer, "sub": claims.subject, _PRIVATE: private}
    if claims.audiences:  # 2
        payload["aud"] = list(claims.audiences)
    for key, moment in (
        ("iat", claims.issued_at),
        ("nbf", claims.not_before),
        ("exp", claims.expires_at),
    ):
        if moment is not None:
            payload[key] = _seconds(moment)
    if claims.token_id:
        payload["jti"] = claims.token_id
    return orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)


def unverified_issuer(payload: bytes) -> str | None:
    """Return `iss` of a payload that nobody has verified, or None if it has no such text."""
    try:
        claims = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    return issuer if isinstance(issuer, str) else None


def decode_claims(payload: bytes) -> TokenClaims:
    """Read a payload whose signature was verified.

    Raises:
        MalformedClaims: Not an object, or a claim of the wrong type.
    """
    try:
        claims = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise MalformedClaims("the claims are not JSON") from None
    if not isinstance(claims, dict):
        raise MalformedClaims("the claims are not an object")
    private = _object(claims, _PRIVATE) or {}
    try:
        return TokenClaims(
            issuer=_text(claims, "iss"),
            subject=_text(claims, "sub"),
            audiences=_audiences(claims),
            issued_at=_time(claims, "iat"),
            not_before=_time(claims, "nbf"),
            expires_at=_time(claims, "exp"),
            token_id=_text(claims, "jti"),
            namespace=_text(private, "namespace"),
            service_account=_object_ref(private, "serviceaccount") or ObjectRef(""),
            pod=_object_ref(private, "pod"),
            secret=_object_ref(private, "secret"),
            node=_object_ref(private, "node"),
            warn_after=_time(private, "warnafter") if private.get("warnafter") else None,
        )
    except MalformedClaims:
        raise
    except ValueError as error:
        raise MalformedClaims(str(error)) from None


def _wrong(name: str) -> MalformedClaims:
    return MalformedClaims(f"the claim {name} is of the wrong type")


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(name)
    return value


def _object(claims: dict[str, Any], name: str) -> dict[str, Any] | None:
    value = claims.get(name)
    if value is not None and not isinstance(value, dict):
        raise _wrong(name)
    return value


def _object_ref(claims: dict[str, Any], name: str) -> ObjectRef | None:
    value = _object(claims, name)
    return None if value is None else ObjectRef(_text(value, "name"), _text(value, "uid"))


def _audiences(claims: dict[str, Any]) -> tuple[str, ...]:
    value = claims.get("aud")
    if value is None:
        return ()
    if isinstance(value, str):  # 2
        return (value,)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise _wrong("aud")
    return tuple(value)


def _time(claims: dict[str, Any], name: str) -> datetime | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(name)
    try:
        return datetime.fromtimestamp(int(value), UTC)
    except (OverflowError, OSError, ValueError):
        raise MalformedClaims(f"the claim {name} is no time") from None
