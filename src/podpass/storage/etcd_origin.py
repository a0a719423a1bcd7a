"""Where the revisions of a cluster in an etcd begin, if it came from another store.

An etcd counts its own writes and cannot be told to go on at another number. So a cluster that had
higher revisions elsewhere keeps a record beside its keys: what to add to the etcd's revisions, and
below which revision nothing is known here. A cluster that began in its etcd has none.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from podpass.storage.interface import StoreUnavailable


@dataclass(frozen=True, slots=True)
class Origin:
    """The record.

    Attributes:
        offset: The store's revision less the etcd's.
        floor: Store revisions below count as compacted.
        filling: Whether the keys are still being written.
    """

    offset: int = 0
    floor: int = 0
    filling: bool = False


NO_ORIGIN = Origin()


def encode_origin(origin: Origin) -> bytes:
    """Return the record as it is stored."""
    return orjson.dumps({"offset": origin.offset, "floor": origin.floor, "filling": origin.filling})


def decode_origin(stored: bytes) -> Origin:
    """Read a record.

    Raises:
        StoreUnavailable: It is damaged.
    """
    try:
        found = orjson.loads(stored)
        return Origin(int(found["offset"]), int(found["floor"]), bool(found["filling"]))
    except (ValueError, LookupError, TypeError) as error:
        raise StoreUnavailable(
            "etcd: the key .origin below the prefix is damaged; restore a backup"
        ) from error
