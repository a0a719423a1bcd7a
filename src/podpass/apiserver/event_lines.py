"""The lines of the last watch events, each encoded once for all who watch.

Watchers of a change take it in the same turns of the loop, so a few lines are enough: they are kept
until there are too many, then all are forgotten, and encoded again for who comes late.
"""

from __future__ import annotations

from typing import Final, Literal

import orjson

from podpass.api import tables
from podpass.storage.stored_object import StoredObject

MOST_LINES: Final = 256
MOST_BYTES: Final = 2 * 1024 * 1024

SharedForm = Literal["object", "metadata"]
"""Representations that are the same for everybody; a Table depends on what its watcher has seen."""


class EventLines:
    """Encodes the events of all watches of a server."""

    def __init__(self) -> None:
        self._lines: dict[tuple[SharedForm, str, StoredObject], bytes] = {}
        self._bytes = 0

    def line(self, form: SharedForm, type_: str, stored: StoredObject) -> bytes:
        """Return an event as one line of JSON.

        Args:
            form: How the client wants the object.
            type_: As on the wire, e.g. `ADDED`.
            stored: The object; the very one that the other watchers have.
        """
        key = (form, type_, stored)
        known = self._lines.get(key)
        if known is not None:
            return known
        if len(self._lines) >= MOST_LINES or self._bytes > MOST_BYTES:
            self._lines.clear()
            self._bytes = 0
        shown = stored.raw if form == "object" else _metadata(stored)
        made = self._lines[key] = b'{"type":"%b","object":%b}\n' % (type_.encode(), shown)
        self._bytes += len(made)
        return made


def _metadata(stored: StoredObject) -> bytes:
    return orjson.dumps(tables.partial_object_metadata(stored.object))
