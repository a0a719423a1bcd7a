"""The store in an etcd v3, for clusters of several hosts.

The revision is that of the whole etcd, so it may grow by others' writes too. Defragmentation is
left to those who run the etcd. docs/adr/0016 says why the JSON gateway is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Self

from podpass.storage import etcd_wire as wire
from podpass.storage.etcd_gateway import (
    REQUEST_SECONDS,
    EtcdAddress,
    EtcdGateway,
    GatewayRefusal,
)
from podpass.storage.etcd_origin import NO_ORIGIN, Origin, decode_origin
from podpass.storage.etcd_watch import EtcdWatch
from podpass.storage.interface import (
    Change,
    Compacted,
    FutureRevision,
    KeyExists,
    KeyMissing,
    KeyValue,
    Listing,
    Progress,
    RevisionConflict,
    StoreRevision,
    StoreUnavailable,
)
from podpass.storage.location import DEFAULT_ETCD_PREFIX

_COMPACTED_SECONDS = 2.0


class EtcdStore:
    """Use `await EtcdStore.open(address)`."""

    def __init__(
        self, gateway: EtcdGateway, keyspace: wire.Keyspace, origin: Origin = NO_ORIGIN
    ) -> None:
        self._gateway = gateway
        self._floor = origin.floor
        self._keyspace = keyspace
        self._watches: set[EtcdWatch] = set()
        self._closed = False

    @classmethod
    async def open(
        cls,
        address: EtcdAddress,
        *,
        prefix: str = DEFAULT_ETCD_PREFIX,
        request_seconds: float = REQUEST_SECONDS,
    ) -> Self:
        """Connect to an etcd.

        Args:
            address: Where it is.
            prefix: Root of this cluster's keys.
            request_seconds: How long a member may take to answer.

        Raises:
            StoreUnavailable: No member answers; says why.
        """
        keyspace = wire.keyspace(prefix)
        gateway = EtcdGateway(address, request_seconds=request_seconds)
        try:
            origin = await cls(gateway, keyspace)._origin()  # noqa: SLF001 - its own
        except StoreUnavailable:
            await gateway.close()
            raise
        return cls(gateway, replace(keyspace, offset=origin.offset), origin)

    async def get(self, key: str) -> KeyValue | None:
        answer = await self._range({"key": self._keyspace.encode(key)})
        found = answer.get("kvs")
        return self._keyspace.key_value(found[0]) if found else None

    async def list(
        self,
        prefix: str,
        *,
        after: str = "",
        limit: int = 0,
        revision: StoreRevision | None = None,
    ) -> Listing:
        start, end = self._keyspace.span(prefix, after)
        asked: dict[str, Any] = {"key": start, "range_end": end, "limit": str(limit)}
        if revision is not None:
            self._check_floor(revision)
            asked["revision"] = self._keyspace.raw(revision)
        answer = await self._range(asked, revision=revision)
        items = tuple(self._keyspace.key_value(one) for one in answer.get("kvs", ()))
        remaining = int(answer.get("count", 0)) - len(items)
        return Listing(items, revision or self._keyspace.header_revision(answer), remaining)

    async def create(self, key: str, value: bytes) -> KeyValue:
        encoded = self._keyspace.encode(key)
        answer = await self._write(wire.when_missing(encoded, then=wire.put(encoded, value)))
        if not answer.get("succeeded"):
            raise KeyExists(key)
        revision = self._keyspace.header_revision(answer)
        return KeyValue(key, value, revision, revision)

    async def update(self, key: str, value: bytes, expected_revision: StoreRevision) -> KeyValue:
        encoded = self._keyspace.encode(key)
        answer = await self._write(
            wire.when_at(
                self._keyspace.raw(expected_revision),
                encoded,
                then=[wire.put(encoded, value), wire.read(encoded)],
            )
        )
        found = self._found(key, answer)
        if not answer.get("succeeded"):
            raise RevisionConflict(key, found)
        return found

    async def delete(self, key: str, expected_revision: StoreRevision) -> StoreRevision:
        encoded = self._keyspace.encode(key)
        answer = await self._write(
            wire.when_at(
                self._keyspace.raw(expected_revision), encoded, then=[wire.remove(encoded)]
            )
        )
        if not answer.get("succeeded"):
            raise RevisionConflict(key, self._found(key, answer))
        return self._keyspace.header_revision(answer)

    async def watch(
        self, prefix: str, after_revision: StoreRevision
    ) -> AsyncIterator[Change | Progress]:
        await self._check_kept(after_revision)
        watch = EtcdWatch(
            self._gateway,
            self._keyspace,
            prefix,
            after_revision,
            head=self._head,
            mark=self._mark,
        )
        self._watches.add(watch)
        try:
            async for news in watch.follow(lambda: self._closed):
                yield news
        finally:
            self._watches.discard(watch)

    async def current_revision(self) -> StoreRevision:
        revision = await self._head()
        for watch in self._watches:
            watch.expect(revision)
        return revision

    async def compact(self, revision: StoreRevision) -> None:
        if revision <= self._floor:
            return
        try:
            await self._gateway.call(
                "kv/compaction", {"revision": self._keyspace.raw(revision)}, repeatable=True
            )
        except GatewayRefusal as refusal:
            if wire.FUTURE_TEXT in str(refusal):
                raise FutureRevision(f"revision {revision} was not written yet") from refusal
            if wire.COMPACTED_TEXT not in str(refusal):
                raise StoreUnavailable(f"etcd: {refusal}") from refusal

    async def close(self) -> None:
        self._closed = True
        for watch in self._watches:
            watch.wanted.set()
        await self._gateway.close()

    async def _origin(self) -> Origin:
        stored = wire.first_value(await self._range({"key": self._keyspace.origin}))
        origin = NO_ORIGIN if stored is None else decode_origin(stored)
        if origin.filling:
            raise StoreUnavailable(
                "etcd: a migration or restore to this prefix did not end; run it again"
            )
        return origin

    def _check_floor(self, revision: int) -> None:
        if revision < self._floor:
            raise Compacted(revision, self._floor)

    async def _head(self) -> StoreRevision:
        asked = {"key": self._keyspace.marker, "keys_only": True}
        return self._keyspace.header_revision(await self._range(asked))

    async def _mark(self) -> None:
        marker = wire.put(self._keyspace.marker, b"")
        await self._gateway.call("kv/put", marker["request_put"], repeatable=True)

    async def _range(self, asked: wire.Message, *, revision: int | None = None) -> Any:
        try:
            return await self._gateway.call("kv/range", asked, repeatable=True)
        except GatewayRefusal as refusal:
            if wire.FUTURE_TEXT in str(refusal):
                raise FutureRevision(f"revision {revision} was not written yet") from refusal
            if wire.COMPACTED_TEXT in str(refusal):
                raise Compacted(revision or 0, await self._compact_revision()) from refusal
            raise StoreUnavailable(f"etcd: {refusal}") from refusal

    async def _write(self, transaction: wire.Message) -> Any:
        try:
            return await self._gateway.call("kv/txn", transaction, repeatable=False)
        except GatewayRefusal as refusal:
            if any(text in str(refusal) for text in wire.TOO_LARGE_TEXTS):
                raise StoreUnavailable(
                    "etcd: the object is larger than its request limit (--max-request-bytes)"
                ) from refusal
            raise StoreUnavailable(f"etcd: {refusal}") from refusal

    def _found(self, key: str, answer: wire.Message) -> KeyValue:
        found = wire.first_read(answer)
        if found is None:
            raise KeyMissing(key)
        return self._keyspace.key_value(found)

    async def _check_kept(self, after: StoreRevision) -> None:
        """Refuse a watch from the past at once rather than with its first message."""
        self._check_floor(after)
        raw = max("1", self._keyspace.raw(after), key=int)
        asked = {"key": self._keyspace.marker, "revision": raw}
        try:
            await self._range(asked, revision=after)
        except FutureRevision:
            return

    async def _compact_revision(self) -> int:
        """Ask for the oldest revision that is kept: a watch from the start is refused with it."""
        request = {"key": self._keyspace.marker, "start_revision": "1"}
        async with asyncio.timeout(_COMPACTED_SECONDS):
            async for message in self._gateway.stream("watch", {"create_request": request}):
                if compacted := int(message.get("compact_revision", 0)):
                    return self._keyspace.revision(compacted)
        raise StoreUnavailable("etcd: it did not say what it compacted")
