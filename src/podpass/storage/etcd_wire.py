"""What is said to etcd's JSON gateway and how its answers are read; no I/O.

Keys and values travel in base64, 64-bit numbers as text, and fields with the value zero are left
out (the JSON mapping of Protocol Buffers).

Source: etcd documentation, "API reference: v3" and "Why gRPC gateway".
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from podpass.storage.interface import KeyValue, StoreRevision, StoreUnavailable

Message = Mapping[str, Any]

COMPACTED_TEXT = "required revision has been compacted"
FUTURE_TEXT = "required revision is a future revision"
TOO_LARGE_TEXTS = ("request is too large", "received message larger than max")


@dataclass(frozen=True, slots=True)
class Keyspace:
    """The part of an etcd that belongs to one cluster.

    Attributes:
        root: Prefix of all keys, without a slash at the end.
        offset: What the store's revisions are ahead of the etcd's (`etcd_origin`).
    """

    root: str
    offset: int = 0

    @property
    def marker(self) -> str:
        """A key beside the keys of the store, encoded."""
        return _text(self._bytes(".progress"))

    @property
    def origin(self) -> str:
        """The key of the record of `etcd_origin`, encoded."""
        return _text(self._bytes(".origin"))

    def revision(self, raw: str | int) -> StoreRevision:
        """Return a revision of the etcd as one of the store."""
        return StoreRevision(int(raw) + self.offset)

    def raw(self, revision: int) -> str:
        """Return a revision of the store as the etcd takes it."""
        return str(revision - self.offset)

    def header_revision(self, answer: Message) -> StoreRevision:
        """Return the store's revision at the time of an answer."""
        return self.revision(raw_revision(answer))

    def everything(self) -> tuple[str, str]:
        """Return start and end of all keys, the marker too."""
        return _text(self._bytes(".")), _text(self._bytes("0"))

    def encode(self, key: str) -> str:
        """Return a key as the gateway takes it."""
        return _text(self._bytes(key))

    def decode(self, encoded: str) -> str:
        """Return the key of an answer."""
        return b64decode(encoded).decode().removeprefix(self.root)

    def span(self, prefix: str, after: str = "") -> tuple[str, str]:
        """Return start and end of the keys below `prefix` that sort after `after`.

        The end is the first key that is no longer in; a start at the end means an empty span.
        """
        low = self._bytes(prefix)
        high = low[:-1] + bytes([low[-1] + 1])
        if after:
            low = max(low, self._bytes(after) + b"\0")
        return _text(min(low, high)), _text(high)

    def key_value(self, found: Message) -> KeyValue:
        """Read a `mvccpb.KeyValue`."""
        return KeyValue(
            self.decode(found["key"]),
            b64decode(found.get("value", "")),
            self.revision(found["create_revision"]),
            self.revision(found["mod_revision"]),
        )

    def _bytes(self, key: str) -> bytes:
        return f"{self.root}{key}".encode()


def keyspace(prefix: str) -> Keyspace:
    """Return the part of an etcd below a prefix, as users write one.

    Raises:
        StoreUnavailable: It is empty.
    """
    if not prefix.strip("/"):
        raise StoreUnavailable("the etcd prefix is empty; give one, such as /podpass")
    return Keyspace("/" + prefix.strip("/"))


def put(key: str, value: bytes) -> Message:
    """Return an operation that writes an encoded key."""
    return {"request_put": {"key": key, "value": _text(value)}}


def read(key: str) -> Message:
    """Return an operation that reads an encoded key."""
    return {"request_range": {"key": key}}


def remove(key: str) -> Message:
    """Return an operation that deletes an encoded key."""
    return {"request_delete_range": {"key": key}}


def when_missing(key: str, *, then: Message) -> Message:
    """Return a transaction: `then` if there is no such key."""
    compare = {"key": key, "target": "CREATE", "result": "EQUAL", "create_revision": "0"}
    return {"compare": [compare], "success": [then], "failure": []}


def when_at(revision: str, key: str, *, then: list[Message]) -> Message:
    """Return a transaction: `then` if the key was last written at `revision`, else read it."""
    compare = {"key": key, "target": "MOD", "result": "EQUAL", "mod_revision": revision}
    return {"compare": [compare], "success": then, "failure": [read(key)]}


def raw_revision(answer: Message) -> int:
    """Return the revision of the whole etcd at the time of an answer."""
    return int(answer["header"]["revision"])


def first_value(answer: Message) -> bytes | None:
    """Return the value of the key that was asked for, or None."""
    found = answer.get("kvs")
    return b64decode(found[0].get("value", "")) if found else None


def first_read(answer: Message) -> Message | None:
    """Return the key that the last read of a transaction found."""
    found = answer["responses"][-1].get("response_range", {}).get("kvs")
    return found[0] if found else None


def is_deletion(event: Message) -> bool:
    """Tell a deletion from a write."""
    return bool(event.get("type") == "DELETE")


def is_creation(event: Message) -> bool:
    """Tell the first write of a key from later ones."""
    return bool(event["kv"].get("create_revision") == event["kv"]["mod_revision"])


def _text(data: bytes) -> str:
    return b64encode(data).decode()
