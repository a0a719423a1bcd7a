"""One token that a kubelet holds: when it is looked at again, and what a failure changes.

Pure: the caller hands in `now` and what is left to chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from podpass.base.logs import Secret
from podpass.kubelet.refresh import TokenLifetime

FUTURE_RETRY = timedelta(seconds=30)
"""Wait before a token is looked at again that was issued in the future."""


@dataclass(slots=True)
class HeldToken:
    """A token with its life.

    Attributes:
        token: The token.
        lifetime: Its life; None if the server named none: it is never refreshed.
        refresh_at: The last moment at which it is kept; None if it is never refreshed.
        failures: How many refreshes in a row have failed.
        retry_at: When to look again, if not at the time of the refresh.
    """

    token: Secret
    lifetime: TokenLifetime | None
    refresh_at: datetime | None
    failures: int = 0
    retry_at: datetime | None = None

    @classmethod
    def received(
        cls, token: Secret, lifetime: TokenLifetime | None, slot: float, now: datetime
    ) -> HeldToken:
        """Return a token that has just come in.

        Args:
            token: The token.
            lifetime: Its life; None if the server named none.
            slot: Its place in the period of refreshes, see `kubelet.refresh`.
            now: The time.
        """
        if lifetime is None:
            return cls(token, None, None)
        held = cls(token, lifetime, lifetime.refresh_at(slot))
        if now < lifetime.issued_at:
            # The server's clock is still ahead: look again, but do not ask without pause.
            held.retry_at = now + FUTURE_RETRY
        return held

    def due(self, now: datetime) -> bool:
        """Tell whether a new token should be asked for."""
        if self.lifetime is None or self.refresh_at is None:
            return False
        return self.lifetime.refresh_due(now, self.refresh_at)

    def expired(self, now: datetime) -> bool:
        """Tell whether the token is of no more use."""
        return self.lifetime is not None and self.lifetime.expired(now)

    def next_check(self) -> datetime | None:
        """Return when to look at the token again; None for one that is never refreshed."""
        return self.refresh_at if self.retry_at is None else self.retry_at

    def looked_at(self) -> None:
        """Note that the token was not due: the next look is at its time."""
        self.retry_at = None

    def refresh_failed(self, now: datetime, spread: float) -> None:
        """Set the next attempt.

        Args:
            now: When the attempt failed.
            spread: Chosen by chance, 0 to 1, see `TokenLifetime.retry_delay`.
        """
        if self.lifetime is None:
            return
        self.retry_at = now + self.lifetime.retry_delay(self.failures, spread)
        self.failures += 1
