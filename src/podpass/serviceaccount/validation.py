"""Is a bound token good, now, here, and whose is it?

The checks, in this order; the first that fails decides:

1. Shape: three parts, `iss` is an accepted issuer; otherwise the token is not ours to judge. The
   issuer is read from the very bytes that are verified next, so it is not compared again.
2. Key and signature.
3. Audience: one of the token's is one of the target's. A token without any counts as for the API
   server. Without API audiences nothing is checked.
4. Time: `nbf`, `exp`, `iat`, with LEEWAY both ways.
5. The account lives and has the UID of the claim.
6. The bound secret and pod live and have the UID of the claim; the node only if there is no pod.
7. A token past `warnafter` is good, but noted.

An object that is being deleted counts until LEEWAY after its deletionTimestamp; one that is gone
from the store does not count at all. The identity comes from the claims, not from live objects.

Errors: `InvalidToken` <- `UnknownIssuer`, `BadToken` (wraps a JwsError), `WrongAudience`,
`NotYetValid`, `Expired`, `AccountGone`, `BoundObjectGone`, `BoundObjectReplaced`.
Source: Kubernetes `pkg/serviceaccount/{jwt,claims}.go`, `AuthenticateToken`, `Validate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import orjson

from podpass.api.meta import UserInfo, parse_time, uid_of
from podpass.api.resources import NODES, PODS, SECRETS, SERVICE_ACCOUNTS, Object, Resource
from podpass.jose import jws
from podpass.serviceaccount.claims import (
    MalformedClaims,
    ObjectRef,
    TokenClaims,
    decode_claims,
    unverified_issuer,
    username,
)
from podpass.serviceaccount.trusted_keys import TrustedKeys

LEEWAY = timedelta(seconds=60)

ALL_SERVICE_ACCOUNTS = "system:serviceaccounts"
POD_NAME = "authentication.kubernetes.io/pod-name"
POD_UID = "authentication.kubernetes.io/pod-uid"
NODE_NAME = "authentication.kubernetes.io/node-name"
NODE_UID = "authentication.kubernetes.io/node-uid"
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
STALE_TOKEN = "authentication.k8s.io/stale-token"  # noqa: S105 - an annotation's name
LEGACY_TOKEN = "authentication.k8s.io/legacy-token"  # noqa: S105 - an annotation's name


class InvalidToken(Exception):
    """A token that does not authenticate.

    The text is for the log and for a TokenReview, and holds no part of the token. A request that
    came with the token is told nothing but 401.
    """


class UnknownIssuer(InvalidToken):
    """Not one of our tokens at all."""


class BadToken(InvalidToken):
    """The signature or the claims cannot be right."""


class WrongAudience(InvalidToken):
    """For somebody else."""


class NotYetValid(InvalidToken):
    """From the future."""


class Expired(InvalidToken):
    """From the past."""


class AccountGone(InvalidToken):
    """The account is deleted, or was and has a new UID."""


class BoundObjectGone(InvalidToken):
    """The bound object is deleted."""


class BoundObjectReplaced(InvalidToken):
    """The bound object's name is taken by another one."""


class ObjectLookup(Protocol):
    """Where the checks find live objects."""

    async def find(self, resource: Resource, namespace: str, ref: ObjectRef) -> Object | None:
        """Return the object, or None if there is none.

        One of another UID than `ref.uid` may be returned only if it is certain, not merely cached.
        """
        ...


