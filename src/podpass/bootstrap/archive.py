"""The file of a backup: a tar with a manifest that knows each member by its digest.

1. Members: `manifest.json`, its digest, files below `home/`, and `store/snapshot.jsonl`.
2. It is written beside, synced and renamed: a backup is whole or absent, and for its owner only.
3. Reading believes nothing: plain files alone, each name in the manifest and of a known shape,
   each digest right, none missing. All of that is checked before anybody sees a byte.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import orjson

from podpass.base.files import sync_directory
from podpass.bootstrap.home import HomeError

SNAPSHOT: Final = "store/snapshot.jsonl"
HOME_PREFIX: Final = "home/"
_FORMAT: Final = "podpass-backup/v1"
_MANIFEST: Final = "manifest.json"
_DIGEST: Final = "manifest.json.sha256"
_MAXIMUM_MANIFEST = 16 * 1024 * 1024
_CHUNK = 1024 * 1024
_NAME = r"[^./\0][^/\0]*"
_MEMBER = re.compile(
    rf"{re.escape(SNAPSHOT)}|home/(cluster\.json|seeded"
    rf"|(audit|pki|kubeconfigs|etcd)(/{_NAME})+|nodes/{_NAME}/(manifests|resources)(/{_NAME})+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupFacts:
    """What a backup says of itself.

    Attributes:
        version: Of the podpass that made it.
        engine: `sqlite` or `etcd`.
        revision: Of the store's snapshot.
        objects: Number of its keys.
        created: RFC 3339.
        home: Where the cluster lived.
    """

    version: str
    engine: str
    revision: int
    objects: int
    created: str
    home: str


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive that was checked; its file is open.

    Attributes:
        facts: What it says of itself.
        members: Names of the files below `home/`, without that prefix.
    """

    facts: BackupFacts
    members: tuple[str, ...]
    _tar: tarfile.TarFile = field(repr=False)

    def read(self, name: str) -> bytes:
        """Return the content of a file of the home."""
        return _content(self._tar, HOME_PREFIX + name).read()

    def snapshot(self) -> IO[bytes]:
        """Return the snapshot of the store, at its start."""
        return _content(self._tar, SNAPSHOT)


def write_archive(
    output: Path,
    facts: BackupFacts,
    files: Mapping[str, bytes],
    snapshot: IO[bytes],
    *,
    force: bool,
) -> None:
    """Write a backup (rule 2).

    Args:
        output: The file.
        facts: What it says of itself.
        files: Content by path in the home.
        snapshot: Of the store, from its start.
        force: Whether a file that is there is replaced.

    Raises:
        HomeError: It is there already.
        OSError: It cannot be written; what was there is untouched.
    """
    if output.exists() and not force:
        raise HomeError(f"{output} exists; give --force to replace it, or another name")
    for name in files:
        if not _belongs(HOME_PREFIX + name):
            raise HomeError(f"the file {name!r} of the home could not be restored; rename it")
    snapshot.seek(0)
    sizes = {SNAPSHOT: _digest(snapshot)}
    sizes |= {HOME_PREFIX + name: _digest(io.BytesIO(content)) for name, content in files.items()}
    fields = {name: getattr(facts, name) for name in BackupFacts.__slots__}
    manifest = orjson.dumps(
        {
            "format": _FORMAT,
            **fields,
            "members": {
                name: {"sha256": digest, "size": size} for name, (digest, size) in sizes.items()
            },
        },
        option=orjson.OPT_INDENT_2,
    )
    temporary = output.with_name(f".{output.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                _add(tar, _MANIFEST, io.BytesIO(manifest), len(manifest))
                digest = hashlib.sha256(manifest).hexdigest().encode()
                _add(tar, _DIGEST, io.BytesIO(digest), len(digest))
                for name, content in files.items():
                    _add(tar, HOME_PREFIX + name, io.BytesIO(content), len(content))
                snapshot.seek(0)
                _add(tar, SNAPSHOT, snapshot, sizes[SNAPSHOT][1])
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(output)
        sync_directory(output.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Check a backup (rule 3) and give it to read.

    Raises:
        HomeError: It cannot be read, is damaged, or is no backup; says why.
    """
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
            yield _checked(tar)
    except (tarfile.TarError, EOFError, UnicodeError) as error:
        raise HomeError(f"{path} is damaged or no backup: {error}") from error
    except _Damaged as error:
        raise HomeError(f"{path} is damaged or no backup: {error}") from error
    except OSError as error:
        raise HomeError(f"cannot read {path}: {error.strerror or error}") from error


class _Damaged(Exception):
    pass


def _checked(tar: tarfile.TarFile) -> Archive:
    names: set[str] = set()
    for member in tar:
        if not member.isreg() or member.issparse():
            raise _Damaged(f"the member {member.name!r} is no plain file")
        if member.name in names:
            raise _Damaged(f"the member {member.name!r} is there twice")
        if member.name not in (_MANIFEST, _DIGEST) and not _belongs(member.name):
            raise _Damaged(f"the member {member.name!r} does not belong there")
        names.add(member.name)
    for name in (_MANIFEST, _DIGEST):
        if name not in names:
            raise _Damaged(f"the member {name} is missing")
    content = _content(tar, _MANIFEST).read(_MAXIMUM_MANIFEST)
    if hashlib.sha256(content).hexdigest().encode() != _content(tar, _DIGEST).read(_CHUNK):
        raise _Damaged("the digest of its manifest is another one")
    facts, members = _read_manifest(content)
    if unknown := names - members.keys() - {_MANIFEST, _DIGEST}:
        raise _Damaged(f"its manifest does not know the member {min(unknown)!r}")
    for needed in (SNAPSHOT, f"{HOME_PREFIX}cluster.json", *members):
        if needed not in names:
            raise _Damaged(f"the member {needed} is missing")
    for name, (digest, size) in members.items():
        if _digest(_content(tar, name)) != (digest, size):
            raise _Damaged(f"the content of {name} is not what was backed up")
    files = (name for name in members if name.startswith(HOME_PREFIX))
    return Archive(facts, tuple(sorted(name.removeprefix(HOME_PREFIX) for name in files)), tar)


def _belongs(name: str) -> bool:
    return bool(_MEMBER.fullmatch(name)) and name.isprintable()


def _read_manifest(content: bytes) -> tuple[BackupFacts, dict[str, tuple[str, int]]]:
    try:
        found: Any = orjson.loads(content)
        if found["format"] != _FORMAT:
            raise _Damaged(f"its format is {found['format']}; this podpass reads {_FORMAT}")
        facts = BackupFacts(**{name: found[name] for name in BackupFacts.__slots__})
        members = {name: (one["sha256"], one["size"]) for name, one in found["members"].items()}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise _Damaged(f"its manifest cannot be read: {error}") from error
    if type(facts.revision) is not int or facts.revision < 0:
        raise _Damaged("its revision is no number")
    return facts, members


def _content(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    file = tar.extractfile(name)
    if file is None:
        raise _Damaged(f"the member {name} is no plain file")
    return file


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.mode, member.size = 0o600, size
    tar.addfile(member, content)


def _digest(file: IO[bytes]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size
