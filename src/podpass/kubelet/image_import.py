"""Brings images of all supported forms into the catalog's form.

Archives are trusted for nothing: names and links are resolved inside the new root only, blobs must
have the digest they are named by, and device files, setuid and setgid bits are left out.

Source: OCI image-spec v1.1, "Image Layout", "Image Configuration" and "Filesystem Layers";
docker image specification v1.2 for `manifest.json`.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import signal
import stat
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from podpass.kubelet.layer import LayerRefused, apply_layer
from podpass.kubelet.runtime.interface import RuntimeFailure

_CHUNK = 1 << 20
_ZSTD = b"\x28\xb5\x2f\xfd"
_MAX_JSON = 16 << 20
_DAMAGED = (
    *(tarfile.TarError, EOFError, zlib.error, LayerRefused),
    *(AttributeError, KeyError, TypeError, ValueError),  # JSON of another shape
)
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class _Files(Protocol):
    """The files of an archive or a directory, by relative name."""

    def names(self) -> set[str]: ...

    def open(self, name: str) -> IO[bytes]: ...


class _Directory:
    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> set[str]:
        return {str(p.relative_to(self._path)) for p in self._path.rglob("*") if p.is_file()}

    def open(self, name: str) -> IO[bytes]:
        return (self._path / name).open("rb")


class _Archive:
    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._members = {os.path.normpath(m.name): m for m in archive.getmembers()}

    def names(self) -> set[str]:
        return set(self._members)

    def open(self, name: str) -> IO[bytes]:
        member = self._members[name]
        file = self._archive.extractfile(member)
        if file is None:
            raise RuntimeFailure(f"{name} in the archive is not a file")
        return file


def import_image(path: Path, target: Path) -> dict[str, Any]:
    """Bring the image at `path` into the empty directory `target`; return its record.

    Raises:
        RuntimeFailure: `path` is no image, or a damaged or unsupported one.
        OSError: The disk refused.
    """
    if not path.exists():
        raise RuntimeFailure(f"{path} does not exist")
    if path.is_dir() and not (path / "oci-layout").is_file():
        return _import_directory(path, target)
    if not path.is_file() and not path.is_dir():
        raise RuntimeFailure(f"{path} is neither a file nor a directory")
    try:
        if path.is_dir():
            return _import_layers(_Directory(path), target)
        if tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                return _import_layers(_Archive(archive), target)
    except _DAMAGED as error:
        raise RuntimeFailure(f"{path} is damaged: {error}") from error
    if os.access(path, os.X_OK):
        return _import_program(path, target)
    raise RuntimeFailure(
        f"{path} is not an image: neither a tar archive nor a program that may be executed"
    )


def _record(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {
        "kind": kind,
        "id": f"sha256:{digest}",
        "size": size,
        "entrypoint": [],
        "command": [],
        "environment": {},
        "working_directory": "",
        "user": "",
        "stop_signal": int(signal.SIGTERM),
    }


def _import_program(path: Path, target: Path) -> dict[str, Any]:
    shutil.copyfile(path, target / "program")
    (target / "program").chmod(0o755)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    record = _record("program", digest, path.stat().st_size)
    return record | {"entrypoint": [f"/usr/local/bin/{path.name}"]}


def _import_directory(path: Path, target: Path) -> dict[str, Any]:
    """Copy a root file system as it is; devices are left out, owners are kept as root."""
    root = target / "rootfs"
    if root.resolve().is_relative_to(path.resolve()):
        raise RuntimeFailure(f"{path} contains the catalog itself")
    digest = hashlib.sha256()
    size = 0
    for directory, _, _ in os.walk(path):
        inside = root / os.path.relpath(directory, path)
        inside.mkdir(parents=True, exist_ok=True)
        entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            copy = inside / entry.name
            digest.update(f"{os.path.relpath(entry.path, path)}\0{status.st_mode}\0".encode())
            if stat.S_ISLNK(status.st_mode):
                link = Path(entry.path).readlink()
                copy.symlink_to(link)
                digest.update(os.fsencode(link))
            elif stat.S_ISREG(status.st_mode):
                shutil.copyfile(entry.path, copy, follow_symlinks=False)
                with copy.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
                size += status.st_size
            elif stat.S_ISDIR(status.st_mode):
                copy.mkdir()
            else:
                continue
            if os.geteuid() == 0:
                os.chown(copy, status.st_uid, status.st_gid, follow_symlinks=False)
            if not stat.S_ISLNK(status.st_mode):
                copy.chmod(_safe_mode(status.st_mode, directory=stat.S_ISDIR(status.st_mode)))
    record = _record("rootfs", digest.hexdigest(), size)
    shell = next((s for s in ("/bin/sh", "/bin/bash") if os.path.lexists(root / s[1:])), "")
    return record | {"command": [shell] if shell else []}


def _safe_mode(mode: int, *, directory: bool) -> int:
    own = stat.S_IRWXU if directory else stat.S_IRUSR | stat.S_IWUSR
    return (mode & 0o1777) | (own if os.geteuid() != 0 else 0)


def _import_layers(files: _Files, target: Path) -> dict[str, Any]:
    names = files.names()
    if "index.json" in names:
        config_name, layers = _oci_parts(files)
    elif "manifest.json" in names:
        config_name, layers = _docker_parts(files)
    else:
        raise RuntimeFailure(
            "the archive has neither index.json (OCI) nor manifest.json (docker save); unpack a "
            "plain root file system and add the directory"
        )
    missing = [name for name in (config_name, *layers) if name not in names]
    if missing:
        raise RuntimeFailure(f"the archive lacks {missing[0]}")
    raw = _read(files, config_name)
    root = target / "rootfs"
    root.mkdir(mode=0o755)
    for layer in layers:
        with _checked(files, layer) as file:
            if file.read(4) == _ZSTD:
                raise RuntimeFailure(f"layer {layer} is compressed with zstd; use gzip or none")
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:*") as archive:
                apply_layer(archive, root)
    size = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file())
    record = _record("rootfs", hashlib.sha256(raw).hexdigest(), size)
    return record | _image_config(_json(raw, config_name).get("config") or {})


def _image_config(config: dict[str, Any]) -> dict[str, Any]:
    environment = dict(
        entry.split("=", 1) for entry in config.get("Env") or [] if "=" in str(entry)
    )
    return {
        "entrypoint": list(config.get("Entrypoint") or []),
        "command": list(config.get("Cmd") or []),
        "environment": environment,
        "working_directory": str(config.get("WorkingDir") or ""),
        "user": str(config.get("User") or ""),
        "stop_signal": _signal_number(str(config.get("StopSignal") or "SIGTERM")),
    }


def _signal_number(name: str) -> int:
    try:
        if name.isdigit():
            return int(signal.Signals(int(name)))
        return int(signal.Signals["SIG" + name.upper().removeprefix("SIG")])
    except (KeyError, ValueError) as error:
        raise RuntimeFailure(f"the image has an unknown stop signal {name}") from error


def _oci_parts(files: _Files) -> tuple[str, list[str]]:
    manifest = _json(_read(files, "index.json"), "index.json")
    for _ in range(3):  # an index may point to an index once
        if "layers" in manifest:
            layers = [_blob(layer) for layer in manifest["layers"]]
            return _blob(manifest.get("config", {})), layers
        name = _blob(_choose(manifest.get("manifests") or []))
        if name not in files.names():
            raise RuntimeFailure(f"the archive lacks {name}")
        manifest = _json(_read(files, name), name)
    raise RuntimeFailure("the image index points in circles")


def _choose(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    """Take the manifest for this machine, or the only one."""
    machine = _MACHINES.get(platform.machine(), platform.machine())
    fitting = [m for m in manifests if (m.get("platform") or {}).get("architecture") == machine]
    unmarked = [m for m in manifests if not m.get("platform")]
    if not (fitting or unmarked):
        raise RuntimeFailure(f"the archive has no image for this machine ({machine})")
    return (fitting or unmarked)[0]


def _blob(descriptor: dict[str, Any]) -> str:
    algorithm, _, digest = str(descriptor.get("digest", "")).partition(":")
    if algorithm != "sha256" or len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):  # noqa: PLR2004
        raise RuntimeFailure("the image has a descriptor without a sha256 digest")
    return f"blobs/sha256/{digest}"


def _docker_parts(files: _Files) -> tuple[str, list[str]]:
    manifest = json.loads(_read(files, "manifest.json"))
    if not isinstance(manifest, list) or len(manifest) != 1:
        raise RuntimeFailure("the archive must hold exactly one image")
    return str(manifest[0]["Config"]), [str(layer) for layer in manifest[0]["Layers"]]


def _json(raw: bytes, name: str) -> dict[str, Any]:
    try:
        value = json.loads(raw)
    except ValueError as error:
        raise RuntimeFailure(f"{name} in the archive is not JSON") from error
    if not isinstance(value, dict):
        raise RuntimeFailure(f"{name} in the archive is not a JSON object")
    return value


def _read(files: _Files, name: str) -> bytes:
    with _checked(files, name) as file:
        raw = file.read(_MAX_JSON + 1)
    if len(raw) > _MAX_JSON:
        raise RuntimeFailure(f"{name} in the archive is too large")
    return raw


@contextmanager
def _checked(files: _Files, name: str) -> Iterator[IO[bytes]]:
    """Open a file of the archive; a blob must have the digest that is its name."""
    with files.open(name) as file:
        if name.startswith("blobs/sha256/"):
            digest = hashlib.sha256()
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
            if digest.hexdigest() != name.rpartition("/")[2]:
                raise RuntimeFailure(f"{name} in the archive is damaged: wrong digest")
            file.seek(0)
        yield file