@dataclass(frozen=True, slots=True)
class ValidToken:
    """Outcome for a good token.

    Attributes:
        user: Whose it is, without `system:authenticated`.
        audiences: Those of the target that the token is for.
        audit_annotations: What the audit log should say about it.
        extended: Whether it lives longer than was asked for, and says when to replace it.
        warnings: Texts for `Warning` headers.
    """

    user: UserInfo
    audiences: tuple[str, ...]
    audit_annotations: dict[str, str] = field(default_factory=dict)
    extended: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenValidator:
    """Validates tokens of the accepted issuers.

    Attributes:
        keys: Trusted public keys.
        issuers: Accepted `iss` values.
        api_audiences: What a token without audiences is for.
        objects: Live objects.
    """

    keys: TrustedKeys
    issuers: frozenset[str]
    api_audiences: tuple[str, ...]
    objects: ObjectLookup

    async def validate(
        self, token: str, target_audiences: Sequence[str], now: datetime
    ) -> ValidToken:
        """Return whose token this is.

        Args:
            token: Compact JWS.
            target_audiences: Who wants to accept it.
            now: Current time.

        Raises:
            InvalidToken: See the list above.
        """
        claims = await self._verify(token)
        annotations: dict[str, str] = {}
        if not claims.audiences:
            annotations[LEGACY_TOKEN] = claims.subject
        audiences = audiences_of(claims.audiences, target_audiences, self.api_audiences)
        check_times(claims, now)
        await self._check_objects(claims, now)
        if claims.warn_after is not None and now > claims.warn_after:  # 7
            late = int((now - claims.warn_after).total_seconds())
            annotations[STALE_TOKEN] = (
                f"subject: {claims.subject}, seconds after warning threshold: {late}"
            )
        extended = claims.warn_after is not None
        return ValidToken(user_of(claims), audiences, annotations, extended)

    async def _verify(self, token: str) -> TokenClaims:
        try:
            if unverified_issuer(jws.unverified_payload(token)) not in self.issuers:  # 1
                raise UnknownIssuer("invalid bearer token")
            parsed = jws.parse_unverified(token)
        except jws.Malformed as error:
            raise UnknownIssuer("invalid bearer token") from error
        try:
            keys = await self.keys.for_token(parsed.key_id)
            return decode_claims(jws.verify(parsed, keys))  # 2
        except (jws.JwsError, MalformedClaims) as error:
            raise BadToken(str(error)) from error

    async def _check_objects(self, claims: TokenClaims, now: datetime) -> None:
        account = claims.service_account
        live = await self._find(SERVICE_ACCOUNTS, claims.namespace, account)  # 5
        if live is None:
            raise AccountGone(f'serviceaccounts "{account.name}" not found')
        if uid_of(live) != account.uid:
            raise AccountGone(
                f"service account UID ({uid_of(live)}) does not match claim ({account.uid})"
            )
        if _deleted_before(live, now - LEEWAY):
            raise AccountGone(f"service account {claims.namespace}/{account.name} has been deleted")
        if claims.secret is not None:  # 6
            await self._check_bound(SECRETS, claims.namespace, claims.secret, now)
        if claims.pod is not None:
            await self._check_bound(PODS, claims.namespace, claims.pod, now)
        elif claims.node is not None:
            await self._check_bound(NODES, "", claims.node, now)

    async def _check_bound(
        self, resource: Resource, namespace: str, ref: ObjectRef, now: datetime
    ) -> None:
        kind = resource.kind.lower()
        live = await self._find(resource, namespace, ref)
        if live is None:
            raise BoundObjectGone("service account token has been invalidated")
        if uid_of(live) != ref.uid:
            raise BoundObjectReplaced(
                f"{kind} UID ({uid_of(live)}) does not match service account {kind} ref claim "
                f"({ref.uid})"
            )
        if _deleted_before(live, now - LEEWAY):
            raise BoundObjectGone("service account token has been invalidated")

    async def _find(self, resource: Resource, namespace: str, ref: ObjectRef) -> Object | None:
        if not ref.name or (resource.namespaced and not namespace):
            return None
        return await self.objects.find(resource, namespace, ref)


def audiences_of(
    audiences: Sequence[str], target: Sequence[str], api_audiences: Sequence[str]
) -> tuple[str, ...]:
    """Return those of the target that a token is for (rule 3).

    Args:
        audiences: Of the token.
        target: Who wants to accept it.
        api_audiences: Whom a token without audiences is for.

    Raises:
        WrongAudience: There is none.
    """
    has = tuple(audiences) or tuple(api_audiences)
    both = tuple(one for one in target if one in has)
    if not both and api_audiences:
        raise WrongAudience(
            f"token audiences {_list(has)} is invalid for the target audiences {_list(target)}"
        )
    return both


def check_times(claims: TokenClaims, now: datetime) -> None:
    """Compare the claims with the clock (rule 4).

    Raises:
        NotYetValid: `nbf` or `iat` is over LEEWAY ahead.
        Expired: `exp` is over LEEWAY ago.
    """
    if claims.not_before is not None and claims.not_before > now + LEEWAY:
        raise NotYetValid("service account token is not valid yet")
    if claims.expires_at is not None and claims.expires_at < now - LEEWAY:
        raise Expired("service account token has expired")
    if claims.issued_at is not None and claims.issued_at > now + LEEWAY:
        raise NotYetValid("service account token is issued in the future")


def _deleted_before(obj: Object, moment: datetime) -> bool:
    deleted = obj.get("metadata", {}).get("deletionTimestamp")
    return bool(deleted) and parse_time(deleted) < moment


def user_of(claims: TokenClaims) -> UserInfo:
    """Return the user that verified claims stand for."""
    extra: dict[str, tuple[str, ...]] = {}
    if claims.token_id:
        extra[CREDENTIAL_ID] = (f"JTI={claims.token_id}",)
    if claims.pod is not None and claims.pod.name and claims.pod.uid:
        extra[POD_NAME] = (claims.pod.name,)
        extra[POD_UID] = (claims.pod.uid,)
    if claims.node is not None and claims.node.name:
        extra[NODE_NAME] = (claims.node.name,)
        if claims.node.uid:
            extra[NODE_UID] = (claims.node.uid,)
    return UserInfo(
        name=username(claims.namespace, claims.service_account.name),
        uid=claims.service_account.uid,
        groups=(ALL_SERVICE_ACCOUNTS, f"{ALL_SERVICE_ACCOUNTS}:{claims.namespace}"),
        extra=extra,
    )


def _list(texts: Sequence[str]) -> str:
    return "[" + " ".join(orjson.dumps(one).decode() for one in texts) + "]"
