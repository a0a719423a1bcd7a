"""Who makes a request: client certificate, bearer token, or nobody.

1. A client certificate with a common name decides.
2. A bearer token that is bad is an error, never anonymous. What stands behind a second space is
   not looked at; two spaces right after `Bearer` are no token at all, and a warning.
3. Everybody else is `system:anonymous`, if that is allowed.
4. A token of the form of bootstrap tokens is judged as one (`bootstrap_tokens`).
5. Successes count for ten seconds (`token_cache`), with their annotations and warnings. Lookups of
   one token at one time are one lookup (`shared_lookups`).

Why a token was refused goes to the log; the client sees 401. A TokenReview tells, in the form
`[invalid bearer token, <reason>]`. Source: apiserver `authentication/request/*` and
`pkg/registry/authentication/tokenreview`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from podpass.api import errors
from podpass.api.bootstrap_token import split_token
from podpass.api.errors import StatusError
from podpass.api.meta import UserInfo
from podpass.api.resources import Object
from podpass.apiserver.bootstrap_tokens import BootstrapTokens
from podpass.apiserver.client_certificate import CertificateUsers
from podpass.apiserver.legacy_tokens import LegacyTokens
from podpass.apiserver.live_objects import LiveObjects
from podpass.apiserver.metrics import Metrics
from podpass.apiserver.object_reader import ObjectReader
from podpass.apiserver.shared_lookups import SharedLookups
from podpass.apiserver.token_cache import TokenCache
from podpass.base.clock import Clock
from podpass.serviceaccount.legacy import is_legacy
from podpass.serviceaccount.trusted_keys import TrustedKeys
from podpass.serviceaccount.validation import (
    LEGACY_TOKEN,
    STALE_TOKEN,
    InvalidToken,
    TokenValidator,
    ValidToken,
)

AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"
ANONYMOUS = UserInfo("system:anonymous", groups=(UNAUTHENTICATED,))
_INVALID = "invalid bearer token"
_EXTRA_SPACE = (
    "the provided Authorization header contains extra space before the bearer token, and is ignored"
)

_log = logging.getLogger("authentication")


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Who makes a request.

    Attributes:
        user: Name, groups and what else is known.
        audit_annotations: What the audit log should say.
        warnings: Texts for `Warning` headers.
    """

    user: UserInfo
    audit_annotations: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def bearer_token(authorization: str | None) -> str:
    """Return the token of an `Authorization` header, empty if it carries none (rule 2)."""
    parts = (authorization or "").strip().split(" ", 2)
    if len(parts) == 1 or parts[0].lower() != "bearer":
        return ""
    return parts[1]


def _with_authenticated(user: UserInfo) -> UserInfo:
    if AUTHENTICATED in user.groups:
        return user
    return replace(user, groups=(*user.groups, AUTHENTICATED))


