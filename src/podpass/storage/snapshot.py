"""All keys of a store at one revision, as lines of JSON; the same for every engine.

1. The keys are read page by page at one revision, from a store that may be written meanwhile.
2. First a line with the revision, then one for each key, last one with their number: a snapshot
   that lost its end is noticed.
3. Values travel in base64, for a store knows bytes.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from typing import IO

import orjson

from podpass.storage.interface import Compacted, KeyValue, Store, StoreRevision

_ALL_KEYS = "/"
_PAGE = 1000
_FORMAT = "podpass-snapshot/v1"
_ATTEMPTS = 3


class DamagedSnapshot(Exception):
    """What was read is no whole snapshot; says why."""


async def write_snapshot(store: Store, file: IO[bytes]) -> tuple[StoreRevision, int]:
    """Write all keys of `store` as they stand now.

    Args:
        store: Read at one revision; who writes to it is not held up.
        file: Positioned where the snapshot begins; seekable.

    Returns:
        The revision and the number of keys.

    Raises:
        StoreUnavailable: The store cannot be read.
        Compacted: It forgot the revision again and again before all was read.
        OSError: The file cannot be written.
    """
    start = file.tell()
    for attempt in range(_ATTEMPTS):
        file.seek(start)
        file.truncate()
        try:
            return await _write_at(store, file, await store.current_revision())
        except Compacted:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError  # the loop returns or raises


async def _write_at(
    store: Store, file: IO[bytes], revision: StoreRevision
) -> tuple[StoreRevision, int]:
    _write_line(file, {"format": _FORMAT, "revision": revision})
    count, after, more = 0, "", bool(revision)
    while more:
        page = await store.list(_ALL_KEYS, after=after, limit=_PAGE, revision=revision)
        for entry in page.items:
            _write_line(
                file,
                {
                    "key": entry.key,
                    "value": b64encode(entry.value).decode(),
                    "create": entry.create_revision,
                    "mod": entry.mod_revision,
                },
            )
        count += len(page.items)
        more = bool(page.remaining)
        after = page.items[-1].key if page.items else ""
    _write_line(file, {"keys": count})
    return revision, count


def read_snapshot(lines: Iterable[bytes]) -> tuple[StoreRevision, Iterator[KeyValue]]:
    """Return the revision of a snapshot, and its keys as they are read.

    Args:
        lines: Of a snapshot, for example its open file.

    Raises:
        DamagedSnapshot: This is none, also while the keys are read.
    """
    rest = iter(lines)
    try:
        first = orjson.loads(next(rest, b""))
        if first["format"] != _FORMAT:
            raise DamagedSnapshot(f"its format is {first['format']}, not {_FORMAT}")
        revision = StoreRevision(int(first["revision"]))
    except (ValueError, LookupError, TypeError) as error:
        raise DamagedSnapshot(f"its first line cannot be read: {error}") from error
    return revision, _entries(rest)


def _entries(lines: Iterator[bytes]) -> Iterator[KeyValue]:
    count, last = 0, ""
    for line in lines:
        try:
            found = orjson.loads(line)
            if "keys" in found:
                if found["keys"] != count or next(lines, None) is not None:
                    raise DamagedSnapshot("it has not as many keys as it says")
                return
            entry = KeyValue(
                found["key"],
                b64decode(found["value"], validate=True),
                StoreRevision(found["create"]),
                StoreRevision(found["mod"]),
            )
        except (binascii.Error, ValueError, LookupError, TypeError) as error:
            raise DamagedSnapshot(f"the line of key {count + 1} cannot be read") from error
        if not entry.key.startswith(_ALL_KEYS) or entry.key <= last:
            raise DamagedSnapshot(f"key {count + 1} is not in its place")
        count, last = count + 1, entry.key
        yield entry
    raise DamagedSnapshot("its end is missing")


def _write_line(file: IO[bytes], content: object) -> None:
    file.write(orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE))
