"""What `podpass token` prints: the claims of a token as rows. Never its signature."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from podpass.workload.compact_token import UnverifiedToken
from podpass.workload.explanation import quoted, span
from podpass.workload.identity import Identity, ObjectRef

_TIMES = {"iat": "issued", "nbf": "begins", "exp": "expires"}
_NAMES = {"iss": "issuer", "sub": "subject", "aud": "audiences", "jti": "id"}
_PRIVATE = "kubernetes.io"
_REFERENCES = ("serviceaccount", "pod", "secret", "node")
_WIDTH = 16


def claim_rows(token: UnverifiedToken, now: datetime) -> Iterator[str]:
    """Yield the header and each claim, whatever they are."""
    yield _row("algorithm", quoted(token.header.get("alg")))
    yield _row("key id", quoted(token.header.get("kid")))
    for name, value in token.claims.items():
        if name in _TIMES:
            yield _row(_TIMES[name], _time(value, now))
        elif name == _PRIVATE and isinstance(value, dict):
            for inner, what in value.items():
                shown = _time(what, now) if inner == "warnafter" else _reference(inner, what)
                yield _row(inner, shown)
        elif name == "aud" and isinstance(value, list):
            yield _row("audiences", ", ".join(map(quoted, value)))
        else:
            yield _row(_NAMES.get(name, quoted(name)), quoted(value))


def identity_rows(identity: Identity, now: datetime) -> Iterator[str]:
    """Yield whom a verified token speaks for."""
    yield _row("issuer", quoted(identity.issuer))
    yield _row("namespace", quoted(identity.namespace))
    for name, ref in (
        ("serviceaccount", identity.service_account),
        ("pod", identity.pod),
        ("secret", identity.secret),
        ("node", identity.node),
    ):
        if ref is not None:
            yield _row(name, _named(ref.name, ref.uid))
    yield _row("audiences", ", ".join(map(quoted, identity.audiences)))
    yield _row("expires", _moment(identity.expires_at, now))
    if identity.warn_after is not None:
        yield _row("warnafter", _moment(identity.warn_after, now))


def identity_object(identity: Identity) -> dict[str, Any]:
    """Return the same as JSON."""
    return {
        "issuer": identity.issuer,
        "username": identity.username,
        "namespace": identity.namespace,
        "serviceAccount": _object(identity.service_account),
        "pod": _object(identity.pod),
        "secret": _object(identity.secret),
        "node": _object(identity.node),
        "audiences": list(identity.audiences),
        "expiresAt": identity.expires_at.isoformat(),
        "warnAfter": None if identity.warn_after is None else identity.warn_after.isoformat(),
        "tokenID": identity.token_id,
    }


def _object(ref: ObjectRef | None) -> dict[str, str] | None:
    return None if ref is None else {"name": ref.name, "uid": ref.uid}


def _row(name: str, value: str) -> str:
    return f"{name:<{_WIDTH}}{value}"


def _named(name: str, uid: str) -> str:
    return f"{quoted(name)} uid {quoted(uid)}" if uid else quoted(name)


def _reference(name: str, value: Any) -> str:
    if name in _REFERENCES and isinstance(value, dict) and value.keys() == {"name", "uid"}:
        return f"{quoted(value['name'])} uid {quoted(value['uid'])}"
    return quoted(value)


def _time(value: Any, now: datetime) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return quoted(value)
    try:
        return _moment(datetime.fromtimestamp(value, UTC), now)
    except (OverflowError, OSError, ValueError):
        return quoted(value)


def _moment(moment: datetime, now: datetime) -> str:
    seconds = (moment - now).total_seconds()
    words = f"in {span(seconds)}" if seconds > 0 else f"{span(seconds)} ago"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC ({words})"
