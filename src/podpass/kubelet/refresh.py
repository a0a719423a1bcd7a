"""When a projected service account token must be fetched again.

The kubelet keeps one token per projected volume source and asks this module, at each use, whether
the copy is still good enough. Nothing here sleeps or reads a clock.

Rules, first match wins:

1. `now` is before the token was issued       -> refresh (a clock was ahead when it was issued; the
   token may not be valid yet, and would otherwise stay for most of a life that starts later)
2. the token's slot has come                  -> refresh
3. otherwise                                  -> keep

Slots spread the requests of pods that were started together. The *period* of a token is the
longest time that it may be kept: 24 hours, or until only a fifth of its life is left. Every token
has its own point in that period, its slot, and comes back to it again and again: it is refreshed
once a period, at the end of it, while all tokens of a cluster fill the period evenly. Only the
first refreshes of a token come earlier, to bring it to its slot from whenever its pod was started:
never before a quarter of the period, never behind its end.

Times are aware UTC datetimes, spans are timedeltas.

Source: KEP-1205 for the ends of the period (80 % of the life, 24 hours); slots and rule 1 are ours
(kubernetes#124646, kubernetes#128146, kubernetes#132993).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MAX_AGE = timedelta(hours=24)
KEPT_SHARE = 5
"""The part of its life that a token has left when its period ends: a fifth."""
FLOOR = 0.15
"""The part of its life that a token has left at the least, while an API server answers."""
EARLIEST_SHARE = 4
"""No token is refreshed before this part of its period: a quarter."""
FIRST_RETRY = timedelta(seconds=1)
"""Wait after a failed refresh; doubles up to MAX_RETRY."""
MAX_RETRY = timedelta(seconds=60)
MIN_RETRY = timedelta(seconds=0.5)
RETRY_SHARE = 60
"""No wait is longer than this part of the life: three of them fit in before FLOOR is reached."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


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
    def period(self) -> timedelta:
        """How long the token may be kept: to 80 % of its life, or 24 hours."""
        life = self.expires_at - self.issued_at
        kept = timedelta(seconds=life // _SECOND // KEPT_SHARE)
        return min(MAX_AGE, life - kept)

    def refresh_at(self, slot: float) -> datetime:
        """Return the last moment at which rule 2 keeps the token.

        The next time of the slot lies up to a period ahead. Where it is less than a quarter of the
        period away, the token is kept for the period less three times that span: whoever is close
        behind its slot then, because clocks differ, is kept for nearly a whole period, and no two
        neighbours are torn apart.

        Args:
            slot: The token's own place in its period, from 0 to below 1.

        Raises:
            ValueError: `slot` is outside its range.
        """
        if not 0 <= slot < 1:
            raise ValueError(f"slot must be from 0 to below 1, got {slot}")
        period = self.period
        if not period:
            return self.issued_at
        # Whole seconds, like the times of issue: a token fetched in its slot is never before it.
        offset = timedelta(seconds=int(slot * (period // _SECOND)))
        age = period - (self.issued_at + period - _EPOCH - offset) % period
        if age * EARLIEST_SHARE < period:
            age = period - age * (EARLIEST_SHARE - 1)
        return self.issued_at + age

    def refresh_due(self, now: datetime, refresh_at: datetime) -> bool:
        """Tell whether a new token should be asked for.

        Args:
            now: The time.
            refresh_at: What `refresh_at` returned for the token's slot; it never changes.
        """
        return now < self.issued_at or now > refresh_at

    def retry_delay(self, failures: int, spread: float) -> timedelta:
        """Return how long to wait after a refresh has failed.

        Args:
            failures: How many had failed before.
            spread: Chosen by chance, 0 to 1: shortens the wait by up to a half, so that those who
                failed together do not come back together.
        """
        longest = min(MAX_RETRY, max(MIN_RETRY, (self.expires_at - self.issued_at) / RETRY_SHARE))
        return min(longest, FIRST_RETRY * (1 << min(failures, 10))) * (1 - spread / 2)

    def expired(self, now: datetime) -> bool:
        """Tell whether the token is of no more use."""
        return now > self.expires_at
