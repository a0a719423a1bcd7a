"""Objects as they are stored and as they are sent.

1. Stored: JSON with apiVersion, kind and metadata first, and no `metadata.resourceVersion`.
2. Sent: the same bytes with the resourceVersion spliced in behind `"metadata":{`, once, when the
   value is read; nothing is encoded again afterwards.
3. `object` decodes on first use and is shared: whoever reads it must not change it.
"""

from __future__ import annotations

import orjson

from podpass.api.resources import Object, Resource
from podpass.storage.interface import KeyValue, StoreRevision

_METADATA = b'"metadata":{'


class StoredObject:
    """One object at one revision.

    Attributes:
        key: Storage key.
        revision: Store revision, on the wire the resourceVersion.
        raw: The whole object in JSON, with its resourceVersion.
    """

    __slots__ = ("_object", "key", "raw", "revision")

    def __init__(self, key: str, revision: StoreRevision, raw: bytes) -> None:
        self.key = key
        self.revision = revision
        self.raw = raw
        self._object: Object | None = None

    @property
    def object(self) -> Object:
        """The decoded object; read-only, shared with everybody who has this entry."""
        if self._object is None:
            self._object = orjson.loads(self.raw)
        return self._object

    def __repr__(self) -> str:
        return f"StoredObject({self.key} at {self.revision})"


def encode_value(obj: Object) -> bytes:
    """Return `obj` as it is stored (rule 1); `obj` stays as it is."""
    metadata = obj["metadata"]
    if "resourceVersion" in metadata:
        metadata = {key: part for key, part in metadata.items() if key != "resourceVersion"}
    return orjson.dumps(
        {
            "apiVersion": obj["apiVersion"],
            "kind": obj["kind"],
            "metadata": metadata,
            **{key: obj[key] for key in obj if key not in ("apiVersion", "kind", "metadata")},
        }
    )


def load_value(key: str, revision: StoreRevision, value: bytes) -> StoredObject:
    """Return the stored `value` as it stands at `revision` (rule 2)."""
    head, mark, rest = value.partition(_METADATA)
    comma = b"" if rest.startswith(b"}") else b","
    return StoredObject(
        key, revision, b'%b%b"resourceVersion":"%d"%b%b' % (head, mark, revision, comma, rest)
    )


def load(entry: KeyValue) -> StoredObject:
    """Return what the store gave as an object."""
    return load_value(entry.key, entry.mod_revision, entry.value)


def load_as(resource: Resource, entry: KeyValue) -> StoredObject:
    """Return what the store gave as an object of this resource's version."""
    if resource.custom is None:
        return load(entry)
    return load_value(entry.key, entry.mod_revision, resource.custom.from_storage(entry.value))


def encode_as(resource: Resource, obj: Object) -> bytes:
    """Return `obj` as it is stored, custom kinds in their storage version."""
    return encode_value(obj if resource.custom is None else resource.custom.to_storage(obj))


def at_revision(stored: StoredObject, revision: StoreRevision) -> StoredObject:
    """Return the same object with another resourceVersion, e.g. that of its deletion."""
    old = b'%b"resourceVersion":"%d"' % (_METADATA, stored.revision)
    new = b'%b"resourceVersion":"%d"' % (_METADATA, revision)
    return StoredObject(stored.key, revision, stored.raw.replace(old, new, 1))
