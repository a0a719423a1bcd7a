"""What a refused client is told, and how fast refusals leave. Pure.

Who ignores `Retry-After` and asks again at once would turn refusals into the load that they are
meant to end. A few leave at once; in a flood each waits its turn, at most as long as the client
was asked to wait anyway.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from podpass.api import errors
from podpass.api.errors import StatusError

RETRY_AFTER_SECONDS: Final = 1
_PER_SECOND: Final = 500.0
_MAXIMUM_DELAY: Final = float(RETRY_AFTER_SECONDS)

Reason: TypeAlias = Literal["queue-full", "time-out", "concurrency-limit"]
"""Why a request was refused; label values of upstream."""


def too_busy() -> StatusError:
    """429: come back after RETRY_AFTER_SECONDS."""
    return errors.too_many_requests(
        "Too many requests, please try again later.", RETRY_AFTER_SECONDS
    )


class RefusalPace:
    """Spreads refusals."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 0.0

    def delay(self, now: float) -> float:
        """Return how many seconds the next refusal should wait.

        Args:
            now: Seconds of a clock that never goes back.
        """
        turn = min(max(now, self._next), now + _MAXIMUM_DELAY)
        self._next = turn + 1 / _PER_SECOND
        return turn - now
