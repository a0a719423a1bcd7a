"""How many connections a server keeps open at the same time.

Each costs a file and some 50 KiB; without files a server can take no connection at all, not even
that of who would repair it, and its store fails too.
"""

from __future__ import annotations

import resource
from typing import Final

MAXIMUM_CONNECTIONS: Final = 4000
"""Some 200 MiB."""

_OTHER_FILES: Final = 4
"""Of so many files one is not for connections: the store, logs, workers, refusals."""


def maximum_connections() -> int:
    """Return how many connections may be open, after asking the system for as many files."""
    wanted = MAXIMUM_CONNECTIONS * _OTHER_FILES // (_OTHER_FILES - 1) + 1
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return share_of_files(wanted if soft == resource.RLIM_INFINITY else soft)


def share_of_files(files: int) -> int:
    """Return how many of the files that a process may open are for connections."""
    return max(1, min(MAXIMUM_CONNECTIONS, files - files // _OTHER_FILES))
