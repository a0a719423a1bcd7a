"""Who a verified token speaks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """Name and UID of an object; the UID is empty where the token does not say it."""

    name: str
    uid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A service account, and the object that its token is bound to.

    Decide by `namespace` and `service_account`; where a name may be taken again by someone else, by
    the UID as well.

    Attributes:
        issuer: Which cluster says so.
        namespace: Namespace of account, pod and secret.
        service_account: The account.
        audiences: For whom the token is; ours is among them.
        expires_at: When the token ends.
        pod: The pod that the token is bound to.
        secret: The secret that the token is bound to.
        node: The node that the token is bound to, or that its pod is on.
        issued_at: When it was made.
        not_before: When it begins.
        warn_after: When the holder of an extended token should have had a new one.
        token_id: `jti`, the id of this one token; empty in tokens of old servers.
    """

    issuer: str
    namespace: str
    service_account: ObjectRef
    audiences: tuple[str, ...]
    expires_at: datetime
    pod: ObjectRef | None = None
    secret: ObjectRef | None = None
    node: ObjectRef | None = None
    issued_at: datetime | None = None
    not_before: datetime | None = None
    warn_after: datetime | None = None
    token_id: str = ""

    @property
    def username(self) -> str:
        """The user name that the API server gives this account."""
        return username(self.namespace, self.service_account.name)

    def is_stale(self, now: datetime) -> bool:
        """Tell whether the holder still uses an extended token that it should have replaced."""
        return self.warn_after is not None and now > self.warn_after


def username(namespace: str, name: str) -> str:
    """Return the user name of a service account."""
    return f"system:serviceaccount:{namespace}:{name}"
