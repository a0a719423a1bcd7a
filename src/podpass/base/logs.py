"""One line an event on stderr; secrets never print.

A line is `TIME LEVEL component message key=value ...`. Wrap what must not be seen in `Secret`;
as a second net, everything that looks like a JWT is replaced before a line is written.
"""

from __future__ import annotations

import logging
import re
import sys

_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


class Secret:
    """A value that does not show itself in logs, errors or reprs."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value, at the place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(...)"

    __str__ = __repr__


def redact(text: str) -> str:
    """Return `text` with every JWT replaced by a mark."""
    return _JWT.sub("[token]", text)


class _RedactingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def configure_logging(*, verbose: bool = False) -> None:
    """Send the process's log lines to stderr, redacted."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_RedactingFormatter(_FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("aiohttp").setLevel(logging.WARNING)
