"""Progress of long steps on stderr: one line that changes on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from typing import TextIO


class Progress:
    """Shows what is being waited for, and how long it took.

    Attributes:
        stream: Where it is shown.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self._live = self.stream.isatty()
        self._started = time.monotonic()
        self._shown = ""

    def show(self, text: str) -> None:
        """Say what is under way; the same text again says nothing."""
        if text == self._shown:
            return
        self._shown = text
        if self._live:
            self.stream.write(f"\r\x1b[K{self._elapsed()} {text}")
        else:
            self.stream.write(f"{self._elapsed()} {text}\n")
        self.stream.flush()

    def done(self, text: str) -> None:
        """Say that it is done, on a line of its own."""
        start = "\r\x1b[K" if self._live else ""
        self.stream.write(f"{start}{self._elapsed()} {text}\n")
        self.stream.flush()
        self._shown = ""

    def _elapsed(self) -> str:
        return f"[{time.monotonic() - self._started:5.1f}s]"
