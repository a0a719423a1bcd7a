"""Fills the prefix of an etcd.

1. It takes many requests. A mark says that they are under way: nobody opens the store meanwhile,
   and who fills it again after a crash starts over.
2. Each key gets a revision of its own, in order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace as changed

from podpass.storage import etcd_wire as wire
from podpass.storage.etcd_gateway import EtcdAddress, EtcdGateway, GatewayRefusal
from podpass.storage.etcd_origin import Origin, decode_origin, encode_origin
from podpass.storage.filling import StoreNotEmpty
from podpass.storage.interface import KeyValue, StoreRevision, StoreUnavailable


async def fill_etcd(
    address: EtcdAddress,
    prefix: str,
    entries: Iterable[KeyValue],
    *,
    above: StoreRevision,
    replace: bool = False,
) -> StoreRevision:
    """Write `entries` below `prefix`.

    Args:
        address: Where the etcd is.
        prefix: Root of the cluster's keys.
        entries: What to write.
        above: All new revisions are greater.
        replace: Whether keys that are there are removed first.

    Returns:
        The newest revision of a key.

    Raises:
        StoreNotEmpty: There are keys below the prefix.
        StoreUnavailable: The etcd cannot be written.
    """
    gateway = EtcdGateway(address)
    try:
        return await _fill(gateway, wire.keyspace(prefix), entries, above, replace=replace)
    except GatewayRefusal as refusal:
        raise StoreUnavailable(f"etcd: {refusal}") from refusal
    finally:
        await gateway.close()


async def _fill(
    gateway: EtcdGateway,
    keyspace: wire.Keyspace,
    entries: Iterable[KeyValue],
    above: StoreRevision,
    *,
    replace: bool,
) -> StoreRevision:
    async def put(key: str, value: bytes) -> int:
        asked = wire.put(key, value)["request_put"]
        return wire.raw_revision(await gateway.call("kv/put", asked, repeatable=True))

    found = await gateway.call("kv/range", {"key": keyspace.origin}, repeatable=True)
    begun = wire.first_value(found)
    start, end = keyspace.span("/")
    held = await gateway.call(
        "kv/range", {"key": start, "range_end": end, "count_only": True}, repeatable=True
    )
    unfinished = begun is not None and decode_origin(begun).filling
    if int(held.get("count", 0)) and not (replace or unfinished):
        raise StoreNotEmpty(f"the prefix {keyspace.root} of the etcd is not empty")
    before = decode_origin(begun) if begun is not None else Origin()
    above = max(above, StoreRevision(wire.raw_revision(held) + before.offset))
    newest = await put(keyspace.origin, encode_origin(changed(before, filling=True)))  # 1
    await gateway.call("kv/deleterange", {"key": start, "range_end": end}, repeatable=True)
    origin = Origin(offset=max(0, above - newest), filling=True)
    newest = await put(keyspace.origin, encode_origin(origin))
    for entry in entries:  # 2
        newest = await put(keyspace.encode(entry.key), entry.value)
    floor = newest + origin.offset
    await put(keyspace.origin, encode_origin(Origin(origin.offset, floor)))
    return StoreRevision(floor)
