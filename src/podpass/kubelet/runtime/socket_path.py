"""Unix socket addresses for paths of any length; the kernel takes 107 bytes."""

from __future__ import annotations

import os

MAX_ADDRESS = 107
"""Bytes of a path that fit into sockaddr_un (unix(7))."""


class short_address:  # noqa: N801 - used like a function, and contextlib is too big for sandboxes
    """Give an address that stands for `path` while the context is open."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._directory = -1

    def __enter__(self) -> str:
        if len(os.fsencode(self._path)) <= MAX_ADDRESS:
            return self._path
        directory, _, name = self._path.rpartition("/")
        self._directory = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._directory}/{name}"

    def __exit__(self, *exception: object) -> None:
        if self._directory >= 0:
            os.close(self._directory)
