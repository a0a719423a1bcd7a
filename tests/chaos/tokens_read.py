"""What readers of token files saw, and what must be true of it.

1. A token file is there and whole, whenever it is read.
2. It is not expired, unless the API was out of reach for more than half of the time in which the
   kubelet was to renew it: the last fifth of the token's life.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

RENEWAL_SHARE = 5
"""The part of its life in which a token is renewed at the latest: the last fifth."""
ENOUGH = 0.5


@dataclass(frozen=True, slots=True)
class Reachability:
    """Whether an API server answered, looked at again and again.

    Attributes:
        looks: Moments, and whether any answered; in order. Each counts until the next.
    """

    looks: Sequence[tuple[float, bool]]

    def share(self, start: float, end: float) -> float:
        """Return for which part of a span an API server was in reach; 0 if nobody looked."""
        if end <= start:
            return 0.0
        reached = 0.0
        ends = [moment for moment, _ in self.looks[1:]] + [end]
        for (begin, good), until in zip(self.looks, ends, strict=True):
            if good:
                reached += max(0.0, min(end, until) - max(start, begin))
        return reached / (end - start)


@dataclass(frozen=True, slots=True)
class ExpiredRead:
    """A reader found a token behind its end.

    Attributes:
        file: Which one.
        read_at: When.
        issued_at: Of the token.
        expires_at: Of the token.
    """

    file: str
    read_at: float
    issued_at: float
    expires_at: float


def expiry_problems(expired: Sequence[ExpiredRead], reachability: Reachability) -> list[str]:
    """Return which expired tokens there is no excuse for; one line a token."""
    found: dict[tuple[str, float], str] = {}
    for one in expired:
        renewal = one.expires_at - (one.expires_at - one.issued_at) / RENEWAL_SHARE
        share = reachability.share(renewal, one.read_at)
        if share >= ENOUGH:
            late = one.read_at - one.expires_at
            found[one.file, one.expires_at] = (
                f"{one.file} has expired {late:.1f} s ago, and an API server was in reach for"
                f" {share:.0%} of the time since it was due"
            )
    return list(found.values())
