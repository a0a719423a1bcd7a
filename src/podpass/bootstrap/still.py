"""Two things read as they were at one moment, without holding up who writes them.

Files are read before and after something else is: if they are the same, they were so when that was
read. Else once more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from podpass.bootstrap.home import HomeError

ATTEMPTS: Final = 20
_PAUSE = 0.1
"""Seconds between two attempts; an installer writes the files of a node in less."""

F = TypeVar("F")
S = TypeVar("S")


def read_while_still(
    files: Callable[[], F], other: Callable[[], S], *, pause: float = _PAUSE
) -> tuple[F, S]:
    """Return what both return, when nothing changed meanwhile in what `files` returns.

    Args:
        files: Reads files; one that goes away under its hands is a change too.
        other: Called between two readings of them, once an attempt.
        pause: Seconds between two attempts.

    Raises:
        HomeError: The files changed in every attempt.
        OSError: They cannot be read.
    """
    for _ in range(ATTEMPTS):
        try:
            before = files()
            found = other()
            if files() == before:
                return before, found
        except (FileNotFoundError, NotADirectoryError):
            pass  # removed between its name and its content
        time.sleep(pause)  # noqa: TID251 - waits for other processes
    raise HomeError("files of the nodes change all the time; try again when the rollout is over")
