"""Make a home from a backup.

1. Everything is checked before anything is written, and written beside before it is in its place.
2. Nothing is deleted: a home that is replaced is moved aside.
3. The store's revisions begin REVISION_BUMP above the backup's: nobody who saw what came after the
   backup is given other content under a number that he knows. docs/adr/0050.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from podpass.base.files import sync_directory, write_file
from podpass.bootstrap.archive import Archive, BackupFacts, open_archive
from podpass.bootstrap.backup import DATABASE, engine_of, store_location
from podpass.bootstrap.cluster import Cluster, load_cluster, save_cluster
from podpass.bootstrap.home import Home, HomeError
from podpass.bootstrap.leadership import without_leader
from podpass.bootstrap.lifecycle import check_stopped, locked
from podpass.bootstrap.relocation import Relocation
from podpass.bootstrap.store_choice import AS_BEFORE, StoreChoice
from podpass.storage.filling import fill_store
from podpass.storage.interface import StoreError, StoreRevision
from podpass.storage.location import SQLITE_SCHEME
from podpass.storage.snapshot import DamagedSnapshot, read_snapshot

REVISION_BUMP: Final = 1_000_000_000
_NODES = "nodes/"


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of it.

    Attributes:
        facts: Of the backup.
        engine: Of the store, `sqlite` or `etcd`.
        revision: Where the store goes on.
        replaced: Where the home that was there is now.
        others_join: Whether other hosts join the cluster, or have joined it.
    """

    facts: BackupFacts
    engine: str
    revision: int
    replaced: Path | None
    others_join: bool


def restore(
    path: Path, home: Home, *, store: StoreChoice = AS_BEFORE, force: bool = False
) -> Restored:
    """Make `home` from the backup at `path`.

    Args:
        path: The backup.
        home: Where to; empty or missing.
        store: Where the objects go.
        force: Whether a home that is there is moved aside, and what is below the prefix of an
            etcd replaced.

    Raises:
        HomeError: The backup is damaged, the home is in use or cannot be written, or so the store.
    """
    with open_archive(path) as archive:
        _check_snapshot(archive, path)
        if not force and _is_used(home):
            raise HomeError(
                f"the home {home.root} is not empty; give --force to move it aside, "
                "or another --home"
            )
        try:
            with locked(home):
                if home.cluster_file.exists():
                    check_stopped(home, load_cluster(home.cluster_file))
                return _restore(archive, home, store, force=force)
        except StoreError as error:
            raise HomeError(f"{error}; nothing was restored") from error
        except OSError as error:
            raise HomeError(f"cannot restore to {home.root}: {error}") from error


def _restore(archive: Archive, home: Home, store: StoreChoice, *, force: bool) -> Restored:
    staged = Home(home.root.with_name(f".{home.root.name}.restore-{secrets.token_hex(4)}"))
    try:
        cluster = _write_files(archive, home, staged, store)
        location = store_location(staged, cluster)
        if not cluster.etcd_servers:
            location = f"{SQLITE_SCHEME}{staged.store / DATABASE}"
        relocation = Relocation(archive.facts.home, home, cluster)
        _, entries = read_snapshot(archive.snapshot())
        revision = asyncio.run(
            fill_store(
                location,
                map(without_leader, map(relocation.entry, entries)),
                above=StoreRevision(archive.facts.revision + REVISION_BUMP),
                replace=force,
            )
        )
        replaced = _put_in_place(staged, home)
    except BaseException:
        shutil.rmtree(staged.root, ignore_errors=True)
        raise
    return Restored(
        archive.facts, engine_of(cluster), revision, replaced, bool(cluster.advertise_address)
    )


def _write_files(archive: Archive, home: Home, staged: Home, store: StoreChoice) -> Cluster:
    staged.root.mkdir(parents=True, mode=0o700)
    staged.store.mkdir(mode=0o700)
    for name in archive.members:
        target = staged.root / name
        for parent in reversed(target.relative_to(staged.root).parents):
            (staged.root / parent).mkdir(exist_ok=True, mode=0o700)
        write_file(target, archive.read(name))
    cluster = store.apply(load_cluster(staged.cluster_file), staged)
    save_cluster(staged.cluster_file, cluster)
    relocation = Relocation(archive.facts.home, home, cluster)
    for name in archive.members:
        if name.startswith(_NODES):
            content = archive.read(name)
            if (moved := relocation.text(content)) != content:
                write_file(staged.root / name, moved)
    return cluster


def _put_in_place(staged: Home, home: Home) -> Path | None:
    """Rename (1), and move aside what was there (2)."""
    replaced = None
    if _is_used(home):
        replaced = home.root.with_name(f"{home.root.name}.replaced-{secrets.token_hex(4)}")
        home.root.rename(replaced)
    else:
        home.lock_file.unlink(missing_ok=True)
        home.root.rmdir()
    try:
        staged.root.rename(home.root)
    except OSError:
        if replaced is not None:
            replaced.rename(home.root)
        raise
    sync_directory(home.root.parent)
    return replaced


def _is_used(home: Home) -> bool:
    return home.root.exists() and any(one != home.lock_file for one in home.root.iterdir())


def _check_snapshot(archive: Archive, path: Path) -> None:
    try:
        revision, entries = read_snapshot(archive.snapshot())
        count = sum(1 for _ in entries)
    except DamagedSnapshot as error:
        raise HomeError(f"{path} is damaged: the snapshot of the store: {error}") from error
    if (revision, count) != (archive.facts.revision, archive.facts.objects):
        raise HomeError(f"{path} is damaged: its snapshot is not the one that it speaks of")
