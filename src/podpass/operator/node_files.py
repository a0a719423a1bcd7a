"""The files of static pods on a node, as installer and pruner write them.

1. Every file is whole or absent, readable by its owner alone, and on the disk before the next
   step: resources first, the manifest last.
2. A revision's directory is complete before the manifest names it.
3. An older manifest never replaces a newer one.

Paths: `kube-apiserver-pod-N/{configmaps,secrets}/NAME/KEY` and
`kube-apiserver-certs/{configmaps,secrets}/NAME/KEY` below the resource directory.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import orjson

from podpass.base.files import write_file
from podpass.operator.names import REVISION_LABEL
from podpass.operator.static_pod_template import CERT_DIRECTORY, MANIFEST, POD_PREFIX

Kind: TypeAlias = Literal["configmaps", "secrets"]
Contents: TypeAlias = Mapping[tuple[Kind, str], Mapping[str, bytes]]
"""(kind, name without revision) to the files of that object."""

_DIRECTORY_MODE = 0o700
_KEY = re.compile(r"[-._a-zA-Z0-9]+\Z")


class InstallError(Exception):
    """Nothing, or not all, could be installed; the message says what to do about it."""


class NodeFiles:
    """The resource and manifest directories of one node."""

    def __init__(self, resources: Path, manifests: Path) -> None:
        self._resources = resources
        self._manifests = manifests

    def write_revision(self, revision: int, contents: Contents, manifest: str) -> None:
        """Write the directory of a revision, with a copy of its manifest (rule 2).

        Raises:
            InstallError: The disk refused, or a key cannot be a file name.
        """
        directory = self._resources / f"{POD_PREFIX}-{revision}"
        try:
            self._write(directory, contents)
            write_file(directory / f"{POD_PREFIX}.yaml", manifest.encode())
            _sync_directory(directory)
        except OSError as error:
            raise InstallError(f"cannot write {directory}: {error.strerror}") from error

    def write_certs(self, contents: Contents) -> bool:
        """Write certificates and keys that changed; tell whether any did.

        Raises:
            InstallError: The disk refused, or a key cannot be a file name.
        """
        directory = self._resources / CERT_DIRECTORY
        try:
            return self._write(directory, contents)
        except OSError as error:
            raise InstallError(f"cannot write {directory}: {error.strerror}") from error

    def write_manifest(self, revision: int, manifest: str) -> None:
        """Let the kubelet run a revision (rule 3).

        Raises:
            InstallError: A newer revision is there, or the disk refused.
        """
        newer = self.installed_revision()
        if newer > revision:
            raise InstallError(
                f"more recent revision present on node: thisRevision={revision}, "
                f"moreRecentRevision={newer}"
            )
        try:
            write_file(self._manifests / MANIFEST, manifest.encode())
            _sync_directory(self._manifests)
        except OSError as error:
            raise InstallError(f"cannot write the manifest: {error.strerror}") from error

    def installed_revision(self) -> int:
        """Return the revision of the manifest that is there; 0 for none, or an unreadable one."""
        try:
            pod: Any = orjson.loads((self._manifests / MANIFEST).read_bytes())
            return int(pod["metadata"]["labels"][REVISION_LABEL])
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return 0

    def prune(self, protected: Collection[int], maximum: int) -> list[int]:
        """Remove the directories of revisions up to `maximum` that are not protected.

        Returns:
            What was removed.

        Raises:
            InstallError: The disk refused.
        """
        running = self.installed_revision()
        removed = []
        try:
            for entry in sorted(self._resources.iterdir()):
                prefix, _, number = entry.name.rpartition("-")
                if prefix != POD_PREFIX or not number.isdecimal():
                    continue
                revision = int(number)
                if revision <= maximum and revision not in protected and revision != running:
                    shutil.rmtree(entry)
                    removed.append(revision)
        except OSError as error:
            raise InstallError(f"cannot prune {self._resources}: {error}") from error
        return sorted(removed)

    def _write(self, directory: Path, contents: Contents) -> bool:
        changed = False
        for (kind, name), files in contents.items():
            target = directory / kind / name
            for level in (directory, target.parent, target):
                level.mkdir(exist_ok=True, mode=_DIRECTORY_MODE)
            for key, content in files.items():
                if not _KEY.match(key) or key in (".", ".."):
                    raise InstallError(f"{kind} {name}: the key {key!r} cannot be a file name")
                file = target / key
                if not file.exists() or file.read_bytes() != content:
                    write_file(file, content)
                    changed = True
            for stale in {one.name for one in target.iterdir()} - files.keys():
                (target / stale).unlink()
                changed = True
            for level in (target, target.parent, directory):
                _sync_directory(level)
        return changed


def _sync_directory(directory: Path) -> None:
    """Let the names in a directory survive a power failure."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
