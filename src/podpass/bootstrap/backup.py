"""Back a cluster up while it runs, or while it does not.

What cannot be made again goes in: the options, certificates and keys, the static pods of the nodes,
and the objects. Pods' directories, logs and images do not. Files and objects are of one moment: a
rollout that goes on meanwhile is then one that the operator finishes. docs/adr/0050, 0052.
"""

from __future__ import annotations

import asyncio
import tempfile
from datetime import datetime
from pathlib import Path
from typing import IO

import podpass
from podpass.api.meta import format_time
from podpass.bootstrap.archive import BackupFacts, write_archive
from podpass.bootstrap.cluster import Cluster, load_cluster
from podpass.bootstrap.etcd_client import etcd_location
from podpass.bootstrap.home import Home, HomeError
from podpass.bootstrap.still import read_while_still
from podpass.storage.interface import StoreError
from podpass.storage.location import SQLITE_SCHEME, EtcdLocation, open_store
from podpass.storage.snapshot import write_snapshot

DATABASE = "podpass.db"


def store_location(home: Home, cluster: Cluster) -> str | EtcdLocation:
    """Return where the objects of a home are."""
    if cluster.etcd_servers:
        return etcd_location(home, cluster)
    return f"{SQLITE_SCHEME}{home.store / DATABASE}"


def engine_of(cluster: Cluster) -> str:
    """Return `sqlite` or `etcd`."""
    return "etcd" if cluster.etcd_servers else "sqlite"


def load_own_cluster(home: Home) -> Cluster:
    """Read the cluster of a home that has its own.

    Raises:
        HomeError: There is none, or it is another host's.
    """
    cluster = load_cluster(home.cluster_file)
    if cluster.joined_server:
        raise HomeError(
            f"the home {home.root} has joined {cluster.joined_server}, which keeps the objects; "
            "do it on that host"
        )
    return cluster


def back_up(home: Home, output: Path, *, now: datetime, force: bool = False) -> BackupFacts:
    """Write a backup of a home to `output`.

    Raises:
        HomeError: The store or a file cannot be read, or the backup not be written.
    """
    cluster = load_own_cluster(home)
    if output.exists() and not force:  # before all the work
        raise HomeError(f"{output} exists; give --force to replace it, or another name")
    try:
        with tempfile.TemporaryFile(dir=output.parent) as snapshot:

            def take_snapshot() -> tuple[int, int]:
                snapshot.seek(0)
                return snapshot_store(home, cluster, snapshot)

            files, (revision, objects) = read_while_still(
                lambda: _read_files(home, cluster), take_snapshot
            )
            facts = BackupFacts(
                version=podpass.__version__,
                engine=engine_of(cluster),
                revision=revision,
                objects=objects,
                created=format_time(now),
                home=str(home.root),
            )
            write_archive(output, facts, files, snapshot, force=force)
    except OSError as error:
        raise HomeError(f"cannot back up to {output}: {error.strerror or error}") from error
    return facts


def snapshot_store(home: Home, cluster: Cluster, file: IO[bytes]) -> tuple[int, int]:
    """Write all objects of a home as they are now; returns revision and number.

    Raises:
        HomeError: The store is missing or cannot be read.
        OSError: The file cannot be written.
    """
    if not cluster.etcd_servers and not (home.store / DATABASE).exists():
        raise HomeError(f"{home.store / DATABASE} is missing; there are no objects to keep")

    async def write() -> tuple[int, int]:
        store = await open_store(store_location(home, cluster))
        try:
            return await write_snapshot(store, file)
        finally:
            await store.close()

    try:
        return asyncio.run(write())
    except StoreError as error:
        raise HomeError(str(error)) from error


def _read_files(home: Home, cluster: Cluster) -> dict[str, bytes]:
    directories = [home.pki, home.kubeconfigs, home.etcd, home.audit]
    for node in cluster.nodes:
        directories += [home.node(node.name).manifests, home.node(node.name).resources]
    paths = [home.cluster_file]
    if home.seeded_file.exists():
        paths.append(home.seeded_file)
    for directory in directories:
        paths += (path for path in sorted(directory.rglob("*")) if path.is_file())
    names = {path: path.relative_to(home.root) for path in paths}
    return {
        str(name): path.read_bytes()
        for path, name in names.items()
        if not any(part.startswith(".") for part in name.parts)  # being written, or an editor's
    }