class Authenticator:
    """Authenticates requests and reviews tokens."""

    def __init__(
        self,
        *,
        keys: TrustedKeys,
        issuers: Sequence[str],
        api_audiences: Sequence[str],
        reader: ObjectReader,
        clock: Clock,
        anonymous: bool = True,
        metrics: Metrics | None = None,
        legacy: LegacyTokens | None = None,
    ) -> None:
        """Accept tokens of `issuers` signed by `keys`.

        Args:
            keys: Trusted public keys.
            issuers: Accepted issuers; the first is the one that signs.
            api_audiences: Who requests to this server are for; the issuers if empty.
            reader: Live objects.
            clock: Time.
            anonymous: Whether a request without credentials is let through as nobody.
            metrics: Counts kinds of tokens, and what the cache does.
            legacy: Judges tokens of Secrets, before all others; None refuses them.
        """
        self.api_audiences = tuple(api_audiences) or tuple(issuers)
        live = LiveObjects(reader)
        self._validator = TokenValidator(keys, frozenset(issuers), self.api_audiences, live)
        self._bootstrap = BootstrapTokens(live, self.api_audiences)
        self._clock = clock
        self._anonymous = anonymous
        self._metrics = metrics or Metrics()
        self._legacy = legacy
        self._certificates = CertificateUsers()
        self._successes: TokenCache[ValidToken] = TokenCache(clock)
        self._lookups: SharedLookups[ValidToken] = SharedLookups()

    async def authenticate(
        self, authorization: str | None, client_certificate: bytes | None
    ) -> Authenticated:
        """Return who makes a request.

        Args:
            authorization: The header, if there is one.
            client_certificate: DER; already verified by TLS against the client CA.

        Raises:
            StatusError: 401.
        """
        if client_certificate is not None:
            known = self._certificates.user_of(client_certificate, self._clock.now())
            if known is None:
                _log.warning("refused: the client certificate has expired or cannot be read")
                raise errors.unauthorized()
            if known.user is not None:  # 1
                return Authenticated(_with_authenticated(known.user))
        token = bearer_token(authorization)
        if token:
            try:
                valid = await self._validate(token, self.api_audiences)
            except InvalidToken as error:  # 2
                _log.warning("refused: %s", error)
                raise errors.unauthorized() from None
            return Authenticated(valid.user, valid.audit_annotations, valid.warnings)
        if not self._anonymous:
            raise errors.unauthorized()
        ignored = (authorization or "").strip().lower().startswith("bearer  ")
        return Authenticated(ANONYMOUS, warnings=(_EXTRA_SPACE,) if ignored else ())  # 3

    async def review(self, token: str, audiences: Sequence[str]) -> Object:
        """Return the status of a TokenReview.

        Args:
            token: What somebody presented to the reviewer.
            audiences: Who the reviewer is; the API server if empty.
        """
        bare = bearer_token(f"Bearer {token}")
        try:
            if not bare:
                raise InvalidToken(_INVALID)
            valid = await self._validate(bare, tuple(audiences) or self.api_audiences)
        except InvalidToken as error:
            texts = list(dict.fromkeys((_INVALID, str(error))))
            shown = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
            return {"user": {}, "error": shown}
        return {
            "authenticated": True,
            "user": valid.user.to_json(),
            "audiences": list(valid.audiences),
        }

    async def _validate(self, token: str, audiences: Sequence[str]) -> ValidToken:
        started = self._clock.monotonic()
        key = self._successes.key(token, audiences)
        valid = self._successes.get(key)
        status = "hit"
        try:
            if valid is None:  # 5
                status = "miss"
                valid = await self._shared(key, token, audiences)
        finally:
            self._metrics.authentication.looked_up(status, self._clock.monotonic() - started)
        return valid

    async def _shared(self, key: bytes, token: str, audiences: Sequence[str]) -> ValidToken:
        async def fetch() -> ValidToken:
            valid = await self._fetch(token, audiences)
            self._successes.put(key, valid)
            return valid

        counts, joins = self._metrics.authentication, self._lookups.joins(key)
        counts.blocked(joins)
        try:
            return await self._lookups.get(key, fetch)
        except (InvalidToken, StatusError):
            raise
        except Exception as error:  # noqa: BLE001 - logged, and an internal error to the client
            # No details: what went wrong may hold parts of the token.
            _log.error("authentication failed unexpectedly: %s", type(error).__name__)
            raise errors.internal("authentication failed unexpectedly") from None
        finally:
            counts.blocked(-joins)

    async def _fetch(self, token: str, audiences: Sequence[str]) -> ValidToken:
        counts = self._metrics.authentication
        counts.fetch_begins()
        outcome = "error"
        try:
            valid = await self._judge(token, audiences)
            outcome = "ok"
        finally:
            counts.fetch_ended(outcome)
        self._count(valid)
        return replace(valid, user=_with_authenticated(valid.user))

    async def _judge(self, token: str, audiences: Sequence[str]) -> ValidToken:
        if split_token(token) is not None:  # 4
            return await self._bootstrap.validate(token, audiences, self._clock.now())
        if self._legacy is not None and is_legacy(token):
            return await self._legacy.validate(token, audiences)
        return await self._validator.validate(token, audiences, self._clock.now())

    def _count(self, valid: ValidToken) -> None:
        tokens = self._metrics.tokens
        if LEGACY_TOKEN in valid.audit_annotations:
            tokens.legacy.inc()
        if valid.extended:
            (tokens.stale if STALE_TOKEN in valid.audit_annotations else tokens.valid).inc()
