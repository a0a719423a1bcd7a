"""From the field that an administrator edits to the issuers of the API server.

`legacy`: one issuer at any time, straight from the Authentication.

`trust24h`: the list in `KubeAPIServer.status.serviceAccountIssuers`. The entry without expiration
is active; the others are still trusted.

1. The wanted issuer becomes active and comes first; the former one expires after the profile's
   trust; the order of the rest stays.
2. An issuer that returns loses its expiration; nothing is there twice.
3. What has expired is dropped, at the next look.
4. A list of more than MAX_ISSUERS is refused and nothing changes.

Source: openshift/cluster-kube-apiserver-operator, `serviceaccountissuercontroller` and
`configobservation/auth`, `checkIssuer`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from podpass.api.meta import format_time, parse_time
from podpass.api.resources import Object
from podpass.operator.go_url import url_error
from podpass.operator.names import DEFAULT_ISSUER
from podpass.operator.profiles import Profile

MAX_ISSUERS = 10
JWKS_PATH = "/openid/v1/jwks"
ISSUER_ARGUMENT = "service-account-issuer"
AUDIENCES_ARGUMENT = "api-audiences"
JWKS_ARGUMENT = "service-account-jwks-uri"


class IssuerError(Exception):
    """The configuration cannot follow what is asked for; what is there stays."""


@dataclass(frozen=True, slots=True)
class IssuerEntry:
    """One entry of `status.serviceAccountIssuers`.

    Attributes:
        name: The issuer.
        expires_at: Until when it is trusted; None is the active one.
    """

    name: str
    expires_at: datetime | None = None

    def to_json(self) -> Object:
        """Return the wire form."""
        entry: Object = {"name": self.name}
        if self.expires_at is not None:
            entry["expirationTime"] = format_time(self.expires_at)
        return entry


@dataclass(frozen=True, slots=True)
class IssuerChange:
    """A new list.

    Attributes:
        entries: The list.
        message: For the event.
    """

    entries: tuple[IssuerEntry, ...]
    message: str


def check_issuer(issuer: str) -> None:
    """Refuse a value with a colon that is not a URL; everything else is an issuer.

    Raises:
        IssuerError: It is refused.
    """
    if ":" in issuer and (error := url_error(issuer)):
        raise IssuerError(
            f"service-account issuer contained a ':' but was not a valid URL: {error}"
        )


def read_entries(status: Object) -> tuple[IssuerEntry, ...]:
    """Return `serviceAccountIssuers` of the status of a KubeAPIServer."""
    return tuple(
        IssuerEntry(
            str(one.get("name", "")),
            parse_time(one["expirationTime"]) if one.get("expirationTime") else None,
        )
        for one in status.get("serviceAccountIssuers") or ()
    )


def active_issuer(entries: Sequence[IssuerEntry]) -> str | None:
    """Return the first issuer that does not expire, or None."""
    return next((one.name for one in entries if one.expires_at is None), None)


def change_issuers(
    entries: Sequence[IssuerEntry], wanted: str, *, trust: timedelta, now: datetime
) -> IssuerChange | None:
    """Return the list that follows from what is wanted; None if nothing changes.

    Args:
        entries: The list of now.
        wanted: `spec.serviceAccountIssuer`; empty means the default.
        trust: How long the former issuer stays trusted.
        now: Current time.

    Raises:
        IssuerError: The list would be too long (rule 4).
    """
    name = wanted or DEFAULT_ISSUER
    active = active_issuer(entries)
    if name == active:
        kept = tuple(one for one in entries if one.expires_at is None or one.expires_at > now)
        if len(kept) == len(entries):
            return None
        gone = ",".join(one.name for one in entries if one not in kept)
        return IssuerChange(  # 3
            kept,
            "The following service account issuers were pruned and are no longer trusted: " + gone,
        )
    expiration = now + trust
    new = [IssuerEntry(name)]
    new += [
        IssuerEntry(one.name, expiration) if one.expires_at is None else one
        for one in entries
        if one.name != name  # 2
    ]
    if len(new) > MAX_ISSUERS:
        raise IssuerError(
            f"unable to configure more than {MAX_ISSUERS} trusted service account issuers at the "
            "time, please wait until old issuers expire"
        )
    message = f'Desired ServiceAccountIssuer "{name}" is now active issuer.'
    if active is not None:
        until = f"{expiration:%Y-%m-%d %H:%M:%S} +0000 UTC"
        message += f' Previous issuer "{active}" is trusted until {until}.'
    return IssuerChange(tuple(new), message)


def next_expiration(entries: Sequence[IssuerEntry]) -> datetime | None:
    """Return when the next issuer expires, or None."""
    return min((one.expires_at for one in entries if one.expires_at is not None), default=None)


def observe_issuer(
    spec_issuer: str, entries: Sequence[IssuerEntry], infrastructure: Object, profile: Profile
) -> dict[str, list[str]]:
    """Return the part of `apiServerArguments` that speaks of issuers.

    Args:
        spec_issuer: `spec.serviceAccountIssuer` of the Authentication.
        entries: `status.serviceAccountIssuers`; of no meaning in `legacy`.
        infrastructure: `status` of the Infrastructure.
        profile: How the issuer is handled.

    Raises:
        IssuerError: The issuer is not valid, or there is no address for its keys.
    """
    if profile.trust is None:
        return _observe_spec(spec_issuer, infrastructure)
    active = active_issuer(entries) or DEFAULT_ISSUER
    issuers = [active, *(one.name for one in entries if one.expires_at is not None)]
    for issuer in issuers:
        check_issuer(issuer)
    arguments = {ISSUER_ARGUMENT: issuers, AUDIENCES_ARGUMENT: list(issuers)}
    if active == DEFAULT_ISSUER:
        arguments[JWKS_ARGUMENT] = [_jwks_uri(infrastructure, "apiServerURL", "APIServerURL")]
    elif active.startswith("https:"):
        arguments[JWKS_ARGUMENT] = [active.rstrip("/") + JWKS_PATH]
    return arguments


def _observe_spec(issuer: str, infrastructure: Object) -> dict[str, list[str]]:
    if not issuer:  # issuer and audiences are those of the shipped configuration
        uri = _jwks_uri(infrastructure, "apiServerInternalURI", "APIServerInternalURL")
        return {JWKS_ARGUMENT: [uri]}
    check_issuer(issuer)
    return {ISSUER_ARGUMENT: [issuer], AUDIENCES_ARGUMENT: [issuer]}


def _jwks_uri(infrastructure: Object, field: str, called: str) -> str:
    address = str(infrastructure.get(field) or "")
    if not address:
        raise IssuerError(f"{called} missing from infrastructure/cluster")
    return address.rstrip("/") + JWKS_PATH
