"""The token of a projected volume, right through every rotation.

1. Every `read` looks at the file's state, which costs some microseconds, and reads it again only
   when that has changed. The link `..data` is looked at before the file, so that a switch in
   between is seen the next time at the latest.
2. Nobody is given an empty or torn value. While the file is not readable, or not whole, the value
   before stays good until it expires.
3. After a 401, `refused` reads the file whatever its state says; if it still holds the refused
   token, the next such read waits, longer each time.
4. `rotations` and `async_rotations` tell of each new token, for connections that live longer than
   a token. They wait with watchfiles on the directory if it is installed, else they look now and
   then.

The file is small and in memory, so reading it does not hold up an event loop. Source:
kubernetes.io, "Configure Service Accounts for Pods", on projected tokens; RFC 6750.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from podpass.base.clock import Clock, SystemClock
from podpass.base.tasks import Backoff
from podpass.workload.refusal import TokenUnreadable
from podpass.workload.token_content import HeldToken, NotAToken, read_content
from podpass.workload.token_watch import changes, changes_async

SERVICE_ACCOUNT_DIRECTORY = Path("/var/run/secrets/kubernetes.io/serviceaccount")
MAXIMUM_FILE = 64 * 1024
"""Bytes that are read at most."""
FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0

_DATA_LINK = "..data"
_State = tuple[str, int, int, int, int, int]


class TokenFile:
    """A token file and its present token; for threads and for asyncio.

    Attributes:
        path: The file.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = SERVICE_ACCOUNT_DIRECTORY / "token",
        *,
        clock: Clock | None = None,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            path: By default the token for the API server.
            clock: The machine's by default.
        """
        self.path = Path(path)
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._held: HeldToken | None = None
        self._state: _State | None = None
        self._backoff = Backoff(FIRST_WAIT, LONGEST_WAIT)
        self._forced_after = -math.inf

    def __repr__(self) -> str:
        return f"TokenFile({str(self.path)!r})"

    def read(self) -> str:
        """Return the present token (rules 1 and 2).

        Raises:
            TokenUnreadable: The file holds no whole token, and no good one came before.
        """
        with self._lock:
            return self._look(forced=False).text

    def header(self) -> dict[str, str]:
        """Return the header that shows the token.

        Raises:
            TokenUnreadable: As `read`.
        """
        return {"Authorization": f"Bearer {self.read()}"}

    def refused(self, token: str) -> str | None:
        """Take note of a 401 (rule 3).

        Args:
            token: What was shown.

        Returns:
            Another token, with which to ask once more, or None.
        """
        with self._lock:
            at = self._clock.monotonic()
            forced = at >= self._forced_after
            try:
                present = self._look(forced=forced).text
            except TokenUnreadable:
                present = token
            if present != token:
                self._backoff.reset()
                self._forced_after = -math.inf
                return present
            if forced:
                self._forced_after = at + self._backoff.next_delay()
            return None

    def rotations(self, stop: threading.Event, *, interval: float = 1.0) -> Iterator[str]:
        """Yield the present token, then each new one (rule 4).

        Args:
            stop: Set by whoever wants this to end.
            interval: Seconds after which to look in any case.
        """
        last = None
        for _ in changes(self.path.parent, stop, interval):
            present = self._or_none()
            if present not in (last, None):
                yield present
                last = present

    async def async_rotations(self, *, interval: float = 1.0) -> AsyncIterator[str]:
        """Yield the present token, then each new one (rule 4); ends when it is cancelled.

        Args:
            interval: Seconds after which to look in any case.
        """
        last = None
        async for _ in changes_async(self.path.parent, self._clock, interval):
            present = self._or_none()
            if present not in (last, None):
                yield present
                last = present

    def _or_none(self) -> str | None:
        try:
            return self.read()
        except TokenUnreadable:
            return None

    def _look(self, *, forced: bool) -> HeldToken:
        try:
            state = self._current_state()
            if forced or self._held is None or state != self._state:
                self._held = read_content(self._content())
                self._state = state
        except (OSError, NotAToken) as error:
            self._state = None  # look again, whatever comes
            problem = f"the token file {self.path} {_words(error)}"
            held = self._held
            if held is None:
                raise TokenUnreadable(problem) from None
            if held.expires_at is not None and held.expires_at < self._clock.now().timestamp():
                raise TokenUnreadable(f"{problem}, and the token before has expired") from None
            return held
        return self._held

    def _current_state(self) -> _State:
        try:
            link = str((self.path.parent / _DATA_LINK).readlink())
        except OSError:
            link = ""
        status = self.path.stat()
        return (
            link,
            status.st_dev,
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
        )

    def _content(self) -> bytes:
        with self.path.open("rb") as file:
            content = file.read(MAXIMUM_FILE + 1)
            if len(content) > MAXIMUM_FILE:
                raise NotAToken(f"has more than {MAXIMUM_FILE} bytes")
            if len(content) != os.fstat(file.fileno()).st_size:
                raise NotAToken("changes while it is read")
        return content


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror}"
    return str(error)
