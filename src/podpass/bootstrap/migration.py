"""Move the objects of a cluster that is down to the other engine.

1. The source is only read; a migration that fails leaves the home as it was.
2. What the home says of its store changes last: `cluster.json`, then the nodes. A migration that
   was killed between the two is ended by the next attempt.
3. Revisions go on above the source's.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from podpass.base.files import write_file
from podpass.bootstrap.backup import (
    DATABASE,
    engine_of,
    load_own_cluster,
    snapshot_store,
    store_location,
)
from podpass.bootstrap.cluster import Cluster, save_cluster
from podpass.bootstrap.etcd_client import copy_client_files
from podpass.bootstrap.home import Home, HomeError
from podpass.bootstrap.lifecycle import check_stopped, locked
from podpass.bootstrap.relocation import Relocation
from podpass.storage.filling import fill_store
from podpass.storage.interface import StoreError, StoreRevision
from podpass.storage.location import DEFAULT_ETCD_PREFIX
from podpass.storage.snapshot import read_snapshot


def migrate(
    home: Home,
    *,
    etcd_servers: str,
    etcd_files: Sequence[Path | None] = (None, None, None),
    etcd_prefix: str = DEFAULT_ETCD_PREFIX,
) -> int:
    """Move the objects.

    Args:
        home: Of a cluster that is down.
        etcd_servers: Members of the etcd, with commas between; empty for the home's own database.
        etcd_files: CA, client certificate and key for it, or None for each.
        etcd_prefix: Root of the keys in it.

    Returns:
        How many objects there are.

    Raises:
        HomeError: The cluster runs, the target is the source or holds keys, or a disk or an etcd
            refused.
    """
    with locked(home):
        before = load_own_cluster(home)
        check_stopped(home, before)
        if bool(etcd_servers) == bool(before.etcd_servers):
            _relocate_nodes(home, before)  # 2
            raise HomeError(f"the objects are in {engine_of(before)} already")
        if not etcd_servers and (home.store / DATABASE).exists():
            raise HomeError(
                f"{home.store / DATABASE} is there from an earlier time; move it away first"
            )
        try:
            return _migrate(home, before, etcd_servers, etcd_files, etcd_prefix)
        except StoreError as error:
            raise HomeError(f"{error}; the cluster is as it was") from error
        except OSError as error:
            raise HomeError(f"cannot write the home {home.root}: {error}") from error


def _migrate(
    home: Home,
    before: Cluster,
    etcd_servers: str,
    etcd_files: Sequence[Path | None],
    etcd_prefix: str,
) -> int:
    after = replace(
        before,
        etcd_servers=etcd_servers,
        etcd_prefix=etcd_prefix,
        etcd_client_files=bool(etcd_servers) and copy_client_files(home, etcd_files),
    )
    relocation = Relocation(str(home.root), home, after)
    with tempfile.TemporaryFile(dir=home.root) as file:
        revision, count = snapshot_store(home, before, file)
        file.seek(0)
        _, entries = read_snapshot(file)
        try:
            asyncio.run(
                fill_store(
                    store_location(home, after),
                    map(relocation.entry, entries),
                    above=StoreRevision(revision),
                )
            )
        except BaseException:
            if not etcd_servers:
                for path in home.store.glob(f"{DATABASE}*"):
                    path.unlink()  # 1: it was not there before
            raise
    save_cluster(home.cluster_file, after)
    _relocate_nodes(home, after)
    if etcd_servers:
        _set_aside(home, revision)
    return count


def _relocate_nodes(home: Home, cluster: Cluster) -> None:
    relocation = Relocation(str(home.root), home, cluster)
    for node in cluster.nodes:
        paths = home.node(node.name)
        for directory in (paths.resources, paths.manifests):
            for path in sorted(directory.rglob("*")):
                _rewrite(path, relocation)


def _rewrite(path: Path, relocation: Relocation) -> None:
    if not path.is_file():
        return
    content = path.read_bytes()
    if (moved := relocation.text(content)) != content:
        write_file(path, moved)


def _set_aside(home: Home, revision: int) -> None:
    """Rename the database, so that nobody takes it for the store, and a way back is free."""
    for path in sorted(home.store.glob(f"{DATABASE}*")):
        path.rename(path.with_name(path.name.replace(DATABASE, f"migrated-{revision}.db", 1)))
