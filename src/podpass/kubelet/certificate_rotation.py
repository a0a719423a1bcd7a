"""When a kubelet asks for its next certificate.

1. After 70 to 90 % of the life of the present one; where in between is drawn anew for each
   certificate, so that nodes that joined together do not renew together.
2. At once if it has run out, or begins only later (the clock was set back by more than it was
   backdated): an answer says which clock is right.

Nothing here reads a clock. Source: client-go `util/certificate/certificate_manager.go`,
`nextRotationDeadline`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

EARLIEST_SHARE = 0.7
LATEST_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class CertificateLife:
    """From when to when a certificate is good."""

    not_before: datetime
    not_after: datetime

    def is_good(self, now: datetime) -> bool:
        """Tell whether it can be used."""
        return self.not_before <= now < self.not_after

    def rotation_time(self, share: float) -> datetime:
        """Return when to ask for the next one.

        Args:
            share: Part of the life, EARLIEST_SHARE to LATEST_SHARE.

        Raises:
            ValueError: `share` is outside its range.
        """
        if not EARLIEST_SHARE <= share <= LATEST_SHARE:
            raise ValueError(f"share must be {EARLIEST_SHARE} to {LATEST_SHARE}, got {share}")
        return self.not_before + share * (self.not_after - self.not_before)

    def rotation_due(self, now: datetime, share: float) -> bool:
        """Tell whether it is time to ask for the next one; `share` as in `rotation_time`."""
        return now >= self.rotation_time(share) or not self.is_good(now)

    def until_rotation(self, now: datetime, share: float) -> timedelta:
        """Return how long that is; nothing if it is due."""
        if self.rotation_due(now, share):
            return timedelta(0)
        return self.rotation_time(share) - now
