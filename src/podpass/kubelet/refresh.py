"""When a projected service account token must be fetched again.

The kubelet keeps one token per projected volume source and asks this module, at each use, whether
the copy is still good enough. Nothing here sleeps or reads a clock.

Rules, first match wins:

1. `now` is before the token was issued       -> refresh (a clock was ahead when it was issued; the
   token may not be valid yet, and would otherwise stay for most of a life that starts later)
2. the token is older than MAX_AGE            -> refresh (long-lived tokens turn over daily)
3. only a fifth of its life or less is left   -> refresh
4. otherwise                                  -> keep

`jitter` moves rules 2 and 3 earlier, never later, so that the pods of a restarted node do not ask
all at once. Times are aware UTC datetimes, spans are timedeltas.

Source: Kubernetes v1.36, `pkg/kubelet/token/token_manager.go`, `requiresRefresh`; rule 1 is ours
(kubernetes#132993).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

MAX_AGE = timedelta(hours=24)
MAX_JITTER = timedelta(seconds=10)
JITTER_SHARE = 60
"""A token's jitter is at most this part of its life: lives below ten minutes exist in tests only,
and ten seconds would be most of them."""
KEPT_SHARE = 5
"""The part of its life that a token has left when it is refreshed: a fifth."""


@dataclass(frozen=True, slots=True)
class TokenLifetime:
    """The part of an issued token that decides its refresh.

    Attributes:
        issued_at: Start of the life: `status.expirationTimestamp` minus `spec.expirationSeconds`.
        expires_at: End of the life: `status.expirationTimestamp`.
    """

    issued_at: datetime
    expires_at: datetime

    @property
    def maximum_jitter(self) -> timedelta:
        """How much earlier than the rules this token may be refreshed."""
        return min(MAX_JITTER, (self.expires_at - self.issued_at) / JITTER_SHARE)

    def refresh_at(self, jitter: timedelta) -> datetime:
        """Return the last moment at which rules 2 and 3 keep the token.

        Args:
            jitter: How much earlier than the rules to act; 0 to `maximum_jitter`.

        Raises:
            ValueError: `jitter` is outside its range.
        """
        if not timedelta(0) <= jitter <= self.maximum_jitter:
            raise ValueError(f"jitter must be 0 to {self.maximum_jitter}, got {jitter}")
        whole_seconds = (self.expires_at - self.issued_at) // timedelta(seconds=1)
        kept = timedelta(seconds=whole_seconds // KEPT_SHARE)
        return min(self.issued_at + MAX_AGE, self.expires_at - kept) - jitter

    def refresh_due(self, now: datetime, jitter: timedelta) -> bool:
        """Tell whether a new token should be asked for.

        Raises:
            ValueError: `jitter` is outside its range.
        """
        return now < self.issued_at or now > self.refresh_at(jitter)

    def expired(self, now: datetime) -> bool:
        """Tell whether the token is of no more use."""
        return now > self.expires_at
