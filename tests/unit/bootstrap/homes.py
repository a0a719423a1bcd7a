"""A home as `podpass up` makes it, without starting anything."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import orjson

from podpass.bootstrap.audit import keep_audit_policy
from podpass.bootstrap.backup import store_location
from podpass.bootstrap.cluster import Cluster, load_cluster, make_nodes
from podpass.bootstrap.home import Home
from podpass.bootstrap.operator_seed import cluster_seed, operator_settings
from podpass.bootstrap.prepare import prepare_home
from podpass.operator.seed import initial_objects
from podpass.storage.interface import KeyValue
from podpass.storage.location import open_store

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PORT = 1  # nobody answers there


def make_home(root: Path, *, audit_policy: Path | None = None) -> Home:
    """Return a home with the first objects of the operator, and a Secret with odd bytes."""
    home = Home(root)
    cluster = Cluster(
        port=PORT,
        nodes=make_nodes(1),
        signing_algorithm="ES256",
        audit_policy=keep_audit_policy(home, audit_policy),
    )
    prepare_home(home, cluster, now=NOW)
    home.seeded_file.write_bytes(b"")
    settings = operator_settings(home, cluster)

    async def fill() -> None:
        store = await open_store(store_location(home, cluster))
        for obj in initial_objects(cluster_seed(home, cluster), settings, now=NOW):
            metadata = obj["metadata"]
            place = metadata.get("namespace", "-")
            key = f"/registry/x/{obj['kind'].lower()}/{place}/{metadata['name']}"
            await store.create(key, orjson.dumps(obj))
        await store.create("/registry/core/secrets/default/odd", b"\x00\xff")
        await store.close()

    asyncio.run(fill())
    return home


def entries_of(home: Home) -> tuple[int, dict[str, KeyValue]]:
    """Return revision and content of a home's store."""

    async def read() -> tuple[int, dict[str, KeyValue]]:
        store = await open_store(store_location(home, load_cluster(home.cluster_file)))
        try:
            listing = await store.list("/")
            return listing.revision, {one.key: one for one in listing.items}
        finally:
            await store.close()

    return asyncio.run(read())


def tree(root: Path) -> dict[str, bytes]:
    """Return the content of all files below `root`, but for the lock."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path != root / "lock"
    }
